// Everything that has a name: the items that `baton list` prints and `baton explain` explains.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::cli {

enum class Kind {
  kScenarios,
  kTemplates,
  kPolicies,
  kInvariants,
  kDefects,
  kDevices,
  kPresets,
  kParameters,
  kSources,
  kMeasures,
  kProblems,
  kViews,
};

struct KindRow {
  Kind kind;
  std::string_view list;  // "policies": what `list` takes
  std::string_view one;   // "policy": what stands before the colon in `explain policy:interrupts`
};

std::span<const KindRow> kind_rows();

struct Item {
  Kind kind;
  std::string id;
  std::string text;  // one line
  std::string page;  // what `explain` prints below the id
};

// The items of one kind, in the order of their table. `folder` is where scenarios are looked for.
std::vector<Item> items_of(Kind kind, const std::string& folder);

}  // namespace baton::cli
