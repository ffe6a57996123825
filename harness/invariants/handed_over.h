// What one kernel hands to the next, out of RAM at the instant of the jump: scratch areas, the
// pages of the tree of preserved blocks, the blocks. Read by the ABI [linux include/linux/kho/abi/
// kexec_handover.h, arch/x86/include/uapi/asm/setup_data.h]; shares no code with the kernels.
//
// The bytes may be anything: addresses are checked, and reading ends at what makes no sense.
#pragma once

#include <optional>
#include <vector>

#include "harness/invariants/page_set.h"
#include "model/host/handoff.h"
#include "sim/memory.h"

namespace baton::harness {

struct HandedOver {
  std::vector<sim::PhysRange> scratch;
  std::vector<PhysAddr> tree;  // pages
  PageSet blocks;
  bool whole = true;  // the tree could be read to its end
};

// Nothing when the image carries no handover that can be read.
std::optional<HandedOver> read_handed_over(sim::PhysicalMemory& memory,
                                           const host::KexecImage& image);

}  // namespace baton::harness
