// From a checked tree to a Scenario, with the checks that concern several keys at once.
#pragma once

#include <string>

#include "harness/scenario/scenario.h"

namespace baton::harness {

// Fills loaded.scenario from loaded.root; conflicts are added to loaded.diagnostics.
void bind_scenario(Loaded& loaded, const std::string& folder);

}  // namespace baton::harness
