// YAML to a tree with positions. It works on yaml-cpp's events, which keep marks and show what its
// document tree hides: duplicate keys, aliases, tags, further documents. All of these are errors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/scenario/diagnostic.h"

namespace baton::harness {

struct Node {
  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };
  struct Key {
    std::string text;
    Position at;
  };

  Kind kind = Kind::kNull;
  Position at;
  std::string text;         // of a scalar
  std::vector<Key> keys;    // of a map, beside items
  std::vector<Node> items;  // of a list, or the values of a map

  const Node* find(std::string_view key) const;
};

// The file's one document. Problems are added to `diagnostics`; after a syntax error the tree is
// empty.
Node read_yaml(std::string_view text, Diagnostics& diagnostics);

}  // namespace baton::harness
