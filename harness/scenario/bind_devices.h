// The devices that a scenario adds to its host, and the workload of a guest with a disk.
#pragma once

#include "harness/scenario/scenario.h"
#include "harness/scenario/view.h"

namespace baton::harness {

// Fills spec.add from machine.topology.add. A device behind a port gets its address when the host
// is built (harness/run/port_placement.h).
void bind_added_devices(const View& topology, MachineSpec& spec, Diagnostics& diagnostics);

// Holds vm.workload.kind against what the VM's device does, and sets vm.device.
void bind_workload_kind(const View& vm_view, const MachineSpec& machine, VmSpec& vm,
                        Diagnostics& diagnostics);

// Batches for a guest with a disk, as small as the queue and memory allow.
// The second device of a VM, that its copies go through.
void bind_peer(const View& vm_view, const MachineSpec& machine, VmSpec& vm,
               Diagnostics& diagnostics);
void bind_disk_workload(const View& vm_view, const MachineSpec& machine, VmSpec& vm,
                        Diagnostics& diagnostics);

}  // namespace baton::harness
