// The walk over buses, bridges and slots [linux drivers/pci/probe.c: pci_scan_child_bus_extend,
// pci_scan_bridge_extend, pci_scan_slot; drivers/acpi/pci_mcfg.c].
//
// Not modelled: hotplug bus reservation, CardBus, enhanced allocation, virtual
// functions, request retry status.
#include <algorithm>
#include <cstring>

#include "model/linux/pci/pci_liveupdate.h"
#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr const char* kScanBridge = "pci_scan_bridge_extend";
constexpr unsigned kMostFunctions = 8;

// pci_bus_generic_read_dev_vendor_id: nobody, or a device that is not there.
bool is_empty_slot(std::uint32_t id) {
  return id == 0xFFFFFFFF || id == 0 || id == 0x0000FFFF || id == 0xFFFF0000;
}

}  // namespace

// The MCFG table of the XSDT. One entry is one host bridge here, in the table's order
// [AMBIGUOUS: host bridges are found in the ACPI namespace; MCFG, which has the same ranges, stands
// for it].
std::vector<PciCore::State::HostBridge> PciCore::State::host_bridges() {
  sim::PhysicalMemory& ram = services_.port().ram();
  std::vector<HostBridge> result;
  const PhysAddr rsdp = services_.port().memory_map().rsdp;
  std::array<std::byte, 8> bytes{};
  const auto number = [&](PhysAddr at, unsigned width) {
    std::uint64_t value = 0;
    if (!ram.contains(at, width)) return value;
    ram.read(at, std::span(bytes).first(width));
    std::memcpy(&value, bytes.data(), width);
    return value;
  };
  const PhysAddr xsdt(number(rsdp + 24, 8));
  const std::uint64_t length = std::min<std::uint64_t>(number(xsdt + 4, 4), sim::kPageSize);
  for (std::uint64_t at = 36; at + 8 <= length; at += 8) {
    const PhysAddr table(number(xsdt + at, 8));
    if (number(table, 4) != 0x4746434D) continue;  // "MCFG"
    const std::uint64_t end = std::min<std::uint64_t>(number(table + 4, 4), 64 * 1024);
    for (std::uint64_t entry = 44; entry + 16 <= end; entry += 16) {
      result.push_back({static_cast<std::uint16_t>(number(table + entry + 8, 2)),
                        static_cast<std::uint8_t>(number(table + entry + 10, 1)),
                        static_cast<std::uint8_t>(number(table + entry + 11, 1))});
    }
  }
  return result;
}

void PciCore::State::scan_root(const HostBridge& host) {
  auto root = std::make_unique<PciBus>();
  root->segment = host.segment;
  root->number = host.first;
  root->busn_end = host.last;
  roots_.push_back(std::move(root));
  PciBus& bus = *roots_.back();
  scan_child_bus(bus, 0);
  register_bus(bus);
}

// A bus is registered completely before the first bus below it.
void PciCore::State::register_bus(const PciBus& bus) {
  for (const auto& dev : bus.devices) devices_.push_back(dev.get());
  for (const auto& dev : bus.devices) {
    if (dev->subordinate != nullptr) register_bus(*dev->subordinate);
  }
}

unsigned PciCore::State::scan_child_bus(PciBus& bus, unsigned available) {
  const bool one_child = bus.bridge != nullptr && bus.bridge->is_downstream_port();
  for (unsigned device = 0; device < (one_child ? 1U : 32U); ++device) scan_slot(bus, device);
  unsigned max = bus.number;
  unsigned used = 0;
  unsigned bridges = 0;
  for (const auto& dev : bus.devices) bridges += dev->is_bridge() ? 1 : 0;
  for (const auto& dev : bus.devices) {
    if (!dev->is_bridge()) continue;
    const unsigned before = max;
    max = scan_bridge(bus, *dev, max, 0, false);
    used += 1 + (max - before > 1 ? max - before - 1 : 0);
  }
  for (const auto& dev : bus.devices) {
    if (!dev->is_bridge()) continue;
    const unsigned extra = bridges == 1 && available > used ? available - used : 0;
    max = scan_bridge(bus, *dev, max, extra, true);
  }
  return max;
}

void PciCore::State::scan_slot(PciBus& bus, unsigned device) {
  const std::size_t before = bus.devices.size();
  for (unsigned function = 0; function < kMostFunctions; ++function) {
    auto dev = setup_device(bus, device << 3 | function);
    if (dev != nullptr) {
      PciDev& added = *dev;
      bus.devices.push_back(std::move(dev));
      configure(added);
      init_capabilities(added);
    }
    if (function == 0 && bus.devices.size() == before) return;
    if (function == 0 && !bus.devices[before]->multi_function) return;
  }
}

// pcibios_assign_all_busses(). When devices were handed over, their requests in flight carry the
// numbers that are there: all bridges keep them [posted pci v9]; policy bus_numbers: reassign is a
// kernel without that rule.
bool PciCore::State::renumbers() const {
  const bool inherits = live_update_ != nullptr && live_update_->inherit_bus_numbers() &&
                        services_.config().policies.bus_numbers == BusNumberPolicy::kInherit;
  return (assign_busses_ && !inherits) || services_.has(Defect::kPciRenumberBuses);
}

PciBus& PciCore::State::add_child_bus(PciBus& parent, PciDev& bridge, unsigned number,
                                      unsigned end) {
  auto child = std::make_unique<PciBus>();
  child->segment = parent.segment;
  child->number = static_cast<std::uint8_t>(number);
  child->busn_end = static_cast<std::uint8_t>(end);
  child->bridge = &bridge;
  child->parent = &parent;
  bridge.subordinate = child.get();
  parent.children.push_back(std::move(child));
  return *bridge.subordinate;
}

unsigned PciCore::State::scan_bridge(PciBus& bus, PciDev& bridge, unsigned max, unsigned available,
                                     bool second) {
  const std::uint32_t buses = read(bridge, regs::kPrimaryBus, 4, kScanBridge);
  unsigned primary = buses & 0xFF;
  const unsigned secondary = buses >> 8 & 0xFF;
  const unsigned subordinate = buses >> 16 & 0xFF;
  const std::uint32_t control = read(bridge, regs::kBridgeControl, 2, kScanBridge);
  update(bridge, regs::kBridgeControl, 2, control,
         control & ~std::uint32_t{regs::kBridgeControlMasterAbort}, kScanBridge);
  if (primary == 0 && bus.number != 0 && secondary != 0 && subordinate != 0) primary = bus.number;
  const bool broken = primary != bus.number || secondary <= bus.number || secondary > subordinate;
  if ((secondary != 0 || subordinate != 0) && !broken && !renumbers()) {
    if (!second) {
      PciBus& child = add_child_bus(bus, bridge, secondary, subordinate);
      scan_child_bus(child, subordinate - secondary);
      max = std::max(max, subordinate);
    }
  } else if (bridge.subordinate == nullptr) {
    // A preserved bridge that lost its numbers gets none, and neither does any other on its bus:
    // its old range is unknown and might be given away twice [linux drivers/pci/liveupdate.c, v9].
    const bool refused = !renumbers() && std::ranges::any_of(bus.devices, [&](const auto& dev) {
      return dev->is_bridge() && dev->incoming && dev->subordinate == nullptr;
    });
    if (refused) {
      services_.print(sim::LogLevel::kError, "pci {}: bridge configuration invalid, not numbered",
                      to_string(bridge.address));
    } else if (!second) {
      write(bridge, regs::kPrimaryBus, 4, buses & 0xFF000000, kScanBridge);
    } else {
      max = number_bridge(bus, bridge, max, available, buses);
    }
  }
  const std::uint32_t status = read(bridge, regs::kSecondaryStatus, 2, kScanBridge);
  if (!bridge.incoming || (status & 0xF900) != 0) {
    write(bridge, regs::kSecondaryStatus, 2, 0xFFFF, kScanBridge);
  }
  update(bridge, regs::kBridgeControl, 2, read(bridge, regs::kBridgeControl, 2, kScanBridge),
         control, kScanBridge);
  return max;
}

unsigned PciCore::State::number_bridge(PciBus& bus, PciDev& bridge, unsigned max,
                                       unsigned available, std::uint32_t buses) {
  if (max >= bus.busn_end) {
    services_.print(sim::LogLevel::kWarning, "pci {}: no bus number left",
                    to_string(bridge.address));
    return max;
  }
  write(bridge, regs::kStatus, 2, 0xFFFF, kScanBridge);
  const unsigned secondary = max + 1;
  const std::uint32_t numbers = bus.number | secondary << 8 |
                                static_cast<std::uint32_t>(bus.busn_end) << 16 |
                                (buses & 0xFF000000);
  write(bridge, regs::kPrimaryBus, 4, numbers, kScanBridge);
  PciBus& child = add_child_bus(bus, bridge, secondary, bus.busn_end);
  max = scan_child_bus(child, available > 0 ? available - 1 : 0);
  child.busn_end = static_cast<std::uint8_t>(max);
  write(bridge, regs::kSubordinateBus, 1, max, kScanBridge);
  return max;
}

std::unique_ptr<PciDev> PciCore::State::setup_device(PciBus& bus, unsigned devfn) {
  auto owned = std::make_unique<PciDev>();
  PciDev& dev = *owned;
  dev.bus = &bus;
  dev.address = {bus.segment, Bdf(bus.number, devfn >> 3, devfn & 7)};
  const std::uint32_t id = read(dev, regs::kVendorId, 4, "pci_bus_read_dev_vendor_id");
  if (is_empty_slot(id)) return nullptr;
  dev.vendor = static_cast<std::uint16_t>(id);
  dev.device = static_cast<std::uint16_t>(id >> 16);
  const std::uint32_t type = read(dev, regs::kHeaderType, 1, "pci_setup_device");
  dev.header_type = type & 0x7F;
  dev.multi_function = (type & 0x80) != 0;
  set_pcie_port_type(dev);
  dev.class_code = read(dev, regs::kClassRevision, 4, "pci_setup_device") >> 8;
  if (live_update_ != nullptr) live_update_->setup_device(dev);
  read_config_size(dev);
  toggle_intx(dev);
  read_header(dev);
  return owned;
}

}  // namespace baton::linux::pci
