// The interrupt remapping table of one unit, and the entries that the kernel gives its devices
// [linux drivers/iommu/intel/irq_remapping.c].
//
// One entry for each vector of a device; a message names it by index, subhandle 0. Entries are in
// remapped format but from a freeze on, where policy interrupts may silence them or let them post.
// Not modelled: posting straight to a vCPU while a kernel runs (KVM's), multi-message blocks, I/O
// APICs and HPETs, affinity changes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
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
  std::vector<CpuVector> inherited_vectors() const;
  void drop_inherited();

  // ENOSPC.
  Result<std::uint16_t> allocate(const pci::PciDev& dev, std::span<const CpuVector> targets);
  void free(std::uint16_t index);

  // As irq::IrqCore::Remapper has them.
  void drop(std::uint16_t index);
  void capture(std::uint16_t index, PhysAddr descriptor, unsigned request);
  void restore(std::uint16_t index);
  bool take_captured(std::uint16_t index, unsigned request);
  Result<std::optional<CpuVector>> inherited(const pci::PciDev& dev, std::uint16_t index) const;
  void adopt(const pci::PciDev& dev, std::uint16_t index, CpuVector target);
  // Of the entries taken over, those that capture do so into this page. Any other address would let
  // bytes of a table name memory to be changed.
  void find_captures(PhysAddr descriptors);

 private:
  struct Words {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
  };
  Words read(std::uint16_t index) const;
  Words entry_for(const pci::PciDev& dev, CpuVector target) const;
  // Of an entry in remapped format, by its low word.
  CpuVector leads_to(std::uint64_t low) const;
  Result<> copy_entries();
  void write(std::uint16_t index, std::uint64_t low, std::uint64_t high);

  KernelServices& services_;
  Unit& unit_;
  PhysAddr table_;
  bool extended_ = false;
  std::set<std::uint16_t> used_;
  std::set<std::uint16_t> inherited_;           // of them: of the previous kernel
  std::map<std::uint16_t, Words> changed_;      // dropped or capturing: what they were before
  std::map<std::uint16_t, PhysAddr> captures_;  // where they capture, or did
};

}  // namespace baton::linux::intel_iommu
