// What kernels and processes let observers see, beside pages (page_alloc.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/linux/base/errno.h"
#include "sim/address.h"
#include "sim/memory.h"

namespace baton::linux {

// The phases of a run, for the story and for `--at`.
enum class RunPhase : std::uint8_t {
  kBoot,      // kernel starts
  kRun,       // user space runs
  kPreserve,  // first PRESERVE_FD
  kFreeze,    // reboot hook begins
  kKexec,     // the jump
  kRetrieve,  // first RETRIEVE
  kFinish,    // first FINISH that succeeded
  kEnd,
};

struct PhaseEntered {
  unsigned generation;
  RunPhase phase;
};

// A system call returned an error to a process.
struct SystemCallFailed {
  unsigned generation;
  std::string_view process;
  std::string_view call;  // "ioctl LIVEUPDATE_SESSION_FINISH"
  Errno error;
};

// An interrupt entered this kernel; `handled` is false for a vector that nobody requested.
struct InterruptEntered {
  unsigned generation;
  Vector vector;
  bool handled;
  std::uint32_t cpu = 0;  // APIC id
};

// It had no handler, and the kernel noted it to replay it later.
struct InterruptNoted {
  unsigned generation;
  Vector vector;
  std::uint32_t cpu = 0;
};

// What was noted of a vector was replayed in early boot, where nothing has a handler yet: gone.
struct InterruptReplayed {
  unsigned generation;
  Vector vector;
  std::uint32_t cpu = 0;
};

// How the driver of a device learned of an interrupt on an entry of its MSI-X table: its handler
// ran, a posted-interrupt descriptor had captured it, or it was noted since early boot.
enum class InterruptOrigin : std::uint8_t { kHandler, kCaptured, kNoted };

// And passed it to the eventfd of the owner; `signalled` is false when the owner gave none.
struct InterruptForwarded {
  unsigned generation;
  Sbdf device;
  unsigned index;
  InterruptOrigin origin;
  bool signalled;
};

// The owner of a device set its interrupts up, or took them down: `count` vectors from now on.
struct InterruptsSet {
  unsigned generation;
  Sbdf device;
  std::size_t count;
};

// Who in user space got hold of a device: a process with an open file of it that asks to bind it,
// the iommufd of a process that it was bound to.
enum class DeviceHolder : std::uint8_t { kProcess, kIommufd };

struct DeviceTaken {
  unsigned generation;
  Sbdf device;
  DeviceHolder kind;
  std::string_view process;
};

// What the ledger is made of: an object with a life over generations.
enum class LedgerEvent : std::uint8_t { kCreated, kPreserved, kUnpreserved, kRestored, kFinished };
enum class LedgerKind : std::uint8_t { kPages, kTable, kDomain, kVector, kBar, kBusNumber, kFile };

struct LedgerEntry {
  unsigned generation;
  LedgerEvent event;
  LedgerKind kind;
  const char* what;      // "memfd folio", "page table", ...
  sim::PhysRange pages;  // for memory
  std::uint64_t id;      // domain id, token, bdf, ... by kind
};

// The record of a function that is handed over: kPreserved and kUnpreserved in the old kernel,
// kRestored (found during enumeration) and kFinished in the new one. `address` is what this kernel
// calls the function, `key` what its record says.
struct FunctionRecord {
  unsigned generation;
  LedgerEvent event;
  Sbdf address;
  Sbdf key;
};

// A LUO session or file changed state; `name` and `token` identify it.
struct SessionChanged {
  unsigned generation;
  std::string_view session;
  std::string_view state;
};
struct SessionFileChanged {
  unsigned generation;
  std::string_view session;
  std::uint64_t token;
  std::string_view compatible;
  std::string_view state;
};

}  // namespace baton::linux
