// What firmware leaves in memory and hands to a kernel: the E820 map, and the ACPI tables that
// describe the remapping units and the PCI segments (RSDP, XSDT, DMAR, MCFG as real bytes in RAM).
#pragma once

#include <cstdint>
#include <vector>

#include "sim/address.h"
#include "sim/memory.h"

namespace baton::host {

// E820 types [ACPI 6.5, 15.2].
enum class MemoryType : std::uint32_t { kRam = 1, kReserved = 2, kAcpi = 3 };

struct MemoryMapEntry {
  sim::PhysRange range;
  MemoryType type;
};

struct MemoryMap {
  std::vector<MemoryMapEntry> entries;  // sorted
  PhysAddr rsdp;                        // physical address of the ACPI root pointer

  // Highest RAM address + 1.
  std::uint64_t ram_end() const;
  std::uint64_t ram_bytes() const;
  bool is_ram(PhysAddr address) const;
};

}  // namespace baton::host
