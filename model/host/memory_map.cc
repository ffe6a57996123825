#include <fmt/format.h>

#include <algorithm>

#include "model/host/firmware.h"

namespace baton::host {

namespace {

constexpr std::uint64_t kMiB = 0x10'0000;
constexpr std::uint64_t kGiB = 0x4000'0000;
constexpr PhysAddr kLegacyHole{0xA'0000};  // VGA and option ROMs
constexpr PhysAddr kLegacyHoleEnd{0x10'0000};
constexpr PhysAddr kFourGiB{0x1'0000'0000};
constexpr std::uint64_t kAcpiBytes = kMiB;  // at the top of low RAM

std::uint64_t align_up(std::uint64_t value, std::uint64_t to) { return (value + to - 1) / to * to; }

// RAM below 4 GiB ends here: lower than usual when a device claims addresses below.
PhysAddr top_of_low_ram(std::span<const sim::PhysRange> device_ranges) {
  PhysAddr top = kTopOfLowRam;
  for (const sim::PhysRange& range : device_ranges) {
    if (range.start >= kLegacyHoleEnd && range.start < top) {
      top = PhysAddr(range.start.value() / kMiB * kMiB);
    }
  }
  return top;
}

// Above 4 GiB RAM leaves out whole GiB that devices claim.
std::vector<sim::PhysRange> high_holes(std::span<const sim::PhysRange> device_ranges) {
  std::vector<sim::PhysRange> holes;
  for (const sim::PhysRange& range : device_ranges) {
    if (range.end() > kFourGiB) {
      const PhysAddr start(std::max(range.start, kFourGiB).value() / kGiB * kGiB);
      holes.push_back({start, align_up(range.end().value(), kGiB) - start.value()});
    }
  }
  std::ranges::sort(holes, {}, &sim::PhysRange::start);
  return holes;
}

bool overlap(const sim::PhysRange& a, const sim::PhysRange& b) {
  return a.start < b.end() && b.start < a.end();
}

// The lowest 256 MiB above low RAM that no device claims.
std::expected<PhysAddr, std::string> place_ecam(std::span<const sim::PhysRange> device_ranges) {
  for (std::uint64_t base = kTopOfLowRam.value(); base < 0xF000'0000;
       base += kEcamBytesPerSegment) {
    const sim::PhysRange ecam{PhysAddr(base), kEcamBytesPerSegment};
    if (std::ranges::none_of(device_ranges, [&](const auto& r) { return overlap(r, ecam); })) {
      return ecam.start;
    }
  }
  return std::unexpected("devices leave no 256 MiB below 4 GiB for configuration space (ECAM)");
}

}  // namespace

std::uint64_t MemoryMap::ram_end() const {
  std::uint64_t end = 0;
  for (const MemoryMapEntry& entry : entries) {
    if (entry.type == MemoryType::kRam) {
      end = entry.range.end().value();
    }
  }
  return end;
}

std::uint64_t MemoryMap::ram_bytes() const {
  std::uint64_t bytes = 0;
  for (const MemoryMapEntry& entry : entries) {
    if (entry.type == MemoryType::kRam) {
      bytes += entry.range.length;
    }
  }
  return bytes;
}

bool MemoryMap::is_ram(PhysAddr address) const {
  for (const MemoryMapEntry& entry : entries) {
    if (entry.type == MemoryType::kRam && entry.range.contains(address)) {
      return true;
    }
  }
  return false;
}

std::expected<MemoryMap, std::string> lay_out_memory(std::uint64_t ram_bytes,
                                                     std::uint64_t capacity,
                                                     std::span<const sim::PhysRange> device_ranges,
                                                     std::uint64_t firmware_bytes) {
  MemoryMap map;
  const auto ecam = place_ecam(device_ranges);
  if (!ecam) {
    return std::unexpected(ecam.error());
  }
  map.ecam_base = *ecam;
  const PhysAddr top = top_of_low_ram(device_ranges);
  const PhysAddr low_end(std::min(ram_bytes, top.value()));
  if (low_end.value() < 16 * kMiB + firmware_bytes) {
    return std::unexpected(
        fmt::format("no room for RAM: {} bytes of it, and devices claim addresses from {:#x} up",
                    ram_bytes, top.value()));
  }
  const PhysAddr acpi(low_end.value() - kAcpiBytes);
  map.rsdp = acpi;
  const auto add = [&map](PhysAddr start, PhysAddr end, MemoryType type) {
    map.entries.push_back({{start, end - start}, type});
  };
  add(PhysAddr(0), kLegacyHole, MemoryType::kRam);
  add(PhysAddr(0xF'0000), kLegacyHoleEnd, MemoryType::kReserved);  // firmware's own segment
  const PhysAddr firmware(acpi.value() - firmware_bytes);
  add(kLegacyHoleEnd, firmware, MemoryType::kRam);
  if (firmware_bytes != 0) {
    map.firmware_ram = {firmware, firmware_bytes};
    add(firmware, acpi, MemoryType::kReserved);
  }
  add(acpi, low_end, MemoryType::kAcpi);
  add(*ecam, *ecam + kEcamBytesPerSegment, MemoryType::kReserved);
  add(kRemappingUnitBase, PhysAddr(0xFEDA'0000), MemoryType::kReserved);

  std::uint64_t left = ram_bytes - low_end.value();
  PhysAddr cursor = kFourGiB;
  for (const sim::PhysRange& hole : high_holes(device_ranges)) {
    const std::uint64_t run = hole.start > cursor ? std::min(left, hole.start - cursor) : 0;
    if (run > 0) {
      add(cursor, cursor + run, MemoryType::kRam);
      left -= run;
    }
    if (left == 0) {
      break;
    }
    cursor = std::max(cursor, hole.end());
  }
  if (left > 0) {
    add(cursor, cursor + left, MemoryType::kRam);
  }
  if (map.ram_end() > capacity) {
    return std::unexpected(fmt::format(
        "no room for RAM: devices claim addresses up to {:#x}, where RAM would have to go on",
        cursor.value()));
  }
  return map;
}

}  // namespace baton::host
