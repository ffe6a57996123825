// A short cut for the commonest request: untranslated, in legacy mode, through a context entry that
// is cached, with a translation that is cached or a walk that meets nothing unusual. It gives what
// the steps of dma_remapping.h give; everything else is left to them, with nothing changed.
#pragma once

#include <array>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/remapping_unit.h"

namespace baton::iommu_vtd {

// What the registers and the cached context entry of a requester mean for such a request.
struct alignas(64) KnownContext {
  std::uint64_t changes = 0;  // Core::changes when it was learned; 0: to be learned each time
  std::uint64_t table = 0;    // of the top level
  std::uint64_t beyond = 0;   // address bits that must be 0
  std::uint64_t tag = 0;
  DomainId domain;
  Bdf requester;
  std::uint8_t levels = 0;
  bool plain = false;  // four levels, and no paging-structure caches
};

class CommonRequests {
 public:
  explicit CommonRequests(Core& core);

  // False: take the steps. `result` then means nothing.
  bool translate(const pci::MemoryRequest& request, Translation& result);

 private:
  bool learn(Bdf requester, KnownContext& known);
  bool walk_from_any_level(const pci::MemoryRequest& request, const KnownContext& known,
                           Translation& result);

  Core& core_;
  std::uint64_t unusual_;  // bits that an entry which points at a table does not have
  std::array<KnownContext, 32> known_{};
};

}  // namespace baton::iommu_vtd
