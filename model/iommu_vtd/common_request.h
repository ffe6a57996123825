// A short cut for the commonest request: untranslated, in legacy mode, through a context entry that
// is cached, with a translation that is cached or a walk that meets nothing unusual. It gives what
// the steps of dma_remapping.h give; everything else is left to them, with nothing changed.
#pragma once

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/remapping_unit.h"

namespace baton::iommu_vtd {

// False: take the steps. `result` then means nothing.
bool translate_common(Core& core, const pci::MemoryRequest& request, Translation& result);

}  // namespace baton::iommu_vtd
