// pci-pf-stub: owns a physical function and does nothing with it but make its virtual functions
// appear, by pci_sriov_configure_simple() [linux drivers/pci/pci-pf-stub.c]. Its id table has one
// device of a cloud (1d0f:0053), which no host here has: user space binds others by
// driver_override. Probe and remove write no register.
#pragma once

#include "model/linux/driver_core/driver.h"
#include "model/linux/pci/pci_core.h"

namespace baton::linux::drivers {

class PciPfStub final : public pci::Driver {
 public:
  explicit PciPfStub(pci::PciCore& core) : core_(core) {}

  std::string_view name() const override { return "pci-pf-stub"; }
  bool matches(const pci::PciDev& dev) const override;
  Co<Result<>> probe(pci::PciDev& dev) override;
  Co<> remove(pci::PciDev& dev) override;
  Co<Result<>> sriov_configure(pci::PciDev& dev, unsigned count) override;

 private:
  pci::PciCore& core_;
};

}  // namespace baton::linux::drivers
