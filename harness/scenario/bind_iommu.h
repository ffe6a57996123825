// Remapping units of their own and memory that firmware reserves: machine.iommu.units and
// machine.iommu.reserved_regions.
#pragma once

#include "harness/scenario/scenario.h"
#include "harness/scenario/view.h"

namespace baton::harness {

// After the added devices: regions name them.
void bind_iommu(const View& iommu, MachineSpec& spec, Diagnostics& diagnostics);

}  // namespace baton::harness
