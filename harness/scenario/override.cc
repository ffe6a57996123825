#include "harness/scenario/override.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace baton::harness {
namespace {

constexpr std::size_t kDepthMax = 16;

class Override {
 public:
  Override(std::string_view text, unsigned source, Diagnostics& diagnostics)
      : text_(text), source_(source), diagnostics_(diagnostics) {}

  void apply(Node& root) {
    const std::size_t equals = text_.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      diagnostics_.add(Problem::kBadValue, place(0, text_.size()), "KEY=VALUE is expected", "",
                       "for example policies.reinject=none");
      return;
    }
    key_ = text_.substr(0, equals);
    std::optional<Node> value = read_value(equals + 1);
    if (!value) return;
    Node* at = &root;
    std::size_t depth = 0;
    while (at_ < key_.size()) {
      at = ++depth > kDepthMax ? refuse("the path is too deep") : step(*at);
      if (at == nullptr) return;
    }
    *at = std::move(*value);
  }

 private:
  Position place(std::size_t from, std::size_t length) const {
    return {1, static_cast<unsigned>(from + 1),
            static_cast<unsigned>(std::max<std::size_t>(1, length)), source_};
  }

  Node* refuse(std::string message) {
    diagnostics_.add(Problem::kBadValue, place(at_, key_.size() - at_), std::move(message), "",
                     "a path is written like kernels[0].policies.reinject");
    return nullptr;
  }

  std::optional<Node> read_value(std::size_t from) {
    Diagnostics problems;
    Node value = read_yaml(text_.substr(from), problems);
    move(value, from);
    if (value.kind == Node::Kind::kNull) value.at = place(0, text_.size());
    for (const Diagnostic& problem : problems.sorted()) {
      Position at = problem.at;
      at.column += static_cast<unsigned>(from);
      at.source = source_;
      diagnostics_.add(problem.problem, at, problem.message, problem.caret_note, problem.help);
    }
    if (!problems.empty()) return std::nullopt;
    return value;
  }

  // Places within the value become places within the whole text.
  void move(Node& node, std::size_t by) {
    const auto shift = [&](Position& at) {
      at.column += static_cast<unsigned>(by);
      at.source = source_;
    };
    shift(node.at);
    for (Node::Key& key : node.keys) shift(key.at);
    for (Node& item : node.items) move(item, by);
  }

  // Takes the next part off the path.
  Node* step(Node& node) {
    if (key_[at_] == '[') return entry(node);
    if (at_ != 0) {
      if (key_[at_] != '.') return refuse("a dot is expected here");
      ++at_;
    }
    const std::size_t end = std::min(key_.find_first_of(".[", at_), key_.size());
    if (end == at_) return refuse("a key is expected here");
    const std::string name(key_.substr(at_, end - at_));
    if (node.kind != Node::Kind::kMap && node.kind != Node::Kind::kNull) {
      return refuse(fmt::format("\"{}\" is no mapping: it has no key \"{}\"",
                                key_.substr(0, at_ == 0 ? 0 : at_ - 1), name));
    }
    const Position at = place(at_, name.size());
    at_ = end;
    if (node.kind == Node::Kind::kNull) node = fresh(Node::Kind::kMap, at);
    for (std::size_t i = 0; i < node.keys.size() && i < node.items.size(); ++i) {
      if (node.keys[i].text == name) return &node.items[i];
    }
    node.keys.push_back({name, at});
    node.items.push_back(fresh(Node::Kind::kNull, at));
    return &node.items.back();
  }

  Node* entry(Node& node) {
    const std::size_t close = key_.find(']', at_);
    std::size_t index = 0;
    const char* first = key_.data() + at_ + 1;
    const char* last = close == std::string_view::npos ? first : key_.data() + close;
    const auto [end, error] = std::from_chars(first, last, index);
    if (error != std::errc() || end != last || first == last) {
      return refuse("[NUMBER] is expected here");
    }
    if (node.kind == Node::Kind::kNull) node = fresh(Node::Kind::kList, place(at_, 1));
    if (node.kind != Node::Kind::kList) {
      return refuse(fmt::format("\"{}\" is no list", key_.substr(0, at_)));
    }
    if (index > node.items.size()) {
      return refuse(fmt::format("\"{}\" has {} entries, the next one is [{}]", key_.substr(0, at_),
                                node.items.size(), node.items.size()));
    }
    if (index == node.items.size()) {
      node.items.push_back(fresh(Node::Kind::kNull, place(at_, close - at_)));
    }
    at_ = close + 1;
    return &node.items[index];
  }

  static Node fresh(Node::Kind kind, Position at) {
    Node node;
    node.kind = kind;
    node.at = at;
    return node;
  }

  std::string_view text_;
  std::string_view key_;
  std::size_t at_ = 0;
  unsigned source_;
  Diagnostics& diagnostics_;
};

}  // namespace

void apply_overrides(Node& root, std::span<const std::string> overrides, Diagnostics& diagnostics) {
  for (const std::string& text : overrides) {
    const unsigned source = diagnostics.add_source("--set", text);
    Override(text, source, diagnostics).apply(root);
  }
}

}  // namespace baton::harness
