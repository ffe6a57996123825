#include "model/host/platform.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "model/host/firmware_setup.h"

namespace baton::host {

namespace {

// Addresses beyond the RAM itself: for the hole below 4 GiB, and for all that devices may claim. No
// more of the host's address space is reserved than a machine needs: valgrind has little of it.
constexpr std::uint64_t kRoomForLowHole = std::uint64_t{4} << 30;
constexpr std::uint64_t kMostForHoles = std::uint64_t{64} << 30;

// As many as the addresses that firmware keeps for their registers have room for.
constexpr std::size_t kMostUnits = 8;

constexpr std::uint64_t all_ones(unsigned width) {
  return width == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * width)) - 1;
}

}  // namespace

Platform::Platform(sim::Simulation& simulation, pci::RootComplex& root_complex,
                   const MachineConfig& config)
    : simulation_(simulation),
      config_(config),
      register_writes_(simulation.topic<UnitRegisterWritten>()),
      memory_(config.memory + kRoomForLowHole),
      fabric_(simulation, root_complex, config.timing.fabric),
      interrupts_(simulation, config.cpus) {
  BATON_CHECK(config.memory >= 16 << 20 && config.memory % (2 << 20) == 0,
              "RAM is a multiple of 2 MiB, 16 MiB at least");
  map_ = *lay_out_memory(config.memory, memory_.size(), {});
  find_dram();
  if (config.iommu) {
    add_unit({0, nullptr});
  }
}

// Firmware.

bool Platform::UnitPlace::is_for(std::uint32_t other_segment, Bdf requester) const {
  return segment == other_segment &&
         (root_bus == nullptr ||
          (requester.bus() >= root_bus->number() && requester.bus() <= root_bus->last()));
}

iommu_vtd::RemappingUnit* Platform::unit_of(std::uint32_t segment, Bdf requester) {
  iommu_vtd::RemappingUnit* of_segment = nullptr;
  for (std::size_t i = 0; i < units_.size(); ++i) {
    if (!places_[i].is_for(segment, requester)) {
      continue;
    }
    if (places_[i].root_bus != nullptr) {
      return units_[i].get();
    }
    of_segment = units_[i].get();
  }
  return of_segment;
}

bool Platform::is_dram(PhysAddr address) const {
  return std::ranges::any_of(dram_, [&](const auto& range) { return range.contains(address); });
}

void Platform::add_unit(UnitPlace place) {
  constexpr std::uint64_t kSpacing = 0x2000;
  const PhysAddr base = kRemappingUnitBase + units_.size() * kSpacing;
  // The unit's own event messages are not remapped [VT-d 5.1.6].
  units_.push_back(std::make_unique<iommu_vtd::RemappingUnit>(
      simulation_, memory_, fmt::format("dmar{}", units_.size()), base, config_.iommu_profile,
      [this](std::uint64_t address, std::uint32_t data) {
        interrupts_.send_compatibility(Bdf(), address, data, config_.timing.interrupt_delivery);
      }));
  BATON_CHECK(units_.back()->register_space() <= kSpacing, "remapping units overlap");
  places_.push_back(place);
  device_tlbs_.push_back(std::make_unique<DeviceTlbMessages>(fabric_, place.segment));
  units_.back()->connect(device_tlbs_.back().get());
}

void Platform::find_dram() {
  dram_.clear();
  for (const MemoryMapEntry& entry : map_.entries) {
    if (entry.type != MemoryType::kReserved || entry.range == map_.firmware_ram) {
      dram_.push_back(entry.range);
    }
  }
}

namespace {

std::vector<DeviceScopeInfo> scopes_of(const pci::Bus& bus) {
  std::vector<DeviceScopeInfo> scopes;
  bus.for_each([&](const pci::Function& function) {
    const bool bridge = dynamic_cast<const pci::Bridge*>(&function) != nullptr;
    scopes.push_back({function.location().bdf, bridge});
  });
  return scopes;
}

}  // namespace

FirmwareInfo Platform::firmware_info() const {
  FirmwareInfo info{.host_address_width = config_.iommu_profile.host_address_width,
                    .interrupt_remapping = config_.interrupt_remapping,
                    .units = {},
                    .reserved_regions = reserved_regions(),
                    .host_bridges = host_bridges(fabric_, map_)};
  for (const bool whole_segment : {false, true}) {
    for (std::size_t i = 0; i < units_.size(); ++i) {
      const UnitPlace& place = places_[i];
      if ((place.root_bus == nullptr) != whole_segment) {
        continue;
      }
      info.units.push_back(
          {.segment = static_cast<std::uint16_t>(place.segment), .base = units_[i]->base()});
      if (!whole_segment) {
        info.units.back().scopes = scopes_of(*place.root_bus);
      }
    }
  }
  return info;
}

std::vector<ReservedRegionInfo> Platform::reserved_regions() const {
  std::vector<ReservedRegionInfo> regions;
  PhysAddr start = map_.firmware_ram.start;
  for (const ReservedRegionConfig& region : config_.reserved_regions) {
    regions.push_back({region.segment, {start, region.bytes}, {}});
    for (const Bdf function : region.functions) {
      regions.back().scopes.push_back({function, false});
    }
    start = start + region.bytes;
  }
  return regions;
}

std::expected<void, std::string> Platform::add_units() {
  if (!config_.iommu) {
    return {};
  }
  for (const auto& bus : fabric_.root_buses()) {
    // A domain that firmware does not describe has no unit: its requests leave through the function
    // that owns it.
    if (bus->segment() <= 0xFFFF && unit_of(bus->segment(), Bdf(bus->number(), 0, 0)) == nullptr) {
      add_unit({bus->segment(), nullptr});
    }
  }
  for (const UnitConfig& unit : config_.own_units) {
    const auto bus = std::ranges::find_if(fabric_.root_buses(), [&](const auto& root) {
      return root->segment() == unit.segment && root->number() == unit.root_bus;
    });
    if (bus == fabric_.root_buses().end()) {
      return std::unexpected(
          fmt::format("a remapping unit for root bus {:04x}:{:02x}, which the "
                      "machine does not have",
                      unit.segment, unit.root_bus));
    }
    if (units_.size() == kMostUnits) {
      return std::unexpected(fmt::format("more than {} remapping units", kMostUnits));
    }
    add_unit({unit.segment, bus->get()});
  }
  return {};
}

std::expected<void, std::string> Platform::check_reserved_regions() const {
  for (const ReservedRegionConfig& region : config_.reserved_regions) {
    for (const Bdf function : region.functions) {
      if (fabric_.find(Sbdf{region.segment, function}) == nullptr) {
        return std::unexpected(
            fmt::format("memory reserved for {:04x}:{:02x}:{:02x}.{}, where there is no function",
                        region.segment, function.bus(), function.device(), function.function()));
      }
    }
  }
  return {};
}

std::expected<void, std::string> Platform::finish_firmware() {
  BATON_CHECK(!firmware_finished_, "firmware finishes once");
  firmware_finished_ = true;
  const std::vector<sim::PhysRange> claimed = claimed_addresses(fabric_);
  std::uint64_t reserved = 0;
  for (const ReservedRegionConfig& region : config_.reserved_regions) {
    BATON_CHECK(region.bytes > 0 && region.bytes % sim::kPageSize == 0,
                "reserved regions are whole pages");
    reserved += region.bytes;
  }
  const auto map =
      lay_out_memory(config_.memory, config_.memory + kMostForHoles, claimed, reserved);
  if (!map) {
    return std::unexpected(map.error());
  }
  map_ = *map;
  if (map_.ram_end() > memory_.size()) {
    memory_.grow(map_.ram_end());
  }
  find_dram();
  if (const auto added = add_units(); !added) {
    return added;
  }
  if (const auto checked = check_reserved_regions(); !checked) {
    return checked;
  }
  assign_high_bars(fabric_, claimed);
  capture_ids(fabric_);
  fabric_.remember_firmware();
  write_acpi_tables(memory_, map_, firmware_info());
  return {};
}

void Platform::reset(unsigned next_generation) {
  interrupts_.clear();
  config_ports_.reset();
  fabric_.power_on_reset();
  for (const auto& unit : units_) {
    unit->reset();
  }
  memory_.overwrite(next_generation, {});
  // Firmware again; nobody looks before the loader runs.
  capture_ids(fabric_);
  write_acpi_tables(memory_, map_, firmware_info());
}

void Platform::swap_segments(std::uint32_t one, std::uint32_t other) {
  const auto swapped = [&](std::uint32_t segment) {
    return segment == one ? other : segment == other ? one : segment;
  };
  fabric_.swap_segments(one, other);
  for (std::size_t i = 0; i < places_.size(); ++i) {
    places_[i].segment = swapped(places_[i].segment);
    device_tlbs_[i]->set_segment(places_[i].segment);
  }
  for (ReservedRegionConfig& region : config_.reserved_regions) {
    region.segment = static_cast<std::uint16_t>(swapped(region.segment));
  }
  write_acpi_tables(memory_, map_, firmware_info());
}

// CPU accesses.

std::optional<std::pair<Sbdf, std::uint16_t>> Platform::ecam_target(PhysAddr address) const {
  // As host_bridges() places them.
  std::uint64_t segment = 0;
  std::uint64_t offset = address - map_.ecam_base;
  if (address < map_.ecam_base || offset >= kEcamBytesPerSegment) {
    if (address < kHighEcamBase) {
      return std::nullopt;
    }
    segment = (address - kHighEcamBase) / kEcamBytesPerSegment;
    offset = (address - kHighEcamBase) % kEcamBytesPerSegment;
    if (segment == 0 || segment > 0xFFFF) {
      return std::nullopt;
    }
  }
  if (!fabric_.has_segment(static_cast<std::uint32_t>(segment))) {
    return std::nullopt;
  }
  return std::pair(
      Sbdf{static_cast<std::uint32_t>(segment), Bdf(static_cast<std::uint16_t>(offset >> 12))},
      static_cast<std::uint16_t>(offset & 0xFFF));
}

iommu_vtd::RemappingUnit* Platform::unit_at(PhysAddr address) {
  for (const auto& unit : units_) {
    if (address >= unit->base() && address - unit->base() < unit->register_space()) {
      return unit.get();
    }
  }
  return nullptr;
}

std::uint64_t Platform::cpu_read(PhysAddr address, unsigned width) {
  if (iommu_vtd::RemappingUnit* unit = unit_at(address)) {
    return unit->mmio_read(address - unit->base(), width);
  }
  std::uint64_t value = 0;
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(&value, 1)).first(width);
  if (is_dram(address)) {
    memory_.read(address, bytes);
  } else if (const auto target = ecam_target(address); target) {
    value = read_config(fabric_, target->first, target->second, width);
  } else if (fabric_.cpu_read(address, bytes).status != pci::CompletionStatus::kSuccess) {
    value = all_ones(width);
  }
  return value;
}

void Platform::cpu_write(PhysAddr address, unsigned width, std::uint64_t value) {
  if (iommu_vtd::RemappingUnit* unit = unit_at(address)) {
    if (register_writes_.active()) {
      register_writes_.publish({unit->base(), address - unit->base(), width, value});
    }
    unit->mmio_write(address - unit->base(), width, value);
    return;
  }
  const std::span<const std::byte> bytes = std::as_bytes(std::span(&value, 1)).first(width);
  if (is_dram(address)) {
    memory_.write(address, bytes);
  } else if (const auto target = ecam_target(address); target) {
    write_config(fabric_, target->first, target->second, width, value);
  } else {
    fabric_.cpu_write(address, bytes);
  }
}

}  // namespace baton::host
