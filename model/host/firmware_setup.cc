#include "model/host/firmware_setup.h"

#include <algorithm>

namespace baton::host {

namespace {

constexpr std::uint16_t kCommand = 0x04;
constexpr std::uint16_t kBar0 = 0x10;
constexpr std::uint16_t kInterruptLine = 0x3C;

bool is_memory(pci::BarKind kind) {
  return kind == pci::BarKind::kMemory32 || kind == pci::BarKind::kMemory64;
}

// The memory and prefetchable windows of a Type 1 header [PCI-to-PCI bridge 1.2, 3.2.5.8 to 10].
void add_windows(const pci::ConfigSpace& config, std::vector<sim::PhysRange>& ranges) {
  constexpr std::uint64_t kMiB = 0x10'0000;
  const auto add = [&ranges](std::uint64_t base, std::uint64_t limit) {
    if (base != 0 && base <= limit) {
      ranges.push_back({PhysAddr(base), limit - base + kMiB});
    }
  };
  const auto high_bits = [&config](std::uint16_t offset) {
    return std::uint64_t{config.get(offset, 2) & 0xFFF0U} << 16;
  };
  const auto upper = [&config](std::uint16_t offset) {
    return std::uint64_t{config.get(offset, 4)} << 32;
  };
  add(high_bits(0x20), high_bits(0x22));
  const bool wide = (config.get(0x24, 2) & 0xF) == 1;
  add(high_bits(0x24) | (wide ? upper(0x28) : 0), high_bits(0x26) | (wide ? upper(0x2C) : 0));
}

bool holds_no_address(const pci::Function& function) {
  const pci::ConfigSpace& config = function.config();
  for (unsigned i = 0; i < 6; ++i) {
    if (config.bar(i).kind != pci::BarKind::kNone && config.bar_address(i) != 0) {
      return false;
    }
  }
  return config.get(kCommand, 2) == 0;
}

}  // namespace

std::vector<sim::PhysRange> claimed_addresses(const pci::Fabric& fabric) {
  std::vector<sim::PhysRange> ranges;
  for (const pci::Function* function : fabric.functions()) {
    const pci::ConfigSpace& config = function->config();
    for (unsigned i = 0; i < 6; ++i) {
      const pci::Bar& bar = config.bar(i);
      const std::uint64_t address = is_memory(bar.kind) ? config.bar_address(i) : 0;
      if (address != 0 && bar.size != 0) {
        ranges.push_back({PhysAddr(address), bar.size});
      }
    }
    if (config.is_bridge()) {
      add_windows(config, ranges);
    }
  }
  return ranges;
}

void assign_high_bars(pci::Fabric& fabric, std::span<const sim::PhysRange> claimed) {
  std::uint64_t next = kHighMmioBase.value();
  for (const sim::PhysRange& range : claimed) {
    next = std::max(next, range.end().value());
  }
  for (const auto& bus : fabric.root_buses()) {
    bus->for_each([&](const pci::Function& function) {
      if (function.config().is_bridge() || !holds_no_address(function)) {
        return;
      }
      const Sbdf address = function.location();
      for (unsigned i = 0; i < 6; ++i) {
        const pci::Bar bar = function.config().bar(i);
        if (bar.kind != pci::BarKind::kMemory64 || bar.size == 0) {
          continue;
        }
        next = (next + bar.size - 1) / bar.size * bar.size;
        const auto offset = static_cast<std::uint16_t>(kBar0 + 4 * i);
        fabric.config_write(address, offset, 4, static_cast<std::uint32_t>(next));
        fabric.config_write(address, static_cast<std::uint16_t>(offset + 4), 4,
                            static_cast<std::uint32_t>(next >> 32));
        next += bar.size;
      }
    });
  }
}

void capture_ids(pci::Fabric& fabric) {
  for (const pci::Function* function : fabric.functions()) {
    const Sbdf address = function->location();
    fabric.config_write(address, kInterruptLine, 1, fabric.config_read(address, kInterruptLine, 1));
  }
}

std::vector<HostBridgeInfo> host_bridges(const pci::Fabric& fabric, const MemoryMap& map) {
  std::vector<HostBridgeInfo> bridges;
  for (const auto& bus : fabric.root_buses()) {
    // Firmware knows the segments of MCFG's 16 bits; what lies behind a VMD is its driver's affair.
    if (bus->segment() > 0xFFFF) {
      continue;
    }
    const auto segment = static_cast<std::uint16_t>(bus->segment());
    const PhysAddr ecam =
        segment == 0 ? map.ecam_base : kHighEcamBase + segment * kEcamBytesPerSegment;
    bridges.push_back({.segment = segment,
                       .ecam_base = ecam,
                       .first_bus = bus->number(),
                       .last_bus = bus->last(),
                       .io_aperture = bus->traits().io_aperture,
                       .native_hotplug = bus->traits().native_hotplug,
                       .uid = bus->uid()});
  }
  return bridges;
}

}  // namespace baton::host
