// What the key table says about a key, for readers: its type, range, choices and an example that
// the parser takes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/scenario/schema.h"

namespace baton::harness {

// "a size", "one of", "a list", ...
std::string_view type_text(KeyType type);
// "4GiB to 4TiB"; empty if the type has no range.
std::string range_text(const KeyRow& row);
// The built choices; empty if the key has none.
std::vector<Choice> built_choices(const KeyRow& row);

// A value of the key: the row's example, its default, its first choice; of a mapping its required
// keys, or the first one if none is.
Node example_of(const KeyRow& row);
// The same in YAML on one line: "{kind: dsa, name: dsa0, bus: 0x6a}".
std::string example_text(const KeyRow& row);
// Any tree in YAML on one line.
std::string flow_text(const Node& node);

}  // namespace baton::harness
