// The keys of a scenario: one table from which the parser, the defaults, `check --expand`, the JSON
// Schema, docs/scenario.md and `baton explain KEY` come.
//
// A path names a key: "vms[].workload.size"; "[]" stands for the entries of a list.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "harness/scenario/yaml.h"

namespace baton::harness {

enum class KeyType : std::uint8_t {
  kMap,
  kList,
  kText,  // any single value
  kName,  // letters, digits, '-', '_'
  kFile,  // relative to the scenario's folder
  kSize,
  kDuration,
  kRate,
  kNumber,
  kChoice,
  kChoices,  // one choice or a list of them
  kCall,     // a system call of a process (call_rows.h), checked when it is bound
  kBound,    // a size, a duration or a number, by what is measured
  kValues,   // values of another key: a list, a range or all (vary.h)
};

// A value that a key takes; one that is not built is known by name and refused by name.
struct Choice {
  std::string_view name;
  bool built = true;
  std::string_view text = {};  // what it means, where the name does not say it
};

struct KeyRow {
  std::string_view path;
  KeyType type;
  bool required;
  std::string_view fallback;  // the default, as text; empty for none
  std::string_view origin;    // where the default comes from; empty: "default"
  std::vector<Choice> (*choices)();
  std::uint64_t minimum;  // of sizes, durations, rates, numbers, in base units
  std::uint64_t maximum;
  std::string_view description;
  std::string_view example;
};

std::span<const KeyRow> key_rows();
const KeyRow* key_row(std::string_view path);
// The last part of a path: "size" of "vms[].workload.size".
std::string_view last_part(std::string_view path);
// The rows directly below a path; "" for the top.
std::vector<const KeyRow*> rows_below(std::string_view path);

// Holds a document against the table. What is wrong is added to `diagnostics`.
// `text` is what the tree was read from: it may show a missing key in a comment.
void check_against_schema(const Node& root, std::string_view text, Diagnostics& diagnostics);

}  // namespace baton::harness
