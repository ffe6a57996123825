#include "model/linux/drivers/pci_pf_stub.h"

namespace baton::linux::drivers {

bool PciPfStub::matches(const pci::PciDev& dev) const {
  return dev.vendor == 0x1D0F && dev.device == 0x0053;
}

Co<Result<>> PciPfStub::probe(pci::PciDev&) { co_return Result<>(); }

Co<> PciPfStub::remove(pci::PciDev&) { co_return; }

Co<Result<>> PciPfStub::sriov_configure(pci::PciDev& dev, unsigned count) {
  if (count == 0) {
    co_await core_.disable_sriov(dev);
    co_return Result<>();
  }
  co_return co_await core_.enable_sriov(dev, count);
}

}  // namespace baton::linux::drivers
