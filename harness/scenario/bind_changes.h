// machine.changes: what somebody does to the host between two kernels.
#pragma once

#include "harness/scenario/scenario.h"
#include "harness/scenario/view.h"

namespace baton::harness {

// "00:1c.0" or "10000:00:1c.0", as lspci writes it.
std::optional<Sbdf> parse_pci_address(std::string_view text);

// Fills spec.changes. The script is bound: a change stands before a kernel that a kexec starts.
void bind_changes(const View& machine, Scenario& scenario, Diagnostics& diagnostics);

}  // namespace baton::harness
