// The interrupt remapping table of one unit, and the entries that the kernel gives its devices
// [linux drivers/iommu/intel/irq_remapping.c].
//
// One entry for each vector of a device; a message names it by index, subhandle 0.
// Not modelled: posted interrupts, multi-message blocks, I/O APICs and HPETs, affinity changes.
#pragma once

#include <cstdint>
#include <set>

#include "model/linux/intel_iommu/interrupt_handover.h"
#include "model/linux/intel_iommu/unit.h"
#include "model/linux/irq/irq.h"
#include "model/linux/pci/pci_dev.h"

namespace baton::linux::intel_iommu {

class InterruptTable {
 public:
  InterruptTable(KernelServices& services, Unit& unit) : services_(services), unit_(unit) {}

  // intel_setup_irq_remapping(): a fresh table, or in a crash kernel a copy of the one that is in
  // use. ENOMEM; EINVAL (the table in use cannot be taken over).
  Result<> set_up(bool crash_kernel, bool extended);
  // Instead: the table that is in use stays, if it is the one that was handed over. ENOMEM; EINVAL.
  Result<> take_over(const HandedTable& handed, bool extended);
  void enable();

  // For the next kernel.
  HandedTable as_handed() const;
  // Vectors that entries of the previous kernel lead to; then those entries go.
  std::vector<Vector> inherited_vectors() const;
  void drop_inherited();

  // ENOSPC.
  Result<std::uint16_t> allocate(const pci::PciDev& dev, irq::IrqCore::Target target);
  void free(std::uint16_t index);

 private:
  Result<> copy_entries();
  void write(std::uint16_t index, std::uint64_t low, std::uint64_t high);

  KernelServices& services_;
  Unit& unit_;
  PhysAddr table_;
  bool extended_ = false;
  std::set<std::uint16_t> used_;
  std::set<std::uint16_t> inherited_;  // of them: of the previous kernel
};

}  // namespace baton::linux::intel_iommu
