// The PASID capability of a function [linux drivers/pci/ats.c pci_enable_pasid,
// pci_max_pasids; PCIe 7.8.9].
#include "model/linux/pci/state.h"

namespace baton::linux::pci {

namespace {
constexpr std::uint16_t kExtPasid = 0x1B;
constexpr unsigned kCapability = 4;
constexpr unsigned kControl = 6;
constexpr std::uint32_t kFeatures = 0x06;  // execute permission, privileged mode
constexpr unsigned kWidthShift = 8;
constexpr std::uint32_t kWidth = 0x1F;
constexpr std::uint32_t kEnable = 0x01;
}  // namespace

std::uint32_t PciCore::max_pasids(PciDev& dev) {
  if (dev.pasid_cap == 0) {
    dev.pasid_cap = state_->find_extended(dev, kExtPasid, "pci_pasid_init");
  }
  if (dev.pasid_cap == 0) return 0;
  const std::uint32_t supported =
      state_->read(dev, dev.pasid_cap + kCapability, 2, "pci_max_pasids");
  return std::uint32_t{1} << (supported >> kWidthShift & kWidth);
}

void PciCore::enable_pasid(PciDev& dev) {
  if (dev.pasid_cap == 0 || dev.pasid_enabled) return;
  const std::uint32_t supported =
      state_->read(dev, dev.pasid_cap + kCapability, 2, "pci_enable_pasid");
  dev.pasid_control = static_cast<std::uint16_t>(kEnable | (supported & kFeatures));
  restore_pasid(dev, "pci_enable_pasid");
  dev.pasid_enabled = true;
}

void PciCore::restore_pasid(PciDev& dev, const char* by) {
  state_->write_now(dev, dev.pasid_cap + kControl, 2, dev.pasid_control, by);
}

bool PciCore::adopt_pasid(PciDev& dev) {
  if (max_pasids(dev) == 0) return false;
  dev.pasid_control = static_cast<std::uint16_t>(
      state_->read(dev, dev.pasid_cap + kControl, 2, "pci_enable_pasid"));
  dev.pasid_enabled = (dev.pasid_control & kEnable) != 0;
  return dev.pasid_enabled;
}

}  // namespace baton::linux::pci
