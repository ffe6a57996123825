#include "harness/record/topology_snapshot.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/linux/pci/observations.h"

namespace baton::harness {
namespace {

constexpr std::uint16_t kMsiEnable = 1;        // Message Control [PCIe 7.7.1.2]
constexpr std::uint16_t kMsixEnable = 0x8000;  // Message Control [PCIe 7.7.2.2]
constexpr std::uint16_t kMsixFunctionMask = 0x4000;

std::optional<WindowState> window(const std::optional<pci::Bridge::Window>& seen) {
  if (!seen) return std::nullopt;
  return WindowState{seen->base, seen->limit};
}

std::vector<BarState> bars_of(const pci::ConfigSpace& config) {
  std::vector<BarState> bars;
  for (unsigned index = 0; index <= pci::kRomBar; ++index) {
    const pci::Bar& bar = config.bar(index);
    if (bar.kind == pci::BarKind::kNone || bar.kind == pci::BarKind::kUpperHalf) continue;
    bars.push_back(
        {index, bar.kind, bar.prefetchable, config.bar_address(index), bar.size, bar.assumed});
  }
  return bars;
}

std::uint16_t word(const pci::ConfigSpace& config, unsigned offset) {
  return static_cast<std::uint16_t>(config.get(static_cast<std::uint16_t>(offset), 2));
}

std::string owner_of(const std::map<std::string, std::string, std::less<>>& owners,
                     const std::string& function) {
  const auto found = owners.find(function);
  return found == owners.end() ? "" : found->second;
}

class Taker {
 public:
  explicit Taker(const TopologyOwners& owners) : owners_(owners) {}

  TopologySnapshot take(const pci::Fabric& fabric) {
    for (const auto& root : fabric.root_buses()) {
      snapshot_.roots.push_back({root->segment(), root->number(), root->last()});
      walk(*root, std::nullopt, 0);
    }
    return std::move(snapshot_);
  }

 private:
  void walk(const pci::Bus& bus, std::optional<std::size_t> parent, unsigned depth) {
    bus.for_each([&](const pci::Function& function) {
      FunctionState state = describe_function(function);
      state.parent = parent;
      state.depth = depth;
      const auto* bridge = dynamic_cast<const pci::Bridge*>(&function);
      if (bridge != nullptr) describe_bridge(*bridge, state);
      snapshot_.functions.push_back(std::move(state));
      if (bridge != nullptr) {
        walk(bridge->secondary_bus(), snapshot_.functions.size() - 1, depth + 1);
      }
    });
  }

  FunctionState describe_function(const pci::Function& function) const {
    const pci::ConfigSpace& config = function.config();
    FunctionState state;
    state.name = function.name();
    state.address = function.location();
    state.requester_id = function.requester_id();
    state.vendor = word(config, 0x00);
    state.device = word(config, 0x02);
    state.class_code = config.get(0x08, 4) >> 8;
    state.command = word(config, 0x04);
    state.power_state = function.power_state();
    state.bars = bars_of(config);
    if (const std::uint16_t at = config.find(pci::CapabilityId::kMsix);
        at != 0 && at + 4U <= config.size()) {
      const std::uint16_t control = word(config, at + 2U);
      state.msix = MsixState{(control & 0x7FFU) + 1, (control & kMsixEnable) != 0,
                             (control & kMsixFunctionMask) != 0};
    }
    if (const std::uint16_t at = config.find(pci::CapabilityId::kMsi);
        at != 0 && at + 4U <= config.size()) {
      state.msi_enabled = (word(config, at + 2U) & kMsiEnable) != 0;
    }
    state.driver = owner_of(owners_.drivers, state.name);
    state.vm = owner_of(owners_.vms, state.name);
    return state;
  }

  static void describe_bridge(const pci::Bridge& bridge, FunctionState& state) {
    state.bridge = true;
    state.primary = bridge.primary();
    state.secondary = bridge.secondary();
    state.subordinate = bridge.subordinate();
    state.io_window = window(bridge.io_window());
    state.memory_window = window(bridge.memory_window());
    state.prefetch_window = window(bridge.prefetch_window());
  }

  const TopologyOwners& owners_;
  TopologySnapshot snapshot_;
};

std::string text(const std::optional<WindowState>& seen) {
  return seen ? fmt::format("{:#x}-{:#x}", seen->base, seen->limit) : "closed";
}

std::string text(const BarState& bar) {
  const char* kind = bar.kind == pci::BarKind::kIo         ? "I/O"
                     : bar.kind == pci::BarKind::kMemory64 ? "memory 64-bit"
                                                           : "memory 32-bit";
  return fmt::format("{}{} {:#x}, {:#x} bytes{}", kind, bar.prefetchable ? " prefetchable" : "",
                     bar.address, bar.size, bar.size_assumed ? " (size assumed)" : "");
}

}  // namespace

TopologySnapshot take_topology(const pci::Fabric& fabric, const TopologyOwners& owners) {
  return Taker(owners).take(fabric);
}

std::vector<std::pair<std::string, std::string>> describe(const FunctionState& function) {
  std::vector<std::pair<std::string, std::string>> fields;
  fields.emplace_back("address", to_string(function.address));
  fields.emplace_back("requester id", to_string(function.requester_id));
  fields.emplace_back("command", fmt::format("{:04x}", function.command));
  fields.emplace_back("power state", fmt::format("D{}", function.power_state));
  if (function.bridge) {
    fields.emplace_back("primary", fmt::format("{:02x}", function.primary));
    fields.emplace_back("secondary", fmt::format("{:02x}", function.secondary));
    fields.emplace_back("subordinate", fmt::format("{:02x}", function.subordinate));
    fields.emplace_back("I/O window", text(function.io_window));
    fields.emplace_back("memory window", text(function.memory_window));
    fields.emplace_back("prefetchable window", text(function.prefetch_window));
  }
  for (const BarState& bar : function.bars) {
    fields.emplace_back(bar.index == pci::kRomBar ? "ROM" : fmt::format("BAR {}", bar.index),
                        text(bar));
  }
  if (function.msix) {
    fields.emplace_back(
        "MSI-X", fmt::format("{} of {} vectors{}", function.msix->enabled ? "enabled" : "off",
                             function.msix->vectors, function.msix->masked ? ", masked" : ""));
  }
  if (function.msi_enabled) fields.emplace_back("MSI", *function.msi_enabled ? "enabled" : "off");
  fields.emplace_back("driver", function.driver.empty() ? "none" : function.driver);
  return fields;
}

std::vector<TopologyChange> compare(const TopologySnapshot& before, const TopologySnapshot& after) {
  std::map<std::string_view, const FunctionState*> left;
  for (const FunctionState& function : after.functions) left.emplace(function.name, &function);
  std::vector<TopologyChange> changes;
  for (const FunctionState& function : before.functions) {
    const auto found = left.find(function.name);
    if (found == left.end()) {
      changes.push_back({function.name, "function", to_string(function.address), ""});
      continue;
    }
    std::map<std::string, std::string> now;
    for (auto& [field, value] : describe(*found->second)) now.emplace(field, value);
    for (const auto& [field, value] : describe(function)) {
      const auto same = now.find(field);
      const std::string other = same == now.end() ? "" : same->second;
      if (value != other) changes.push_back({function.name, field, value, other});
    }
    left.erase(found);
  }
  for (const FunctionState& function : after.functions) {
    if (!left.contains(function.name)) continue;
    changes.push_back({function.name, "function", "", to_string(function.address)});
  }
  return changes;
}

void TopologyWatch::attach(Watch& watch, const Scenario& /*scenario*/) {
  watch_ = &watch;
  for (const WatchedDevice& device : watch.devices()) {
    owners_.vms.emplace(device.function->name(), device.vm);
  }
  sim::Simulation& simulation = watch.simulation();
  simulation.topic<linux::pci::DriverBound>().subscribe(
      [this](const linux::pci::DriverBound& seen) {
        const pci::Function* function = watch_->machine().fabric().find(seen.address);
        if (function == nullptr) return;
        if (seen.bound) {
          owners_.drivers[function->name()] = seen.driver;
        } else {
          owners_.drivers.erase(function->name());
        }
      });
  // What a kernel had bound ends with it.
  const auto forget = [this](const auto&) { owners_.drivers.clear(); };
  simulation.topic<host::KernelJumped>().subscribe(forget);
  simulation.topic<host::ColdRebooted>().subscribe(forget);
}

TopologySnapshot TopologyWatch::take() const {
  return take_topology(watch_->machine().fabric(), owners_);
}

}  // namespace baton::harness
