// Reads a guest's own account out of simulated RAM: no kernel and no process is asked.
#pragma once

#include <optional>

#include "model/host/machine.h"
#include "model/vmm/guest_layout.h"

namespace baton::harness {

// Nothing when no GuestStatus lies at this address.
std::optional<vmm::GuestStatus> read_guest_status(host::Machine& machine, PhysAddr address);

}  // namespace baton::harness
