// Builds the host of a scenario: the machine, its fabric from the lspci dump, the devices that the
// scenario adds: a DSA on a root bus of its own, an NVMe controller behind a port of the dump.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness/scenario/scenario.h"
#include "model/host/machine.h"

namespace baton::harness {

struct BuiltHost {
  std::unique_ptr<host::Machine> machine;
  std::vector<pci::Function*> added;  // beside MachineSpec::add
  std::size_t imported = 0;           // functions of the dump
};

// Reads the dump that loaded.scenario names and builds the host in `simulation`; devices behind
// ports get their addresses. What is wrong with either is added to loaded.diagnostics; the machine
// is then incomplete.
BuiltHost build_host(sim::Simulation& simulation, Loaded& loaded);

// Everything that can be known to be wrong before the first event: parses, validates, builds the
// host once.
Loaded check_scenario(const std::string& file, std::vector<std::string> overrides = {});
// As above, for text at hand.
Loaded check_scenario_text(std::string file, std::string text, const std::string& folder,
                           std::vector<std::string> overrides = {});

}  // namespace baton::harness
