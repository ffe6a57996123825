// Linux's Intel VT-d driver: both table modes, interrupt remapping, tables taken over from a
// preserving or a crashed kernel [linux drivers/iommu/intel/iommu.c, pasid.c, irq_remapping.c,
// liveupdate.c (posted)].
//
// Scalable mode is used on units that have it when the kernel asks for it (intel_iommu=sm_on); a
// paging domain is then first stage where the unit has one, as in Linux. Functions get device-TLBs
// where the unit and they have them, and policy ats says so, and in scalable mode PASIDs. Not
// modelled: shared virtual addressing, dirty tracking, page requests (off on every function),
// device-TLBs below root ports (the model's firmware has no ATSR for them).
#pragma once

#include <memory>

#include "model/linux/iommu/iommu.h"
#include "model/linux/irq/irq.h"
#include "model/linux/pci/pci_core.h"

namespace baton::linux::intel_iommu {

class IntelIommu final : public iommu::HardwareDriver, public irq::IrqCore::Remapper {
 public:
  IntelIommu(KernelServices& services, kho::Kho& kho, iommu::IommuCore& core);
  ~IntelIommu() override;

  // Vectors for the units' fault events, and where interrupts are remapped from then on. Before
  // the calls below.
  void set_interrupts(irq::IrqCore& irqs);
  // Before the calls below: interrupt remapping tables can be handed over then, where policy
  // interrupt_table says so. The second attaches their FLB to a driver's handler [errors of
  // luo::Luo::register_flb].
  void set_live_update(luo::Luo& luo);
  Result<> register_flb(luo::FileHandler& handler);
  // Whose functions may get device-TLBs. Before devices are probed; without, none does.
  void set_pci(pci::PciCore& pci);
  // intel_iommu=off, iommu=off: translation is not used, and switched off where it is found on,
  // whoever is working through it. Interrupt remapping is another matter. Before the calls below.
  void turn_off();
  // enable_IR_x2apic(): where firmware and every unit allow it, and the command line does not say
  // intremap=off. Remapping that a previous kernel left on is off for a moment.
  Co<> init_interrupt_remapping();
  // intel_iommu_init(): parses DMAR, sets up queued invalidation, root tables, translation; adopts
  // what was preserved.
  Co<> init();
  // There is at least one unit: its driver has asked for ACS [pci_request_acs].
  bool present() const;
  // After all devices were probed: translation on, protected memory off.
  Co<> enable_translation();
  // intel_iommu_shutdown(): units without preserved devices are switched off, the others pruned.
  Co<> shutdown();

  Result<std::unique_ptr<iommu::Domain>> alloc_paging(pci::PciDev& dev,
                                                      iommu::DomainUse use) override;
  Result<std::unique_ptr<iommu::Domain>> alloc_nested(pci::PciDev& dev, iommu::Domain& parent,
                                                      const iommu::UserTable& table) override;
  Result<std::unique_ptr<iommu::Domain>> restore_paging(pci::PciDev& dev,
                                                        const iommu::TableShape& shape) override;
  Result<> probe_device(pci::PciDev& dev, const iommu::PasidState* preserved) override;
  bool attach_deferred(pci::PciDev& dev) const override;
  Result<> attach(pci::PciDev& dev, iommu::Domain& domain) override;
  Result<> attach_pasid(pci::PciDev& dev, std::uint32_t pasid, iommu::Domain& domain) override;
  void detach_pasid(pci::PciDev& dev, std::uint32_t pasid) override;
  iommu::HardwareInfo hardware_info(pci::PciDev& dev) const override;
  void attach_blocking(pci::PciDev& dev) override;
  void attach_identity(pci::PciDev& dev) override;
  Result<std::uint64_t> attachment_id(pci::PciDev& dev, iommu::Domain& domain) override;
  PhysAddr unit_of(pci::PciDev& dev) const override;
  Result<UnitState> preserve_unit(PhysAddr unit) override;
  Result<UnitState> preserve_device(pci::PciDev& dev) override;
  void unpreserve_device(pci::PciDev& dev) override;
  void unpreserve_unit(PhysAddr unit) override;
  Result<> attach_restored(pci::PciDev& dev, iommu::Domain& domain,
                           std::uint64_t attachment_id) override;
  Co<> settle() override;
  void tear_restored_entry(pci::PciDev& dev, bool half) override;

  // irq::IrqCore::Remapper
  bool remaps(const pci::PciDev& dev) const override;
  Result<std::uint16_t> allocate(const pci::PciDev& dev,
                                 std::span<const CpuVector> targets) override;
  void free(const pci::PciDev& dev, std::uint16_t index) override;
  Result<> drop(const pci::PciDev& dev, std::uint16_t index) override;
  Result<> capture(const pci::PciDev& dev, std::uint16_t index, unsigned request) override;
  void restore(const pci::PciDev& dev, std::uint16_t index) override;
  bool take_captured(const pci::PciDev& dev, std::uint16_t index, unsigned request) override;
  Result<std::optional<CpuVector>> inherited(const pci::PciDev& dev, std::uint16_t index) override;
  void adopt(const pci::PciDev& dev, std::uint16_t index, CpuVector target) override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::linux::intel_iommu
