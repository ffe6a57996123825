// First open and last close [linux drivers/vfio/pci/vfio_pci_core.c].
//
// Not modelled: runtime power management (as with disable_idle_d3=1), INTx masking, VGA.
#include "model/vfio/device.h"

#include <algorithm>

#include "model/linux/uapi/vfio.h"

namespace baton::vfio {

namespace {

using linux::Errno;
namespace uapi = linux::uapi;

constexpr std::uint16_t kCommand = 0x04;
constexpr std::uint32_t kCommandIntxDisable = 0x0400;
constexpr std::uint32_t kMsixEntryBytes = 16;

}  // namespace

Device::Device(VfioPci::State& owner, linux::pci::PciDev& pci_dev, unsigned cdev_index)
    : vfio(owner),
      dev(pci_dev),
      index(cdev_index),
      view(owner.pci, pci_dev),
      interrupts(owner.services, owner.pci, owner.irqs, pci_dev),
      notices(owner.services, pci_dev.pcie_cap != 0) {}

Co<linux::Result<>> Device::enable(const std::optional<DeviceState>& inherited) {
  linux::pci::PciCore& core = vfio.pci;
  const bool reset_first = !inherited || vfio.services.has(linux::Defect::kVfioResetAtOpen);
  if (reset_first) {
    core.clear_master(dev);  // so that the saved state has no bus master
  }
  if (const auto enabled = core.enable_device(dev); !enabled) {
    co_return enabled;
  }
  reset_works = inherited && inherited->reset_works != 0 &&
                !vfio.services.has(linux::Defect::kVfioLoseResetWorks);
  if (reset_first) {
    const auto done = co_await core.reset_function(dev);
    reset_works = done.has_value();
  }
  if (inherited) {
    adopt(*inherited);
  } else {
    saved = core.save_state(dev);
    view.init();
    RealBars bars{};
    std::copy_n(saved.header.begin() + 4, 6, bars.begin());
    bars[6] = saved.header[12];
    view.set_real_bars(bars);
    interrupts.inherit(0);
  }
  msix_bar.reset();
  if (dev.msix_cap != 0) {
    const auto at = static_cast<std::uint16_t>(dev.msix_cap + 4);
    const std::uint32_t table = core.read(dev, at, 4, "vfio_pci_core_enable");
    msix_bar = table & 7;
    msix_offset = table & ~std::uint32_t{7};
    msix_size = core.msix_table_size(dev) * kMsixEntryBytes;
  }
  co_return linux::Result<>();
}

// What the previous kernel's owner left, part by part.
void Device::adopt(const DeviceState& inherited) {
  const linux::KernelServices& services = vfio.services;
  saved = {};
  if (!services.has(linux::Defect::kVfioLoseSavedState)) {
    saved.header = inherited.saved_header;
    saved.pcie = inherited.saved_pcie;
  }
  const bool bars_known = !services.has(linux::Defect::kVfioLoseRealBars);
  view.set_real_bars(bars_known ? inherited.real_bars : RealBars{});
  if (services.has(linux::Defect::kVfioLoseVconfig)) {
    view.init();
  } else {
    view.adopt(inherited.vconfig);
  }
  const bool vectors_known = !services.has(linux::Defect::kVfioLoseVectors);
  interrupts.inherit(vectors_known ? inherited.msix_vectors : 0);
}

Co<> Device::disable() {
  linux::pci::PciCore& core = vfio.pci;
  co_await wake();
  core.clear_master(dev);  // stops DMA
  co_await revoke_dma_bufs();
  co_await interrupts.disable();
  co_await notices.disable();
  co_await try_reset("vfio_pci_core_disable");
  core.disable_device(dev);
}

// A kernel that forgets that it froze the device answers as before.
linux::Result<> Device::answer(DeviceEvent event) const {
  DeviceStage as = stage.value();
  if (vfio.services.has(linux::Defect::kVfioForgetFrozen)) {
    if (as == DeviceStage::kFrozen) as = DeviceStage::kPreserved;
    if (as == DeviceStage::kDead) as = DeviceStage::kBound;
  }
  return linux::StateOf<DeviceStage, DeviceEvent>(device_table(), as).check(event);
}

Co<> Device::try_reset(const char* by) {
  linux::pci::PciCore& core = vfio.pci;
  core.write(dev, kCommand, 2, kCommandIntxDisable, by);
  // pci_dev_trylock() fails while the driver is waiting to let go of the device.
  if (reset_works && !dev.lock.held()) {
    static_cast<void>(co_await core.reset_function(dev));
  }
  core.restore_state(dev, saved);
}

// [vfio/pci v5, freeze, steps 3 to 7]. A reset that fails is no error: what is left is a function
// without decode and bus master.
Co<> Device::freeze_by_reset() {
  constexpr const char* kFreeze = "vfio_pci_liveupdate_freeze";
  // Zaps the mappings; callers wait for the lock and find it so too.
  stage.commit(DeviceEvent::kFreeze);
  co_await revoke_dma_bufs();
  if (!vfio.services.has(linux::Defect::kVfioSkipFreezeReset)) co_await try_reset(kFreeze);
  vfio.pci.write(dev, kCommand, 2, kCommandIntxDisable, kFreeze);
}

Co<linux::Result<>> Device::reset() {
  if (!reset_works) {
    co_return linux::fail(Errno::kInval);
  }
  if (dev.lock.held()) co_return linux::fail(Errno::kAgain);  // pci_try_reset_function()
  co_return co_await vfio.pci.reset_function(dev);
}

bool Device::mappable(std::uint32_t region) const {
  if (region >= uapi::kVfioPciRomRegionIndex) {
    return false;
  }
  const linux::pci::Resource& bar = dev.resources[region];
  return bar.memory && bar.size >= sim::kPageSize && bar.start.page_offset() == 0;
}

std::uint64_t Device::region_size(std::uint32_t region) const {
  if (region == uapi::kVfioPciConfigRegionIndex) {
    return dev.config_size;
  }
  return region < uapi::kVfioPciRomRegionIndex ? dev.resources[region].size : 0;
}

bool Device::in_msix_table(std::uint32_t region, std::uint64_t offset) const {
  return msix_bar == region && offset >= msix_offset && offset - msix_offset < msix_size;
}

DeviceState Device::state() const {
  DeviceState result;
  result.domain = dev.address.segment;
  result.bdf = dev.address.bdf.value();
  result.used = 1;
  result.reset_works = reset_works ? 1 : 0;
  result.vconfig = view.header();
  result.real_bars = view.real_bars();
  result.msix_vectors = static_cast<std::uint32_t>(interrupts.enabled());
  result.saved_header = saved.header;
  result.saved_pcie = saved.pcie;
  return result;
}

}  // namespace baton::vfio
