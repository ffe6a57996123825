// What a remapping unit lets observers see.
#pragma once

#include <cstdint>
#include <string_view>

#include "sim/address.h"
#include "sim/time.h"

namespace baton::iommu_vtd {

class RemappingUnit;

// A request or interrupt was refused. `recorded` is false when the fault log has no room for it, or
// the entry that it met asks for silence (FPD=1): `silenced`, so far of interrupts alone.
struct Fault {
  const RemappingUnit& unit;
  Bdf source;
  std::uint64_t address;  // page address, or interrupt index << 48
  std::uint8_t reason;
  bool write;
  bool recorded;
  bool silenced = false;
};

// An interrupt became a request bit in a posted-interrupt descriptor. `merged`: the bit was set
// already; `notifies`: a notification leaves for a CPU.
struct InterruptPosted {
  const RemappingUnit& unit;
  Bdf source;
  PhysAddr descriptor;
  Vector vector;
  bool merged;
  bool notifies;
};

// GCMD handshakes and root pointer changes.
struct TranslationSwitched {
  const RemappingUnit& unit;
  bool enabled;
  PhysAddr root_table;
};

// What software asked a unit to forget.
enum class InvalidationKind : std::uint8_t {
  kContextCache,
  kIotlb,
  kDeviceTlb,
  kInterruptEntries,
  kPasidIotlb,
  kPasidCache,
};

// A command or a descriptor of the queue was carried out. `descriptor` is its first two quadwords;
// zero for a register command.
struct Invalidated {
  const RemappingUnit& unit;
  InvalidationKind kind;
  bool queued;
  std::uint64_t descriptor[2];
};

// A wait descriptor that did not complete at once: for device-TLBs, or for requests to arrive.
struct WaitCompleted {
  const RemappingUnit& unit;
  sim::Duration waited;
};

}  // namespace baton::iommu_vtd
