// The driver of PCI Express ports [linux drivers/pci/pcie/portdrv.c]: it keeps the bridges on a
// path enabled and bus master. At shutdown it leaves both to the PCI core, which keeps them for
// ports that are handed over.
//
// Not modelled: the port services (AER, PME, hotplug, DPC) and their interrupts.
#pragma once

#include "model/linux/driver_core/driver.h"
#include "model/linux/pci/pci_core.h"

namespace baton::linux::pci {

class PciePort final : public Driver {
 public:
  explicit PciePort(PciCore& core) : core_(core) {}

  std::string_view name() const override { return "pcieport"; }
  bool matches(const PciDev& dev) const override;
  bool driver_managed_dma() const override { return true; }
  Co<Result<>> probe(PciDev& dev) override;
  Co<> remove(PciDev& dev) override;

 private:
  PciCore& core_;
};

}  // namespace baton::linux::pci
