// Interrupts: the policies of the gap and what they need, and how a guest learns of completions.
#pragma once

#include "harness/scenario/scenario.h"
#include "harness/scenario/view.h"
#include "model/linux/base/config.h"

namespace baton::harness {

// Combinations that mean nothing, of one generation. `own` are its own policies, `common` those of
// all generations: a problem is shown where the value comes from.
void check_interrupt_policies(const View& own, const View& common, const linux::Policies& policies,
                              const MachineSpec& machine, Diagnostics& diagnostics);

// machine.iommu.posted_interrupts, once the profile is known.
void bind_posted_interrupts(const View& iommu, MachineSpec& machine, Diagnostics& diagnostics);

// vms[].workload: completions and timer; before the sizes are checked.
void bind_completions(const View& workload, VmSpec& vm, Diagnostics& diagnostics);
// vms[].workload.batches: true when it says how many batches are in flight, which it then has set
// or refused.
bool bind_batches(const View& vm_view, const MachineSpec& machine, VmSpec& vm,
                  Diagnostics& diagnostics);

}  // namespace baton::harness
