// Linux's Intel VT-d driver, legacy mode [linux drivers/iommu/intel/iommu.c, liveupdate.c
// (posted)].
#pragma once

#include <memory>

#include "model/linux/iommu/iommu.h"

namespace baton::linux::intel_iommu {

class IntelIommu final : public iommu::HardwareDriver {
 public:
  IntelIommu(KernelServices& services, kho::Kho& kho, iommu::IommuCore& core);
  ~IntelIommu() override;

  // intel_iommu_init(): parses DMAR, sets up queued invalidation, root tables, translation; adopts
  // what was preserved.
  Co<> init();
  // There is at least one unit: its driver has asked for ACS [pci_request_acs].
  bool present() const;
  // After all devices were probed: translation on, protected memory off.
  Co<> enable_translation();
  // intel_iommu_shutdown(): units without preserved devices are switched off, the others pruned.
  Co<> shutdown();

  Result<std::unique_ptr<iommu::Domain>> alloc_paging(pci::PciDev& dev) override;
  Result<std::unique_ptr<iommu::Domain>> restore_paging(pci::PciDev& dev, PhysAddr top_table,
                                                        unsigned top_level, unsigned bits) override;
  Result<> attach(pci::PciDev& dev, iommu::Domain& domain) override;
  void attach_blocking(pci::PciDev& dev) override;
  void attach_identity(pci::PciDev& dev) override;
  Result<std::uint64_t> attachment_id(pci::PciDev& dev, iommu::Domain& domain) override;
  PhysAddr unit_of(pci::PciDev& dev) const override;
  Result<UnitState> preserve_unit(PhysAddr unit) override;
  Result<UnitState> preserve_device(pci::PciDev& dev) override;
  void unpreserve_unit(PhysAddr unit) override;
  Result<> attach_restored(pci::PciDev& dev, iommu::Domain& domain,
                           std::uint64_t attachment_id) override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::linux::intel_iommu
