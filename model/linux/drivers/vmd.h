// The driver of Volume Management Devices: makes a PCI domain of what is behind one [linux
// drivers/pci/controller/vmd.c, v7.2].
//
// The domain's number is the lowest free one from 0x10000. What it finds is reset
// (vmd_domain_reset: the windows of its bridges are cleared, its buses reset) before it gets
// drivers: no function behind a VMD lives through a kexec. All of them send with the VMD's id and
// share its IOMMU group, whose owner is this driver: VFIO gets EBUSY.
//
// Configuration accesses are those that vmd_pci_read and vmd_pci_write make through CFGBAR, by the
// name of the function that asked for them.
//
// Not modelled: interrupts and their domain, bus restrictions, addresses of the functions below,
// unbinding.
#pragma once

#include "model/linux/driver_core/driver.h"
#include "model/linux/pci/bus_type.h"
#include "model/linux/pci/pci_core.h"

namespace baton::linux::drivers {

class Vmd final : public pci::Driver {
 public:
  Vmd(KernelServices& services, pci::PciCore& core, pci::PciBusType& bus_type)
      : services_(services), core_(core), bus_type_(bus_type) {}

  std::string_view name() const override { return "vmd"; }
  bool matches(const pci::PciDev& dev) const override;
  Co<Result<>> probe(pci::PciDev& dev) override;
  Co<> remove(pci::PciDev& dev) override;

 private:
  std::uint32_t free_domain() const;
  Co<> reset_domain(pci::PciBus& bus);
  Co<> add_devices(pci::PciBus& bus);

  KernelServices& services_;
  pci::PciCore& core_;
  pci::PciBusType& bus_type_;
};

}  // namespace baton::linux::drivers
