// First-stage translation, alone or nested over a second stage [VT-d 3.6, 3.8, 9.7].
//
// Not modelled: locked updates that fail (reason 91h; RAM takes them everywhere, and an entry that
// is not in RAM cannot be read), global pages (G has no effect: every entry is tagged with its
// PASID), execute rights of the second stage.
#pragma once

#include <expected>
#include <optional>

#include "model/iommu_vtd/scalable_tables.h"

namespace baton::iommu_vtd {

namespace first_stage_entry {
inline constexpr Field kP{"P", 0, 0};
inline constexpr Field kRw{"R/W", 1, 1};
inline constexpr Field kUs{"U/S", 2, 2};
inline constexpr Field kA{"A", 5, 5};
inline constexpr Field kD{"D", 6, 6};
inline constexpr Field kPs{"PS", 7, 7};
inline constexpr Field kPat{"PAT", 12, 12};  // of a leaf above level 0
inline constexpr Field kEa{"EA", 10, 10};
inline constexpr Field kAddress{"ADDR", 51, 12};
inline constexpr Field kXd{"XD", 63, 63};
inline constexpr std::array kFields{kP,
                                    kRw,
                                    kUs,
                                    Field{"PWT PCD", 4, 3, Access::kIgnored},
                                    kA,
                                    kD,
                                    kPs,
                                    Field{"G", 8, 8, Access::kIgnored},
                                    Field{"AVAIL", 9, 9, Access::kIgnored},
                                    kEa,
                                    Field{"AVAIL", 11, 11, Access::kIgnored},
                                    kAddress,
                                    Field{"AVAIL", 62, 52, Access::kIgnored},
                                    kXd};
static_assert(covers(kFields, 64));
}  // namespace first_stage_entry

// A walk over first-stage tables; with nesting, each of their addresses goes through `second`.
struct FirstStage {
  PhysAddr table;  // guest-physical when nested
  unsigned levels = 4;
  bool write_protect = false;      // supervisor writes honour R/W
  bool execute_disable = false;    // XD is no reserved bit
  bool extended_accessed = false;  // keep EA bits
  bool snooped = true;             // of reads and updates of entries
  std::optional<SecondStage> second;
};
FirstStage first_stage_of(const Entry512& entry);

// `walk.cache` and `walk.tag` are of first-stage entries; `nested` has those of second-stage ones.
std::expected<Mapping, Reason> walk_first_stage(WalkContext& walk, WalkContext& nested,
                                                const FirstStage& tables, std::uint64_t iova,
                                                Rights wanted);

}  // namespace baton::iommu_vtd
