// What the driver's parts share.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "model/linux/intel_iommu/intel_iommu.h"
#include "model/linux/intel_iommu/interrupt_handover.h"
#include "model/linux/intel_iommu/interrupt_remapping.h"
#include "model/linux/intel_iommu/nested_domain.h"
#include "model/linux/intel_iommu/paging_domain.h"
#include "model/linux/intel_iommu/pasid.h"
#include "model/linux/intel_iommu/unit.h"
#include "model/linux/pci/pci_core.h"

namespace baton::linux::intel_iommu {

// struct device_domain_info.
struct DeviceInfo {
  pci::PciDev* dev = nullptr;
  DmarDomain* domain = nullptr;  // null: blocked or identity
  std::map<std::uint32_t, DmarDomain*> pasid_domains;
  std::uint32_t max_pasids = 0;           // 0: its requests have none
  std::optional<PasidTable> pasids;       // in scalable mode, from the probe on
  std::vector<PhysAddr> preserved_pages;  // of the PASID table
  std::optional<DeviceTlb> device_tlb;    // unit, function and policy allow one
  bool uses_device_tlb = false;           // ATS is enabled, or about to be
};

class IntelIommu::State {
 public:
  State(KernelServices& kernel, kho::Kho& kexec_handover, iommu::IommuCore& iommu_core)
      : services(kernel), kho(kexec_handover), core(iommu_core) {}

  // dmar_table_init(): the units of the DMAR table, once.
  void find_units();
  // A unit's way into init_dmars(). False: it cannot be used.
  bool init_unit(Unit& unit);
  void switch_off();
  Unit* unit_of(const pci::PciDev& dev) const;
  bool is_locked_by_firmware(const pci::PciDev& dev) const;
  Unit& unit_at(PhysAddr registers) const;
  // device_block_translation(): no context entry, no domain.
  void block(pci::PciDev& dev);
  Result<> set_contexts(pci::PciDev& dev, Unit& unit, const ContextEntry& entry);
  // Scalable mode: context entries that lead to the device's PASID directory.
  Result<> set_directory(pci::PciDev& dev, Unit& unit);
  // ATS [linux drivers/iommu/intel/iommu.c dmar_ats_supported, iommu_enable_pci_ats].
  std::optional<DeviceTlb> find_device_tlb(pci::PciDev& dev, const Unit& unit) const;
  void enable_ats(DeviceInfo& info);
  void disable_ats(DeviceInfo& info);
  // PASIDs [linux intel_iommu_probe_device, intel_iommu_probe_finalize].
  std::uint32_t find_pasids(pci::PciDev& dev, const Unit& unit) const;
  void finish_probe(DeviceInfo& info);
  // What a function's device-TLB may hold, for who tears its entries down.
  static std::optional<DeviceTlb> device_tlb_of(const DeviceInfo& info) {
    return info.uses_device_tlb ? info.device_tlb : std::nullopt;
  }
  // Of a unit: what the previous kernel handed over, if it did and that can be used.
  bool take_over_interrupts(InterruptTable& table, const Unit& unit, bool extended);
  void drop_inherited_interrupts();
  InterruptTable& table_of(const pci::PciDev& dev) const;
  bool is_copied(const pci::PciDev& dev, const Unit& unit) const;
  // paging_domain_compatible()
  static bool can_walk(const Unit& unit, const PagingDomain& domain);
  Result<> install(pci::PciDev& dev, Unit& unit, const DmarDomain& domain, std::uint16_t id);

  // Live update.
  // What is wrong; empty when the unit's tables are in use.
  std::string adopt(Unit& unit, const iommu::IncomingUnit& incoming);
  void reserve_domain_ids(Unit& unit, const iommu::IncomingUnit& incoming);
  Result<> preserve_context_tables(Unit& unit);
  Result<> preserve_pasids(DeviceInfo& info, Unit& unit);
  bool restore_pasids(pci::PciDev& dev, Unit& unit, const iommu::PasidState& pasids);
  void prune(Unit& unit);
  void record_id(LedgerEvent event, std::uint64_t id);

  KernelServices& services;
  kho::Kho& kho;
  iommu::IommuCore& core;
  bool off = false;  // no DMA remapping in this kernel
  irq::IrqCore* irqs = nullptr;
  luo::Luo* luo = nullptr;
  std::optional<InterruptHandover> handover;  // with policy interrupt_table: preserve
  pci::PciCore* pci = nullptr;                // null: ATS stays off
  std::vector<pci::PciDev*> ats_to_disable;   // once their device-TLBs are empty
  std::optional<DmarTable> dmar;              // nullopt: not looked for yet
  std::vector<std::unique_ptr<Unit>> units;   // in the order of the DMAR table
  std::map<PhysAddr, std::unique_ptr<InterruptTable>> interrupts;  // by register base
  std::set<PhysAddr> pre_enabled;  // units that go on with copied tables
  std::map<Sbdf, DeviceInfo> devices;
};

// The requester ids under which a device's requests may arrive: its own, and behind a bridge to
// conventional PCI that bridge's [linux pci_for_each_dma_alias].
std::vector<Bdf> dma_aliases(const pci::PciDev& dev);

}  // namespace baton::linux::intel_iommu
