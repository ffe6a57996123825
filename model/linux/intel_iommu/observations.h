// What the driver lets observers see: its programming of a unit, step by step.
#pragma once

#include "sim/address.h"

namespace baton::linux::intel_iommu {

struct UnitStep {
  unsigned generation;
  PhysAddr unit;        // register base
  const char* step;     // "set root pointer", a static text
  std::uint64_t value;  // an address, an index, a domain id, by step
};

}  // namespace baton::linux::intel_iommu
