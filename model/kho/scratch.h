// Scratch areas: where a kexec image may lie and a new kernel may allocate before it knows what is
// preserved [linux kernel/liveupdate/kexec_handover.c kho_reserve_scratch]. Chosen by the first
// kernel of a chain, inherited by all later ones.
//
// Areas: lowmem (below 4 GiB), global, and one for each memory node; this machine has one node.
// extended_scratch is what a kernel on a handover adds early in its boot, for itself alone.
//
// Not modelled: HugeTLB boot reservations, which are taken off before scaling.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/host/firmware.h"
#include "model/kho/command_line.h"
#include "sim/memory.h"

namespace baton::kho {

// PAGE_SIZE * MAX_ORDER_NR_PAGES: the buddy allocator must not merge across an area's border.
inline constexpr std::uint64_t kScratchAlignment = std::uint64_t{4} << 20;

// To be asked before anything is allocated. nullopt when an area finds no place.
std::optional<std::vector<sim::PhysRange>> choose_scratch(const host::MemoryMap& map,
                                                          const ScratchSizing& sizing);

// kho_extend_scratch(): RAM in stretches of 1 GiB in which no preserved block and no page of the
// tree lies, below the end of RAM. None for a corrupt tree, which is only logged. Sorted, disjoint.
std::vector<sim::PhysRange> extended_scratch(sim::PhysicalMemory& ram, const host::MemoryMap& map,
                                             PhysAddr tree_root);

}  // namespace baton::kho
