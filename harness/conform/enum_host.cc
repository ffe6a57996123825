#include "harness/conform/enum_host.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "model/pci/bridge.h"
#include "model/pci/topology.h"

namespace baton::harness {

namespace {

bool is_bridge(const EnumFunction& function) {
  return (std::to_integer<unsigned>(function.bytes[0x0E]) & 0x7F) == 1;
}

unsigned byte_of(const EnumFunction& function, std::size_t offset) {
  return std::to_integer<unsigned>(function.bytes[offset]);
}

pci::ConfigSpace config_of(const EnumFunction& function) {
  pci::ConfigSpace config = pci::ConfigSpace::recorded(function.bytes);
  for (const EnumBar& bar : function.bars) {
    if (!bar.memory) {
      config.bar_io(bar.index, bar.size);
    } else if (bar.is_64bit) {
      config.bar64(bar.index, bar.size, bar.prefetchable);
    } else {
      config.bar32(bar.index, bar.size, bar.prefetchable);
    }
  }
  if (function.rom != 0) config.rom(function.rom);
  config.measured_masks(function.writable, function.write_one_to_clear);
  return config;
}

void add(sim::Simulation& simulation, pci::Fabric& fabric, pci::Bus& bus, Bdf address,
         const EnumFunction& function) {
  const std::string name = "0000:" + sim::to_string(address);
  std::unique_ptr<pci::Function> owned;
  if (is_bridge(function)) {
    owned = std::make_unique<pci::Bridge>(simulation, name, config_of(function));
  } else {
    owned = std::make_unique<pci::ImportedFunction>(simulation, name, config_of(function));
  }
  fabric.add(bus, address.device(), address.function(), std::move(owned));
}

pci::Bus* bus_of(pci::Fabric& fabric, unsigned number) {
  for (const auto& root : fabric.root_buses()) {
    if (root->number() == number) return root.get();
  }
  for (pci::Function* function : fabric.functions()) {
    auto* bridge = dynamic_cast<pci::Bridge*>(function);
    if (bridge != nullptr && bridge->secondary() == number) return &bridge->secondary_bus();
  }
  return nullptr;
}

}  // namespace

std::expected<void, std::string> build_enum_host(sim::Simulation& simulation, pci::Fabric& fabric,
                                                 const EnumRecord& record) {
  std::set<unsigned> below;  // buses that a bridge leads to
  std::set<unsigned> roots;
  for (const auto& [address, function] : record.functions) {
    if (is_bridge(function)) below.insert(byte_of(function, 0x19));
  }
  for (const auto& [address, function] : record.functions) {
    if (!function.hot_added && !below.contains(address.bus())) roots.insert(address.bus());
  }
  if (!roots.contains(0)) return std::unexpected("no function on bus 00");
  // A root bus ends where the highest number below it ends; bus 0 before the next root bus.
  const auto last_below = [&](unsigned root) {
    unsigned last = root;
    for (bool grown = true; grown;) {
      grown = false;
      for (const auto& [address, function] : record.functions) {
        if (!is_bridge(function) || address.bus() < root || address.bus() > last) continue;
        if (byte_of(function, 0x1A) <= last) continue;
        last = byte_of(function, 0x1A);
        grown = true;
      }
    }
    return last;
  };
  const auto add_root = [&](unsigned first, unsigned last, bool zero) {
    pci::Bus& bus =
        fabric.add_root_bus(0, static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(last));
    bus.set_traits({.io_aperture = zero, .native_hotplug = !zero || record.native_hotplug});
  };
  const auto next = roots.upper_bound(0);
  add_root(0, next == roots.end() ? 0xFF : *next - 1, true);
  for (auto root = roots.rbegin(); root != roots.rend() && *root != 0; ++root) {
    add_root(*root, last_below(*root), false);
  }
  for (const auto& [address, function] : record.functions) {
    if (function.hot_added) continue;
    pci::Bus* bus = bus_of(fabric, address.bus());
    if (bus == nullptr) {
      return std::unexpected(fmt::format("no bridge leads to {}", sim::to_string(address)));
    }
    add(simulation, fabric, *bus, address, function);
  }
  return {};
}

void plug_in(sim::Simulation& simulation, pci::Fabric& fabric, const EnumRecord& record,
             unsigned bus) {
  pci::Bus* slot = bus_of(fabric, bus);
  if (slot == nullptr) return;
  for (const auto& [address, function] : record.functions) {
    if (!function.hot_added || address.bus() != bus) continue;
    if (slot->at(address.device(), address.function()) != nullptr) continue;
    add(simulation, fabric, *slot, address, function);
  }
  if (slot->bridge() != nullptr) slot->bridge()->show_slot();
}

}  // namespace baton::harness
