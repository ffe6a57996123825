// What a sweep varies: dimensions, each with its alternatives, and the combinations that are left
// out. It comes from the keys `vary` and `exclude` of a scenario, which `baton run` does not look
// at, and from --vary. An alternative is a set of values beside the scenario (override.h), so that
// any key can be a dimension.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/scenario/diagnostic.h"
#include "harness/scenario/yaml.h"

namespace baton::harness {

struct Alternative {
  std::string label;             // "inherit", "64KiB"
  std::vector<std::string> set;  // KEY=VALUE; none: the scenario as it stands
};

struct Dimension {
  std::string name;  // the key that it varies, or a name
  std::vector<Alternative> alternatives;
  Position at;
};

// Combinations in which all of these dimensions have these alternatives.
struct Exclusion {
  std::vector<std::pair<std::string, std::string>> when;  // dimension, alternative
  std::string because;
  Position at;
};

struct VarySpec {
  std::vector<Dimension> dimensions;
  std::vector<Exclusion> exclude;
};

inline constexpr std::size_t kAlternativesMax = 4096;
inline constexpr std::size_t kCellsMax = 100'000;

// Reads `vary` and `exclude` of a tree that the schema has checked.
VarySpec read_vary(const Node& root, Diagnostics& diagnostics);

// Adds KEY=VALUES of --vary; a dimension of that name is replaced. VALUES is as in the file, or
// values with commas between them.
void add_vary(VarySpec& spec, std::string_view text, Diagnostics& diagnostics);

// Holds the exclusions against the dimensions, when all of these are known.
void check_exclusions(const VarySpec& spec, Diagnostics& diagnostics);

}  // namespace baton::harness
