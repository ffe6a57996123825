#include "harness/scenario/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <set>
#include <sstream>

namespace baton::harness {
namespace {

Position position(const YAML::Mark& mark) {
  if (mark.is_null()) return {1, 1, 1};
  return {static_cast<unsigned>(mark.line + 1), static_cast<unsigned>(mark.column + 1), 1};
}

// Bytes of a scalar in its first line, as it is written: with quotes and escapes.
unsigned written_length(std::string_view line, unsigned column, std::string_view value) {
  if (column > line.size()) return 1;
  const std::string_view rest = line.substr(column - 1);
  const char first = rest.front();
  std::size_t length = 0;
  if (first == '"' || first == '\'') {
    for (length = 1; length < rest.size() && rest[length] != first; ++length) {
      if (first == '"' && rest[length] == '\\') ++length;
    }
    length = std::min(length + 1, rest.size());
  } else {
    while (length < rest.size() && length < value.size() && rest[length] == value[length]) ++length;
  }
  return static_cast<unsigned>(std::max<std::size_t>(1, length));
}

class Builder final : public YAML::EventHandler {
 public:
  Builder(std::string_view text, Diagnostics& diagnostics) : diagnostics_(diagnostics) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      lines_.push_back(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  Node take() { return std::move(root_); }
  int documents() const { return documents_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1 && start_ == position(mark)) {
      // yaml-cpp has read nothing, and would read nothing for ever: "," outside of brackets.
      diagnostics_.add(Problem::kSyntax, position(mark), "not YAML: no value begins like this");
    } else if (documents_ > 1) {
      diagnostics_.add(Problem::kYamlFeature, position(mark), "a second document",
                       "a scenario is one document");
    }
    start_ = position(mark);
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    Node node;
    node.at = position(mark);
    add(std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    diagnostics_.add(Problem::kYamlFeature, position(mark), "an alias (*name)",
                     "write the value out");
    Node node;
    node.at = position(mark);
    add(std::move(node));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    Node node;
    node.kind = Node::Kind::kScalar;
    node.at = position(mark);
    if (node.at.line <= lines_.size()) {
      node.at.length = written_length(lines_[node.at.line - 1], node.at.column, value);
    }
    if (quote_is_open(node.at)) {
      diagnostics_.add(Problem::kSyntax, node.at, "not YAML: this quote is never closed");
    }
    node.text = value;
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  // yaml-cpp takes the end of the file for the end of a quoted text.
  bool quote_is_open(const Position& at) const {
    if (at.line > lines_.size() || at.column > lines_[at.line - 1].size()) return false;
    const char mark = lines_[at.line - 1][at.column - 1];
    if (mark != '"' && mark != '\'') return false;
    std::size_t column = at.column;
    for (std::size_t line = at.line - 1; line < lines_.size(); ++line, column = 0) {
      for (const std::string_view text = lines_[line]; column < text.size(); ++column) {
        if (mark == '"' && text[column] == '\\') {
          ++column;
        } else if (text[column] == mark) {
          const bool doubled = mark == '\'' && text.substr(column + 1).starts_with(mark);
          if (!doubled) return false;
          ++column;
        }
      }
    }
    return true;
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) {
      diagnostics_.add(Problem::kYamlFeature, position(mark), "an anchor (&name)",
                       "anchors are not used in scenarios");
    }
  }

  // yaml-cpp reports "?" for plain and "!" for quoted scalars without a tag.
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      diagnostics_.add(Problem::kYamlFeature, position(mark), fmt::format("a tag ({})", tag),
                       "the type follows from the key");
    }
  }

  void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    Node node;
    node.kind = kind;
    node.at = position(mark);
    open_.push_back(std::move(node));
    keys_.emplace_back();
  }

  void close() {
    Node done = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    if (done.kind == Node::Kind::kMap) {
      done.items.resize(done.keys.size());
    }
    add(std::move(done));
  }

  void add(Node node) {
    if (open_.empty()) {
      if (documents_ <= 1) root_ = std::move(node);
      return;
    }
    Node& parent = open_.back();
    if (parent.kind == Node::Kind::kMap && parent.keys.size() == parent.items.size()) {
      add_key(parent, node);
    } else {
      // A value without a mark of its own is shown at its key.
      if (node.kind == Node::Kind::kNull && parent.kind == Node::Kind::kMap) {
        node.at = parent.keys.back().at;
      }
      parent.items.push_back(std::move(node));
    }
  }

  void add_key(Node& parent, const Node& key) {
    if (key.kind != Node::Kind::kScalar) {
      diagnostics_.add(Problem::kWrongType, key.at, "a key must be a single word");
    } else if (key.text == "<<") {
      diagnostics_.add(Problem::kYamlFeature, key.at, "a merge key (<<)", "write the keys out");
    } else if (!keys_.back().insert(key.text).second) {
      diagnostics_.add(Problem::kDuplicateKey, key.at,
                       fmt::format("key \"{}\" stands twice", key.text));
    }
    parent.keys.push_back({key.text, key.at});
  }

  std::vector<std::string_view> lines_;
  Diagnostics& diagnostics_;
  int documents_ = 0;
  Position start_;  // of the last document
  Node root_;
  std::vector<Node> open_;
  std::vector<std::set<std::string>> keys_;  // of each open map
};

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size() && i < items.size(); ++i) {
    if (keys[i].text == key) return &items[i];
  }
  return nullptr;
}

Node read_yaml(std::string_view text, Diagnostics& diagnostics) {
  std::istringstream stream{std::string(text)};
  Builder builder(text, diagnostics);
  try {
    YAML::Parser parser(stream);
    // A second document is one too many already.
    while (builder.documents() < 2 && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::DeepRecursion& error) {
    diagnostics.add(Problem::kSyntax, position(error.mark), "not YAML: nested too deeply");
    return {};
  } catch (const YAML::Exception& error) {
    diagnostics.add(Problem::kSyntax, position(error.mark), fmt::format("not YAML: {}", error.msg));
    return {};
  }
  return builder.take();
}

}  // namespace baton::harness
