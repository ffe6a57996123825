// The processes of a scenario: from checked lists to what the simulated user space runs.
#pragma once

#include "harness/scenario/scenario.h"

namespace baton::harness {

// Reboots in them that shall succeed.
std::size_t reboots_of(const std::vector<vmm::ScriptProcess>& processes);

// Fills scenario.processes; what is wrong is added to the diagnostics.
void bind_processes(const Node& root, Scenario& scenario, Diagnostics& diagnostics);

}  // namespace baton::harness
