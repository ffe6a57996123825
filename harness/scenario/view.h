// Reads values out of a checked tree, with the defaults of the schema table where a key is absent.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/scenario/schema.h"
#include "harness/scenario/units.h"
#include "harness/scenario/yaml.h"

namespace baton::harness {

class View {
 public:
  View(const Node* node, std::string path, Position parent_at)
      : node_(node), path_(std::move(path)), at_(node == nullptr ? parent_at : node->at) {}

  bool given() const { return node_ != nullptr; }
  Position at() const { return at_; }
  const Node* node() const { return node_; }

  View key(std::string_view name) const {
    const Node* child = node_ == nullptr ? nullptr : node_->find(name);
    return {child, path_.empty() ? std::string(name) : path_ + "." + std::string(name), at_};
  }

  // The entries of a list; for a single value where a list may stand, that value.
  std::vector<View> items() const {
    std::vector<View> result;
    if (node_ == nullptr) return result;
    if (node_->kind == Node::Kind::kScalar) return {*this};
    for (const Node& item : node_->items) result.emplace_back(&item, path_ + "[]", at_);
    return result;
  }

  std::string text() const {
    if (node_ != nullptr) return node_->text;
    const KeyRow* row = key_row(path_);
    return row == nullptr ? std::string() : std::string(row->fallback);
  }

  // The value in base units; 0 if it cannot be read, which the schema has then reported.
  std::uint64_t number() const {
    const KeyRow* row = key_row(path_);
    const std::string value = text();
    switch (row == nullptr ? KeyType::kNumber : row->type) {
      case KeyType::kSize:
        return parse_size(value).value_or(0);
      case KeyType::kDuration:
        return parse_duration(value).value_or(0);
      case KeyType::kRate:
        return parse_rate(value).value_or(0);
      default:
        return parse_number(value).value_or(0);
    }
  }

  sim::Duration duration() const {
    return sim::Duration::picoseconds(static_cast<std::int64_t>(number()));
  }

 private:
  const Node* node_;
  std::string path_;
  Position at_;
};

}  // namespace baton::harness
