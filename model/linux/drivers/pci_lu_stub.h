// pci-lu-stub and pci-lu-stub-pf: drivers that hand over whatever function user space gives them,
// by the interface of the PCI core alone, and log each callback. They need no VFIO and no IOMMU
// [posted "PCI/LUO" of July 2025, patches 11 and 24: pci-lu-stub.c, pci-lu-stub-pf.c; v2 of
// September 2025].
//
// pci-lu-stub marks its device. pci-lu-stub-pf has a physical function and marks nothing: that
// function is handed over because virtual functions of it are, and the driver keeps their number.
// The next kernel's gives it back: it makes them appear where the kernel has not adopted them
// [policy sriov], which writes to the function.
//
// Those drivers stood on an older LUO, which had subsystems. Here, on v5, files are what is
// preserved, so there is one for each device, /dev/<driver>/<sbdf>, without requests of its own,
// and handlers "pci-lu-stub-v1" and "pci-lu-stub-pf-v1" (no upstream series). What the posted ones
// did in the probe is done in the retrieve. Record, 8 bytes, native endian: u32 domain, u16 bdf,
// u16 virtual functions (0 of pci-lu-stub).
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

enum class LuStubKind : std::uint8_t { kFunction, kPhysical };

class PciLuStub final : public pci::Driver, public luo::FileHandler {
 public:
  PciLuStub(KernelServices& services, kho::Kho& kho, luo::Luo& luo, pci::PciLiveUpdate& live_update,
            pci::PciCore& core, LuStubKind kind);
  ~PciLuStub() override;

  // module init: handler and the FLBs of the PCI core.
  void init();
  // /dev/pci-lu-stub/<sbdf>: ENOENT; EBUSY until the session that it came in is finished.
  Result<File*> open(Sbdf address);

  std::string_view name() const override;
  bool matches(const pci::PciDev&) const override { return false; }
  bool driver_managed_dma() const override { return true; }
  Co<Result<>> probe(pci::PciDev& dev) override;
  // Waits for its files: a device is not let go of while it is preserved.
  Co<> remove(pci::PciDev& dev) override;
  // pci-lu-stub has none.
  Co<Result<>> sriov_configure(pci::PciDev& dev, unsigned count) override;

  std::string_view compatible() const override;
  bool can_preserve(File& file) override;
  // EINVAL: the physical function has no virtual one that is handed over.
  Co<Result<>> preserve(luo::FileArgs& args) override;
  Co<> unpreserve(luo::FileArgs& args) override;
  // EINVAL: as in preserve; that of the virtual functions may have been undone.
  Co<Result<>> freeze(luo::FileArgs& args) override;
  Co<> unfreeze(luo::FileArgs& args) override;
  // ENODEV; of pci-lu-stub-pf also EINVAL (it was not handed over), EAGAIN (another number of
  // virtual functions is enabled), and the errors of enabling them.
  Co<Result<File*>> retrieve(luo::FileArgs& args) override;
  Co<bool> can_finish(luo::FileArgs& args) override;
  Co<> finish(luo::FileArgs& args) override;

 private:
  class StubFile;
  struct Device;
  Device* find(Sbdf address) const;
  void log(const Device& device, std::string_view callback) const;
  Result<> mark(pci::PciDev& dev);
  Co<Result<>> give_back(pci::PciDev& dev, unsigned virtual_functions);

  KernelServices& services_;
  kho::Kho& kho_;
  luo::Luo& luo_;
  pci::PciLiveUpdate& live_update_;
  pci::PciCore& core_;
  LuStubKind kind_;
  std::vector<std::unique_ptr<Device>> devices_;
};

}  // namespace baton::linux::drivers
