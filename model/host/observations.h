// What the machine lets observers see.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/host/handoff.h"
#include "sim/address.h"

namespace baton::host {

// A write of software to the registers of a remapping unit.
struct UnitRegisterWritten {
  PhysAddr unit;  // register base
  std::uint64_t offset;
  unsigned bytes;
  std::uint64_t value;
};

// A configuration access by software, with the kernel function that made it.
struct ConfigAccess {
  unsigned generation;
  Sbdf address;
  std::uint16_t offset;
  unsigned width;
  bool write;
  std::uint32_t value;      // read, or written
  std::uint32_t old_value;  // for writes: the register before
  const char* by;
};

// The instant of the jump: the old kernel is gone, the new one has not run.
struct KernelJumped {
  unsigned from_generation;
  unsigned to_generation;
  const KexecImage& image;
};

// Something happened to the host while no kernel ran.
struct HostChanged {
  unsigned before_generation;
  std::string_view what;  // "nvme0 and nvme1 change places"
};

// The platform was reset: devices and memory are as after power-on.
struct ColdRebooted {
  unsigned from_generation;
  unsigned to_generation;
};

// The first instruction of a kernel runs next.
struct KernelStarted {
  unsigned generation;
  const BootHandoff& handoff;
};

struct KernelHalted {
  unsigned generation;
  std::string_view reason;
};

// An interrupt message left the root complex for a CPU, after remapping.
struct InterruptSent {
  std::uint64_t id;  // counts the messages of this machine
  Bdf source;
  Vector vector;
  std::uint32_t destination;  // APIC id
};

// A message under way was lost in a platform reset.
struct InterruptLost {
  std::uint64_t id;
};

// An interrupt message reaches a CPU, which looks for a handler next.
struct InterruptArriving {
  std::uint64_t id;
};

// An interrupt message reached a CPU; `taken` is false when no kernel had a handler.
struct InterruptDelivered {
  std::uint64_t id;
  Bdf source;
  Vector vector;
  bool taken;
  std::uint32_t destination = 0;  // APIC id
};

}  // namespace baton::host
