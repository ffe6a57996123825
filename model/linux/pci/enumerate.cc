// The walk over buses, bridges and slots [linux drivers/pci/probe.c: pci_scan_child_bus_extend,
// pci_scan_bridge_extend, pci_scan_slot].
//
// Not modelled: CardBus, enhanced allocation, request retry status.
#include <algorithm>

#include "model/linux/pci/pci_liveupdate.h"
#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr const char* kScanBridge = "pci_scan_bridge_extend";
constexpr unsigned kNoFunction = 256;
constexpr unsigned kHotplugBuses = 1;  // pci_hotplug_bus_size

}  // namespace

Co<> PciCore::State::scan_root(HostBridge host) {
  auto root = std::make_unique<PciBus>();
  root->segment = host.segment;
  root->number = host.first;
  root->busn_end = host.last;
  root->host = host;
  roots_.push_back(std::move(root));
  PciBus& bus = *roots_.back();
  co_await scan_child_bus(bus, 0);
  register_bus(bus);
}

// A bus is registered completely before the first bus below it.
void PciCore::State::register_bus(const PciBus& bus) {
  for (const auto& dev : bus.devices) {
    devices_.push_back(dev.get());
    by_address_.emplace(dev->address, dev.get());
    for (unsigned i = 0; i < dev->num_vfs; ++i) {  // adopted
      PciDev& virtfn = *dev->virtual_functions[i];
      devices_.push_back(&virtfn);
      by_address_.emplace(virtfn.address, &virtfn);
    }
  }
  for (const auto& dev : bus.devices) {
    if (dev->subordinate != nullptr) register_bus(*dev->subordinate);
  }
}

Co<unsigned> PciCore::State::scan_child_bus(PciBus& bus, unsigned available) {
  const bool one_child = bus.bridge != nullptr && bus.bridge->is_downstream_port();
  for (unsigned device = 0; device < (one_child ? 1U : 32U); ++device) {
    co_await scan_slot(bus, device << 3);
  }
  unsigned max = bus.number;
  unsigned iov = max;
  unsigned hotplug = 0;
  unsigned normal = 0;
  for (const auto& dev : bus.devices) {
    iov = std::max<unsigned>(iov, dev->last_vf_bus);
    if (dev->is_bridge()) ++(dev->is_hotplug_bridge ? hotplug : normal);
  }
  unsigned used = iov - max;  // pci_iov_bus_range
  max = iov;
  if (bus.bridge != nullptr) read_bridge_bases(*bus.bridge);  // pcibios_fixup_bus
  for (std::size_t i = 0; i < bus.devices.size(); ++i) {
    if (!bus.devices[i]->is_bridge()) continue;
    const unsigned before = max;
    max = co_await scan_bridge(bus, *bus.devices[i], max, 0, false);
    ++used;
    if (max - before > 1) used += max - before - 1;
  }
  for (std::size_t i = 0; i < bus.devices.size(); ++i) {
    PciDev& dev = *bus.devices[i];
    if (!dev.is_bridge()) continue;
    unsigned extra = 0;
    if (hotplug == 0 && normal == 1) {
      extra = available;  // it distributes them to what is below
    } else if (dev.is_hotplug_bridge) {
      const unsigned left = available + 1 > used ? available + 1 - used : 0;
      extra = std::min(available / hotplug, left);
    }
    const unsigned before = max;
    max = co_await scan_bridge(bus, dev, max, extra, true);
    if (max - before > 1) used += max - before - 1;
  }
  if (bus.bridge != nullptr && bus.bridge->is_hotplug_bridge) {
    const unsigned wanted = std::max(available, kHotplugBuses - 1);
    if (max - bus.number < wanted) max = std::min<unsigned>(bus.number + wanted, bus.busn_end);
  }
  co_return max;
}

// next_fn: by the ARI capability's chain where forwarding is on, else one by one.
unsigned PciCore::State::next_function(const PciBus& bus, const PciDev* dev, unsigned function) {
  if (bus.bridge != nullptr && bus.bridge->ari_enabled) {
    if (dev == nullptr) return kNoFunction;
    const std::uint16_t ari = find_extended(*dev, regs::kExtAri, "next_ari_fn");
    if (ari == 0) return kNoFunction;
    const unsigned next = read(*dev, ari + 4U, 2, "next_ari_fn") >> 8 & 0xFF;
    return next > function ? next : kNoFunction;
  }
  if (function >= 7) return kNoFunction;
  if (dev != nullptr && !dev->multi_function) return kNoFunction;
  return function + 1;
}

Co<PciDev*> PciCore::State::scan_function(PciBus& bus, unsigned devfn) {
  auto owned = co_await setup_device(bus, devfn);
  if (owned == nullptr) co_return nullptr;
  bus.devices.push_back(std::move(owned));
  PciDev& dev = *bus.devices.back();
  co_await configure(dev);
  co_await init_capabilities(dev);
  co_return &dev;
}

// The number of functions found. The link above is configured once a slot on it is complete.
Co<unsigned> PciCore::State::scan_slot(PciBus& bus, unsigned devfn) {
  unsigned found = 0;
  for (unsigned function = 0; function < kNoFunction;) {
    PciDev* dev = co_await scan_function(bus, devfn + function);
    if (dev != nullptr) {
      ++found;
      if (function > 0) dev->multi_function = true;
    } else if (function == 0) {
      break;
    }
    function = next_function(bus, dev, function);
  }
  if (bus.bridge != nullptr && found > 0) co_await init_link(*bus.bridge);
  co_return found;
}

// Whether the bridges on this bus keep the numbers that are there, because requests of devices that
// were handed over carry them. Policy bus_numbers: inherit answers once for the kernel's whole life
// [posted pci v9]; inherit-preserved at each bridge's first pass, by the bus above it and by what
// still waits to be finished [posted pci v6, v7]; reassign is a kernel without a rule.
bool PciCore::State::inherits(const PciBus& bus) const {
  if (live_update_ == nullptr) return false;
  switch (services_.config().policies.bus_numbers) {
    case BusNumberPolicy::kInherit:
      return live_update_->inherit_bus_numbers();
    case BusNumberPolicy::kInheritPreserved:
      return live_update_->has_incoming() || (bus.bridge != nullptr && bus.bridge->inherits_buses);
    case BusNumberPolicy::kReassign:
      break;
  }
  return false;
}

// pcibios_assign_all_busses().
bool PciCore::State::renumbers(const PciDev& bridge) const {
  return (assign_busses_ && !bridge.inherits_buses) || services_.has(Defect::kPciRenumberBuses);
}

// A preserved bridge that lost its numbers gets none, and neither does any other on its bus: its
// old range is unknown and might be given away twice [linux drivers/pci/liveupdate.c, v9]. Under
// inherit-preserved no bridge that inherits gets new ones, preserved or not [v6, v7].
bool PciCore::State::is_refused(const PciBus& bus, const PciDev& bridge) const {
  if (renumbers(bridge)) return false;
  const bool each = services_.config().policies.bus_numbers == BusNumberPolicy::kInheritPreserved;
  if (each && bridge.inherits_buses) return true;
  return std::ranges::any_of(bus.devices, [](const auto& dev) {
    return dev->is_bridge() && dev->incoming() && dev->subordinate == nullptr;
  });
}

PciBus& PciCore::State::add_child_bus(PciBus& parent, PciDev& bridge, unsigned number,
                                      unsigned end) {
  auto child = std::make_unique<PciBus>();
  child->segment = parent.segment;
  child->number = static_cast<std::uint8_t>(number);
  child->busn_end = static_cast<std::uint8_t>(end);
  child->bridge = &bridge;
  child->parent = &parent;
  child->host = parent.host;
  bridge.subordinate = child.get();
  parent.children.push_back(std::move(child));
  return *bridge.subordinate;
}

// pci_enable_rrs_sv (pci_enable_crs before 6.13).
Co<> PciCore::State::make_completions_visible(PciDev& port) {
  if (!has_pcie_register(port, regs::kExpRtCap)) co_return;
  constexpr const char* kRrs = "pci_enable_rrs_sv";
  const std::uint32_t root = read(port, port.pcie_cap + regs::kExpRtCap, 2, kRrs);
  if ((root & 1) != 0) co_await change(port, regs::kExpRtCtl, 0, regs::kRtCtlRrsVisible, kRrs);
}

Co<unsigned> PciCore::State::scan_bridge(PciBus& bus, PciDev& bridge, unsigned max,
                                         unsigned available, bool second) {
  const std::uint32_t buses = read(bridge, regs::kPrimaryBus, 4, kScanBridge);
  unsigned primary = buses & 0xFF;
  const unsigned secondary = buses >> 8 & 0xFF;
  const unsigned subordinate = buses >> 16 & 0xFF;
  const std::uint32_t control = read(bridge, regs::kBridgeControl, 2, kScanBridge);
  co_await update(bridge, regs::kBridgeControl, 2, control,
                  control & ~static_cast<std::uint32_t>(regs::kBridgeControlMasterAbort),
                  kScanBridge);
  if (is_6_1()) co_await make_completions_visible(bridge);
  bridge.bridge_control = static_cast<std::uint16_t>(control);
  if (primary == 0 && bus.number != 0 && secondary != 0 && subordinate != 0) primary = bus.number;
  const bool broken = primary != bus.number || secondary <= bus.number || secondary > subordinate;
  if (!second) bridge.inherits_buses = inherits(bus);
  if ((secondary != 0 || subordinate != 0) && !broken && !renumbers(bridge)) {
    if (!second) {
      PciBus& child = add_child_bus(bus, bridge, secondary, subordinate);
      co_await scan_child_bus(child, subordinate - secondary);
      max = std::max(max, subordinate);
    }
  } else if (bridge.subordinate == nullptr) {
    if (is_refused(bus, bridge)) {
      co_await refuse_numbers(bridge, buses, second);
    } else if (!second) {
      co_await write(bridge, regs::kPrimaryBus, 4, buses & 0xFF000000, kScanBridge);
    } else {
      max = co_await number_bridge(bus, bridge, max, available, buses);
    }
  }
  if (!is_6_1()) {
    const std::uint32_t status = read(bridge, regs::kSecondaryStatus, 2, kScanBridge);
    if (!spares(bridge) || (status & 0xF900) != 0) {
      co_await write(bridge, regs::kSecondaryStatus, 2, 0xFFFF, kScanBridge);
    }
  }
  if (!spares(bridge) || read(bridge, regs::kBridgeControl, 2, kScanBridge) != control) {
    co_await write(bridge, regs::kBridgeControl, 2, control, kScanBridge);
  }
  co_return max;
}

// What is below stays where nobody reaches it.
Co<> PciCore::State::refuse_numbers(PciDev& bridge, std::uint32_t buses, bool second) {
  if (second) co_return;
  services_.print(sim::LogLevel::kError, "pci {}: bridge configuration invalid, not numbered",
                  to_string(bridge.address));
  const bool clears =
      services_.config().policies.bus_numbers == BusNumberPolicy::kInheritPreserved &&
      (buses & 0xFFFFFF) != 0;
  if (clears) co_await write(bridge, regs::kPrimaryBus, 4, buses & 0xFF000000, kScanBridge);
}

Co<unsigned> PciCore::State::number_bridge(PciBus& bus, PciDev& bridge, unsigned max,
                                           unsigned available, std::uint32_t buses) {
  if (max >= bus.busn_end) {
    services_.print(sim::LogLevel::kWarning, "pci {}: no bus number left",
                    to_string(bridge.address));
    co_return max;
  }
  co_await write(bridge, regs::kStatus, 2, 0xFFFF, kScanBridge);
  const unsigned secondary = max + 1;
  const std::uint32_t numbers = bus.number | secondary << 8 |
                                static_cast<std::uint32_t>(bus.busn_end) << 16 |
                                (buses & 0xFF000000);
  co_await write(bridge, regs::kPrimaryBus, 4, numbers, kScanBridge);
  PciBus& child = add_child_bus(bus, bridge, secondary, bus.busn_end);
  max = co_await scan_child_bus(child, available > 0 ? available - 1 : 0);
  child.busn_end = static_cast<std::uint8_t>(max);
  co_await write(bridge, regs::kSubordinateBus, 1, max, kScanBridge);
  co_return max;
}

}  // namespace baton::linux::pci
