// Values given beside a scenario: KEY=VALUE, where KEY is a path ("policies.reinject",
// "kernels[0].defects") and VALUE is YAML. They are put into the tree before it is held against the
// schema, so that a wrong one is a diagnostic like any other; its place is in the option's text.
#pragma once

#include <span>
#include <string>

#include "harness/scenario/diagnostic.h"
#include "harness/scenario/yaml.h"

namespace baton::harness {

// Sets what the overrides say, in their order. Maps and the next entry of a list are made where
// they are missing; an entry beyond that is a problem.
void apply_overrides(Node& root, std::span<const std::string> overrides, Diagnostics& diagnostics);

}  // namespace baton::harness
