// Address translation services of a function [linux drivers/pci/ats.c; PCIe 10.5.1].
#include "model/linux/pci/state.h"

namespace baton::linux::pci {

namespace {
constexpr std::uint16_t kExtAts = 0x0F;
constexpr unsigned kCapability = 4;
constexpr unsigned kControl = 6;
constexpr std::uint32_t kQueueDepth = 0x1F;  // 0 stands for 32
constexpr std::uint32_t kEnable = 0x8000;    // smallest translation unit 0: 4 KiB
}  // namespace

unsigned PciCore::ats_queue_depth(PciDev& dev) {
  if (dev.ats_cap == 0) {
    dev.ats_cap = state_->find_extended(dev, kExtAts, "pci_ats_init");
  }
  if (dev.ats_cap == 0) return 0;
  const std::uint32_t depth =
      state_->read(dev, dev.ats_cap + kCapability, 2, "pci_ats_queue_depth") & kQueueDepth;
  return depth == 0 ? kQueueDepth + 1 : depth;
}

void PciCore::enable_ats(PciDev& dev) {
  if (dev.ats_cap == 0) return;
  state_->write_now(dev, dev.ats_cap + kControl, 2, kEnable, "pci_enable_ats");
  dev.ats_enabled = true;
}

void PciCore::disable_ats(PciDev& dev) {
  if (!dev.ats_enabled) return;
  const std::uint32_t control = state_->read(dev, dev.ats_cap + kControl, 2, "pci_disable_ats");
  state_->write_now(dev, dev.ats_cap + kControl, 2, control & ~kEnable, "pci_disable_ats");
  dev.ats_enabled = false;
}

bool PciCore::adopt_ats(PciDev& dev) {
  if (ats_queue_depth(dev) == 0) return false;
  dev.ats_enabled =
      (state_->read(dev, dev.ats_cap + kControl, 2, "pci_ats_enabled") & kEnable) != 0;
  return dev.ats_enabled;
}

}  // namespace baton::linux::pci
