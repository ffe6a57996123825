#include "model/linux/drivers/vmd.h"

#include <algorithm>

namespace baton::linux::drivers {
namespace {

constexpr std::uint16_t kVendorIntel = 0x8086;
constexpr std::uint16_t kVmd28C0 = 0x28C0;
constexpr unsigned kCfgBar = 0;
constexpr std::uint16_t kIoBase = 0x1C;
constexpr std::uint16_t kRomAddress1 = 0x38;
constexpr std::uint16_t kBridgeControl = 0x3E;
constexpr std::uint32_t kSecondaryBusReset = 0x40;

}  // namespace

bool Vmd::matches(const pci::PciDev& dev) const {
  return dev.vendor == kVendorIntel && dev.device == kVmd28C0;
}

// vmd_find_free_domain().
std::uint32_t Vmd::free_domain() const {
  std::uint32_t domain = 0xFFFF;
  for (const auto& root : core_.root_buses()) {
    domain = std::max(domain, root->segment);
  }
  return domain + 1;
}

// vmd_probe(), vmd_enable_domain().
Co<Result<>> Vmd::probe(pci::PciDev& dev) {
  constexpr std::uint64_t kBytesPerBus = 1 << 20;
  const pci::Resource& window = dev.resources[kCfgBar];
  if (window.size < kBytesPerBus || window.start.value() == 0) {
    co_return fail(Errno::kNoMem);
  }
  const Result<> enabled = core_.enable_device(dev);
  if (!enabled) {
    co_return enabled;
  }
  core_.set_master(dev);
  const auto buses = std::min<std::uint64_t>(window.size / kBytesPerBus, 256);
  const std::uint32_t domain = free_domain();
  pci::PciBus* const bus =
      co_await core_.scan_domain(dev, domain, 0, static_cast<std::uint8_t>(buses - 1));
  services_.print(sim::LogLevel::kInfo, "vmd {}: PCI host bridge to bus {:04x}:00",
                  to_string(dev.address), domain);
  co_await reset_domain(*bus);
  co_await add_devices(*bus);
  co_return Result<>();
}

// vmd_domain_reset(), pci_reset_bus() of each bus below.
Co<> Vmd::reset_domain(pci::PciBus& bus) {
  for (const auto& bridge : bus.devices) {
    if (!bridge->is_bridge()) {
      continue;
    }
    for (std::uint16_t at = kIoBase; at < kRomAddress1; at = static_cast<std::uint16_t>(at + 4)) {
      core_.write(*bridge, at, 4, 0, "vmd_domain_reset");
    }
  }
  for (const auto& child : bus.children) {
    if (child->devices.empty()) {
      continue;
    }
    const pci::PciDev& bridge = *child->bridge;
    const std::uint32_t control = core_.read(bridge, kBridgeControl, 2, "pci_reset_secondary_bus");
    core_.write(bridge, kBridgeControl, 2, control | kSecondaryBusReset, "pci_reset_secondary_bus");
    co_await services_.spend(sim::Duration::milliseconds(2));
    core_.write(bridge, kBridgeControl, 2, control, "pci_reset_secondary_bus");
    co_await services_.spend(sim::Duration::milliseconds(100));  // [PCIe 6.6.1]
  }
}

// pci_bus_add_devices(): drivers that are there already get what they match.
Co<> Vmd::add_devices(pci::PciBus& bus) {
  for (const auto& dev : bus.devices) {
    static_cast<void>(co_await bus_type_.probe_any(*dev));
  }
  for (const auto& child : bus.children) {
    co_await add_devices(*child);
  }
}

// The domain stays until the kernel ends.
Co<> Vmd::remove(pci::PciDev&) { co_return; }

}  // namespace baton::linux::drivers
