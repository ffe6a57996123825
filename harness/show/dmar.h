// The remapping units as Linux's debugfs shows them: iommu_regset, dmar_translation_struct,
// ir_translation_struct [linux drivers/iommu/intel/debugfs.c], from registers and from the bytes of
// the tables in memory.
//
// Not shown: MTRR registers (no unit has them), posted interrupts, page tables
// (domain_translation_struct).
#pragma once

#include <string>

#include "harness/show/views.h"
#include "model/host/machine.h"

namespace baton::harness {

// The three files, of one unit; show_dmar() writes those of every unit.
std::string iommu_regset(iommu_vtd::RemappingUnit& unit);
std::string dmar_translation_struct(iommu_vtd::RemappingUnit& unit, sim::PhysicalMemory& memory);
std::string ir_translation_struct(iommu_vtd::RemappingUnit& unit, sim::PhysicalMemory& memory);

}  // namespace baton::harness
