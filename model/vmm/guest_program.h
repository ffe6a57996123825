// The guest program: a driver of one DSA and a copy workload, or a driver of one NVMe controller
// and a disk workload, that verifies every byte it is told to.
//
// A step function over bytes: all state is in the VcpuRegisters record and in guest memory
// (guest_layout.h), so that a guest continues from a copy of the two, in another process, under
// another kernel, as if nothing had happened. The VMM's vCPU loop is
//
//   const GuestStep did = step(cpu, registers);
//   if (did.halt) wait for an injected interrupt, at most did.cost;   // HLT with a timer armed
//   else sleep did.cost;                                              // the step took that long
#pragma once

#include "model/vmm/guest_cpu.h"
#include "model/vmm/guest_layout.h"
#include "sim/time.h"

namespace baton::vmm {

struct GuestStep {
  sim::Duration cost;  // how long the step took; with halt: how long until the guest's timer fires
  bool halt = false;   // the guest sleeps until an interrupt is pending or the timer fires
};

// Runs the guest for one bounded step: at most one buffer or one page of records.
GuestStep step(GuestCpu& cpu, VcpuRegisters& registers);

}  // namespace baton::vmm
