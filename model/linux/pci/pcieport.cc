#include "model/linux/pci/pcieport.h"

#include "model/linux/pci/registers.h"

namespace baton::linux::pci {

bool PciePort::matches(const PciDev& dev) const {
  return dev.is_bridge() && dev.class_code == 0x060400 && dev.pcie_cap != 0 &&
         (dev.pcie_type == regs::kRootPort || dev.pcie_type == regs::kUpstream ||
          dev.pcie_type == regs::kDownstream);
}

Co<Result<>> PciePort::probe(PciDev& dev) {
  const auto enabled = core_.enable_device(dev);
  if (!enabled) co_return enabled;
  core_.set_master(dev);
  co_return Result<>();
}

Co<> PciePort::remove(PciDev& dev) {
  // [linux drivers/pci/pcie/portdrv.c, v9: a port that is handed over stays enabled]
  if (!dev.outgoing) core_.disable_device(dev);
  co_return;
}

}  // namespace baton::linux::pci
