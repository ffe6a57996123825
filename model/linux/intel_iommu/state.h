// What the driver's parts share.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "model/linux/intel_iommu/intel_iommu.h"
#include "model/linux/intel_iommu/paging_domain.h"
#include "model/linux/intel_iommu/unit.h"

namespace baton::linux::intel_iommu {

// struct device_domain_info.
struct DeviceInfo {
  pci::PciDev* dev = nullptr;
  PagingDomain* domain = nullptr;  // null: blocked or identity
};

class IntelIommu::State {
 public:
  State(KernelServices& kernel, kho::Kho& kexec_handover, iommu::IommuCore& iommu_core)
      : services(kernel), kho(kexec_handover), core(iommu_core) {}

  Unit* unit_of(const pci::PciDev& dev) const;
  Unit& unit_at(PhysAddr registers) const;
  // device_block_translation(): no context entry, no domain.
  void block(pci::PciDev& dev);
  Result<> set_contexts(pci::PciDev& dev, Unit& unit, const ContextEntry& entry);

  // Live update.
  void adopt(Unit& unit, const iommu::IncomingUnit& incoming);
  void reserve_domain_ids(Unit& unit, const iommu::IncomingUnit& incoming);
  void preserve_context_tables(Unit& unit);
  void prune(Unit& unit);
  void record_id(LedgerEvent event, std::uint64_t id);

  KernelServices& services;
  kho::Kho& kho;
  iommu::IommuCore& core;
  std::vector<std::unique_ptr<Unit>> units;  // in the order of the DMAR table
  std::map<Sbdf, DeviceInfo> devices;
};

// The requester ids under which a device's requests may arrive: its own, and behind a bridge to
// conventional PCI that bridge's [linux pci_for_each_dma_alias].
std::vector<Bdf> dma_aliases(const pci::PciDev& dev);

}  // namespace baton::linux::intel_iommu
