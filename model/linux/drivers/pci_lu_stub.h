// pci-lu-stub: a driver that marks whatever device user space gives it for live update, by the
// interface of the PCI core alone, and logs each callback. It needs no VFIO and no IOMMU, and
// writes no register [posted "LUO: PCI subsystem", v2 of September 2025, patch 10: pci-lu-stub.c].
//
// That driver stood on an older LUO, which had subsystems. Here, on v5, files are what is
// preserved, so it has one for each of its devices, /dev/pci-lu-stub/<sbdf>, without requests of
// its own, and a handler "pci-lu-stub-v1" (no upstream series). Record, 6 bytes, native endian: u32
// domain, u16 bdf.
//
// Any device, by driver_override or new_id only.
#pragma once

#include <memory>
#include <vector>

#include "model/kho/kho.h"
#include "model/linux/driver_core/driver.h"
#include "model/linux/pci/pci_liveupdate.h"
#include "model/luo/luo.h"

namespace baton::linux::drivers {

class PciLuStub final : public pci::Driver, public luo::FileHandler {
 public:
  PciLuStub(KernelServices& services, kho::Kho& kho, luo::Luo& luo,
            pci::PciLiveUpdate& live_update);
  ~PciLuStub() override;

  // module init: handler and the FLBs of the PCI core.
  void init();
  // /dev/pci-lu-stub/<sbdf>: ENOENT; EBUSY until the session that it came in is finished.
  Result<File*> open(Sbdf address);

  std::string_view name() const override { return "pci-lu-stub"; }
  bool matches(const pci::PciDev&) const override { return false; }
  bool driver_managed_dma() const override { return true; }
  Co<Result<>> probe(pci::PciDev& dev) override;
  // Waits for its files: a device is not let go of while it is preserved.
  Co<> remove(pci::PciDev& dev) override;

  std::string_view compatible() const override { return "pci-lu-stub-v1"; }
  bool can_preserve(File& file) override;
  Co<Result<>> preserve(luo::FileArgs& args) override;
  Co<> unpreserve(luo::FileArgs& args) override;
  Co<Result<>> freeze(luo::FileArgs& args) override;
  Co<> unfreeze(luo::FileArgs& args) override;
  Co<Result<File*>> retrieve(luo::FileArgs& args) override;
  Co<bool> can_finish(luo::FileArgs& args) override;
  Co<> finish(luo::FileArgs& args) override;

 private:
  class StubFile;
  struct Device;
  Device* find(Sbdf address) const;
  void log(const Device& device, std::string_view callback) const;

  KernelServices& services_;
  kho::Kho& kho_;
  luo::Luo& luo_;
  pci::PciLiveUpdate& live_update_;
  std::vector<std::unique_ptr<Device>> devices_;
};

}  // namespace baton::linux::drivers
