#include "model/pci/topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <set>

#include "sim/check.h"

namespace baton::pci {
namespace {

constexpr std::uint64_t kRootBarLimit = 1 << 20;
constexpr std::uint64_t kIoBarLimit = 256;

class Importer {
 public:
  Importer(sim::Simulation& simulation, Fabric& fabric, const LspciDump& dump)
      : simulation_(simulation), fabric_(fabric), dump_(dump) {}

  std::expected<void, DumpError> run() {
    for (const DumpedFunction& function : dump_.functions) {
      by_bus_[{function.address.segment, function.address.bdf.bus()}].push_back(&function);
      collect_starts(function);
    }
    if (!find_bridges() || !add_roots()) return std::unexpected(error_);
    for (const DumpedFunction& function : dump_.functions) {
      if (placed_.contains(function.address)) continue;
      fail(function, fmt::format("no bridge leads to bus {:02x}", function.address.bdf.bus()),
           "a dump of a host whose bridges reach every function");
      return std::unexpected(error_);
    }
    return {};
  }

 private:
  using BusKey = std::pair<std::uint32_t, unsigned>;

  static std::uint32_t value(const DumpedFunction& function, std::size_t offset, unsigned bytes) {
    std::uint32_t result = 0;
    for (unsigned i = 0; i < bytes; ++i) {
      result |= std::to_integer<std::uint32_t>(function.bytes[offset + i]) << (8 * i);
    }
    return result;
  }
  static bool is_bridge(const DumpedFunction& function) {
    return (value(function, 0x0E, 1) & 0x7F) == 1;
  }

  bool fail(const DumpedFunction& function, std::string message, std::string expected) {
    error_ = {function.line, 1, fmt::format("{}: {}", to_string(function.address), message),
              std::move(expected)};
    return false;
  }

  bool find_bridges() {
    for (const DumpedFunction& function : dump_.functions) {
      if (!is_bridge(function)) continue;
      const unsigned secondary = value(function, 0x19, 1);
      const unsigned subordinate = value(function, 0x1A, 1);
      if (secondary == 0) continue;  // firmware left it without numbers
      const BusKey key{function.address.segment, secondary};
      if (secondary <= function.address.bdf.bus() || subordinate < secondary) {
        return fail(function, fmt::format("bridge to buses {:02x}-{:02x}", secondary, subordinate),
                    "a secondary bus above its own bus, and a subordinate bus not below it");
      }
      if (!leads_to_.emplace(key, &function).second) {
        return fail(function, fmt::format("a second bridge to bus {:02x}", secondary),
                    "one bridge for each bus");
      }
      for (unsigned bus = secondary; bus <= subordinate; ++bus) {
        claimed_.insert({function.address.segment, bus});
      }
    }
    return true;
  }

  bool add_roots() {
    std::vector<BusKey> roots;
    for (const auto& [key, functions] : by_bus_) {
      if (!claimed_.contains(key)) roots.push_back(key);
    }
    for (std::size_t i = 0; i < roots.size(); ++i) {
      const bool next_in_segment = i + 1 < roots.size() && roots[i + 1].first == roots[i].first;
      const unsigned last = next_in_segment ? roots[i + 1].second - 1 : 0xFF;
      Bus& bus = fabric_.add_root_bus(roots[i].first, static_cast<std::uint8_t>(roots[i].second),
                                      static_cast<std::uint8_t>(last));
      if (!fill(bus, nullptr)) return false;
    }
    return true;
  }

  bool fill(Bus& bus, const Bridge* above) {
    const auto found = by_bus_.find({bus.segment(), bus.number()});
    if (found == by_bus_.end()) return true;  // an empty slot
    for (const DumpedFunction* function : found->second) {
      if (!add(bus, above, *function)) return false;
    }
    return true;
  }

  bool add(Bus& bus, const Bridge* above, const DumpedFunction& function) {
    const Bdf bdf = function.address.bdf;
    if (above != nullptr && above->is_downstream_port() && bdf.device() != 0 &&
        !above->ari_forwarding()) {
      return fail(function, "a device other than 0 below a PCI Express port", "device 00");
    }
    if ((value(function, 0x0E, 1) & 0x7F) > 1) {
      return fail(function, "a CardBus bridge", "header type 0 or 1");
    }
    ConfigSpace config = ConfigSpace::recorded(function.bytes);
    size_bars(function, above, config);
    config.remember_firmware();
    placed_.insert(function.address);
    if (!is_bridge(function)) {
      fabric_.add(bus, bdf.device(), bdf.function(),
                  std::make_unique<ImportedFunction>(simulation_, to_string(function.address),
                                                     std::move(config)));
      return true;
    }
    auto owned =
        std::make_unique<Bridge>(simulation_, to_string(function.address), std::move(config));
    Bridge& bridge = *owned;
    fabric_.add(bus, bdf.device(), bdf.function(), std::move(owned));
    const unsigned secondary = bridge.secondary();
    const auto leads = leads_to_.find({bus.segment(), secondary});
    if (leads == leads_to_.end() || leads->second != &function) return true;
    if (secondary < bus.number() || bridge.subordinate() > bus.last()) {
      return fail(function, "its bus numbers are outside those of the bus it is on",
                  fmt::format("buses up to {:02x}", bus.last()));
    }
    return fill(bridge.secondary_bus(), &bridge);
  }

  // Start addresses of all memory resources: no BAR reaches across one.
  void collect_starts(const DumpedFunction& function) {
    const unsigned bars = is_bridge(function) ? 2 : 6;
    for (unsigned index = 0; index < bars; ++index) {
      const std::size_t offset = 0x10 + std::size_t{4} * index;
      const std::uint32_t low = value(function, offset, 4);
      if ((low & 1) != 0) {
        io_starts_.insert(low & ~3U);
        continue;
      }
      std::uint64_t address = low & ~0xFU;
      if ((low & 6) == 4 && index + 1 < bars) {
        address |= std::uint64_t{value(function, offset + 4, 4)} << 32;
        ++index;
      }
      memory_starts_.insert(address);
    }
    memory_starts_.insert(value(function, is_bridge(function) ? 0x38 : 0x30, 4) & 0xFFFFF800);
    if (!is_bridge(function)) return;
    memory_starts_.insert(std::uint64_t{value(function, 0x20, 2) & 0xFFF0} << 16);
    memory_starts_.insert(std::uint64_t{value(function, 0x28, 4)} << 32 |
                          std::uint64_t{value(function, 0x24, 2) & 0xFFF0} << 16);
  }

  std::uint64_t assumed_size(std::uint64_t address, const Bridge* above) const {
    std::uint64_t size = address & (~address + 1);
    const auto next = memory_starts_.upper_bound(address);
    if (next != memory_starts_.end()) size = std::min(size, *next - address);
    if (above == nullptr) {
      size = std::min(size, kRootBarLimit);
    } else {
      for (const auto& window : {above->memory_window(), above->prefetch_window()}) {
        if (window && window->contains(address)) {
          size = std::min(size, window->limit - address + 1);
        }
      }
    }
    return std::bit_floor(size);
  }

  void size_bars(const DumpedFunction& function, const Bridge* above, ConfigSpace& config) const {
    const unsigned bars = is_bridge(function) ? 2 : 6;
    for (unsigned index = 0; index < bars; ++index) {
      const std::size_t offset = 0x10 + std::size_t{4} * index;
      const std::uint32_t low = value(function, offset, 4);
      const bool wide = (low & 7) == 4 && index + 1 < bars;
      std::uint64_t address = (low & 1) != 0 ? low & ~3U : low & ~0xFU;
      if (wide) address |= std::uint64_t{value(function, offset + 4, 4)} << 32;
      const unsigned slot = index;
      if (wide) ++index;
      const std::uint64_t told = function.region_sizes[slot];
      const bool known = std::has_single_bit(told) && (address & (told - 1)) == 0;
      if (!known && address == 0) continue;
      if ((low & 1) != 0) {
        if (known && told >= 4 && told <= 0x10000) {
          config.bar_io(slot, told);
        } else if (address >= 4) {
          config.bar_io(slot, assumed_io_size(address), true);
        }
        continue;
      }
      const std::uint64_t size = known ? told : assumed_size(address, above);
      if (size < 16) continue;
      const bool prefetchable = (low & 8) != 0;
      if (wide) {
        config.bar64(slot, size, prefetchable, !known);
      } else if ((low & 6) == 0 && size <= 0x80000000) {
        config.bar32(slot, size, prefetchable, !known);
      }
    }
    const std::uint32_t rom = value(function, is_bridge(function) ? 0x38 : 0x30, 4);
    const std::uint64_t base = rom & 0xFFFFF800;
    if (base == 0) return;
    const std::uint64_t told = function.region_sizes[kRomBar];
    const bool known = std::has_single_bit(told) && told >= 2048 && (base & (told - 1)) == 0;
    const std::uint64_t size = std::min(known ? told : assumed_size(base, above), kRootBarLimit);
    if (size >= 2048) config.rom(size, !known);
  }

  std::uint64_t assumed_io_size(std::uint64_t address) const {
    std::uint64_t size = std::min(address & (~address + 1), kIoBarLimit);
    const auto next = io_starts_.upper_bound(address);
    if (next != io_starts_.end()) size = std::min(size, *next - address);
    return std::max<std::uint64_t>(4, std::bit_floor(size));
  }

  sim::Simulation& simulation_;
  Fabric& fabric_;
  const LspciDump& dump_;
  DumpError error_;
  std::map<BusKey, std::vector<const DumpedFunction*>> by_bus_;
  std::map<BusKey, const DumpedFunction*> leads_to_;
  std::set<BusKey> claimed_;
  std::set<Sbdf> placed_;
  std::set<std::uint64_t> memory_starts_;
  std::set<std::uint64_t> io_starts_;
};

}  // namespace

namespace {

// A slot with something behind it that shows neither presence nor a link.
bool is_firmware_slot(const Bridge& port) {
  constexpr std::uint32_t kSlot = 1U << 8;     // PCI Express Capabilities
  constexpr std::uint32_t kHotPlug = 1U << 6;  // Slot Capabilities
  constexpr std::uint32_t kPresent = 1U << 6;  // Slot Status
  constexpr std::uint32_t kActive = 1U << 13;  // Link Status
  const ConfigSpace& config = port.config();
  const std::uint16_t express = config.find(CapabilityId::kExpress);
  if (!port.is_downstream_port() || express == 0 || express + 0x1C > config.size()) return false;
  const auto get = [&](unsigned offset, unsigned bytes) {
    return config.get(static_cast<std::uint16_t>(express + offset), bytes);
  };
  bool anybody = false;
  port.secondary_bus().for_each([&anybody](const Function&) { anybody = true; });
  return anybody && (get(0x02, 2) & kSlot) != 0 && (get(0x14, 4) & kHotPlug) != 0 &&
         (get(0x1A, 2) & kPresent) == 0 && (get(0x12, 2) & kActive) == 0;
}

// The root bus that a function hangs below.
Bus& root_of(Function& function) {
  Bus* bus = function.bus();
  while (!bus->is_root()) bus = bus->bridge()->bus();
  return *bus;
}

}  // namespace

std::expected<void, DumpError> import_topology(sim::Simulation& simulation, Fabric& fabric,
                                               const LspciDump& dump) {
  const auto result = Importer(simulation, fabric, dump).run();
  if (!result) return result;
  fabric.capture_ids();
  for (Function* function : fabric.functions()) {
    const auto* port = dynamic_cast<const Bridge*>(function);
    if (port == nullptr || !is_firmware_slot(*port)) continue;
    Bus& root = root_of(*function);
    HostBridgeTraits traits = root.traits();
    traits.native_hotplug = false;
    root.set_traits(traits);
  }
  return {};
}

}  // namespace baton::pci
