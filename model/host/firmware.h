// What firmware leaves in memory and hands to a kernel: the E820 map, and the ACPI tables that
// describe the remapping units and the PCI segments (RSDP, XSDT, DMAR, MCFG as real bytes in RAM)
// [ACPI 6.5; VT-d 8; PCI Firmware 3.3, 4.1.2].
//
// Not modelled: FADT, DSDT and the other tables, and AML. What a kernel would evaluate of the host
// bridges (_CRS, _BBN, _SEG, _OSC) it is told as data, KernelPort::host_bridges(), in the order of
// the namespace; the MCFG has one allocation for each.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/address.h"
#include "sim/memory.h"

namespace baton::host {

// Where things lie below 4 GiB [layout of a Sapphire Rapids server: TOLM, MMCFG, MMIOL, VT-d].
inline constexpr PhysAddr kTopOfLowRam{0x8000'0000};
inline constexpr std::uint64_t kEcamBytesPerSegment = 0x1000'0000;  // 1 MiB per bus
inline constexpr PhysAddr kRemappingUnitBase{0xFED9'0000};
// ECAM of segment n > 0, and 64-bit BARs that firmware assigns.
inline constexpr PhysAddr kHighEcamBase{0x1F00'0000'0000};
inline constexpr PhysAddr kHighMmioBase{0x2000'0000'0000};

// E820 types [ACPI 6.5, 15.2].
enum class MemoryType : std::uint32_t { kRam = 1, kReserved = 2, kAcpi = 3 };

struct MemoryMapEntry {
  sim::PhysRange range;
  MemoryType type;
};

struct MemoryMap {
  std::vector<MemoryMapEntry> entries;  // sorted
  sim::PhysRange firmware_ram;          // RAM that firmware keeps, an entry of type kReserved
  PhysAddr rsdp;                        // physical address of the ACPI root pointer
  PhysAddr ecam_base;                   // of segment 0

  // Highest RAM address + 1.
  std::uint64_t ram_end() const;
  std::uint64_t ram_bytes() const;
  bool is_ram(PhysAddr address) const;
};

// Lays `ram_bytes` of RAM around the fixed holes and around `device_ranges`, which are what the
// BARs and windows of the host claim. Ends below `capacity`; an error says which device range is in
// the way. Firmware keeps `firmware_bytes`, whole pages, for itself.
std::expected<MemoryMap, std::string> lay_out_memory(std::uint64_t ram_bytes,
                                                     std::uint64_t capacity,
                                                     std::span<const sim::PhysRange> device_ranges,
                                                     std::uint64_t firmware_bytes = 0);

// What the tables describe.
struct DeviceScopeInfo {
  Bdf function;
  bool bridge = false;  // with everything below
};
struct RemappingUnitInfo {
  std::uint16_t segment = 0;
  PhysAddr base;
  // Of a unit that is not for its whole segment.
  std::optional<std::vector<DeviceScopeInfo>> scopes{};
};
// Memory that devices use on behalf of firmware, whatever system runs: RMRR.
struct ReservedRegionInfo {
  std::uint16_t segment = 0;
  sim::PhysRange range;
  std::vector<DeviceScopeInfo> scopes;
};
struct HostBridgeInfo {
  std::uint16_t segment = 0;
  PhysAddr ecam_base;  // of bus 0 of the segment
  std::uint8_t first_bus = 0;
  std::uint8_t last_bus = 0;
  bool io_aperture = true;
  bool native_hotplug = true;
  std::uint32_t uid = 0;  // _UID in the ACPI namespace, of the hardware and not of its numbers
};
struct FirmwareInfo {
  unsigned host_address_width = 46;
  bool interrupt_remapping = false;
  // Units with scopes first; the others take all that is left of their segment (INCLUDE_PCI_ALL).
  std::vector<RemappingUnitInfo> units;
  std::vector<ReservedRegionInfo> reserved_regions{};
  std::vector<HostBridgeInfo> host_bridges;
};

// Writes RSDP, XSDT, DMAR (with units only) and MCFG into the map's ACPI range.
void write_acpi_tables(sim::PhysicalMemory& memory, const MemoryMap& map, const FirmwareInfo& info);

}  // namespace baton::host
