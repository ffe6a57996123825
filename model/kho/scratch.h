// Scratch areas: where a kexec image may lie and a new kernel may allocate before it knows what is
// preserved [linux kernel/liveupdate/kexec_handover.c kho_reserve_scratch]. Chosen by the first
// kernel of a chain, inherited by all later ones.
//
// Areas: lowmem (below 4 GiB), global, and one for each memory node; this machine has one node.
// Not modelled: extended scratch (kho_extend_scratch), HugeTLB boot reservations.
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

}  // namespace baton::kho
