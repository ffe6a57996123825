// Configuration access and capability walks [linux drivers/pci/access.c, pci.c].
#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr unsigned kMostCapabilities = 48;  // PCI_FIND_CAP_TTL
constexpr unsigned kMostExtended = 480;     // (4096 - 256) / 8

}  // namespace

std::uint32_t PciCore::State::read(const PciDev& dev, unsigned offset, unsigned width,
                                   const char* by) {
  if (dev.disconnected) return width == 4 ? 0xFFFFFFFF : (1U << (8 * width)) - 1;
  owed_ = owed_ + services_.port().config_access_time();
  return services_.port().config_read(dev.address, static_cast<std::uint16_t>(offset), width, by);
}

void PciCore::State::write_now(const PciDev& dev, unsigned offset, unsigned width,
                               std::uint32_t value, const char* by) {
  if (dev.disconnected) return;
  owed_ = owed_ + services_.port().config_access_time();
  const std::uint32_t mask = width == 4 ? 0xFFFFFFFF : (1U << (8 * width)) - 1;
  services_.port().config_write(dev.address, static_cast<std::uint16_t>(offset), width,
                                value & mask, by);
}

Co<> PciCore::State::write(const PciDev& dev, unsigned offset, unsigned width, std::uint32_t value,
                           const char* by) {
  write_now(dev, offset, width, value, by);
  return let_time_pass();
}

Co<> PciCore::State::let_time_pass() {
  const sim::Duration owed = owed_;
  owed_ = sim::Duration();
  return services_.spend(owed);
}

Co<> PciCore::State::update(const PciDev& dev, unsigned offset, unsigned width, std::uint32_t old,
                            std::uint32_t value, const char* by) {
  if (spares(dev) && old == value) co_return;
  co_await write(dev, offset, width, value, by);
}

Co<> PciCore::State::change(const PciDev& dev, unsigned offset, std::uint32_t clear,
                            std::uint32_t set, const char* by) {
  const std::uint32_t old = read(dev, dev.pcie_cap + offset, 2, by);
  return update(dev, dev.pcie_cap + offset, 2, old, (old & ~clear) | set, by);
}

std::uint8_t PciCore::State::find_capability(const PciDev& dev, std::uint8_t id, const char* by) {
  if ((read(dev, regs::kStatus, 2, by) & regs::kStatusCapList) == 0) return 0;
  std::uint32_t position = read(dev, regs::kCapabilities, 1, by);
  for (unsigned hops = 0; hops < kMostCapabilities; ++hops) {
    position &= 0xFC;
    if (position < 0x40) break;
    const std::uint32_t header = read(dev, position, 2, by);
    if ((header & 0xFF) == 0xFF) break;
    if ((header & 0xFF) == id) return static_cast<std::uint8_t>(position);
    position = header >> 8;
  }
  return 0;
}

std::uint16_t PciCore::State::find_extended(const PciDev& dev, std::uint16_t id, const char* by) {
  if (dev.config_size <= 256) return 0;
  std::uint32_t position = 0x100;
  for (unsigned hops = 0; hops < kMostExtended && position >= 0x100; ++hops) {
    const std::uint32_t header = read(dev, position, 4, by);
    if (header == 0 || header == 0xFFFFFFFF) break;
    if ((header & 0xFFFF) == id) return static_cast<std::uint16_t>(position);
    position = header >> 20 & 0xFFC;
  }
  return 0;
}

bool PciCore::State::has_pcie_register(const PciDev& dev, unsigned offset) {
  if (dev.pcie_cap == 0) return false;
  const bool link =
      dev.pcie_type != regs::kIntegratedEndpoint && dev.pcie_type != regs::kEventCollector;
  const bool v2 = dev.pcie_version > 1;
  switch (offset) {
    case regs::kExpLnkCap:
    case regs::kExpLnkCtl:
      return link;
    case regs::kExpSltCap:
    case regs::kExpSltCtl:
      return dev.is_downstream_port();
    case regs::kExpRtCtl:
    case regs::kExpRtCap:
      return dev.pcie_type == regs::kRootPort || dev.pcie_type == regs::kEventCollector;
    case regs::kExpDevCap2:
    case regs::kExpDevCtl2:
      return v2;
    case regs::kExpLnkCap2:
    case regs::kExpLnkCtl2:
      return v2 && link;
    case regs::kExpSltCtl2:
      return false;
    default:
      return true;
  }
}

}  // namespace baton::linux::pci
