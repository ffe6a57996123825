// What user space lets observers see. Phases of a run come from the kernels (linux::PhaseEntered).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "model/linux/base/errno.h"
#include "model/vmm/script.h"
#include "sim/address.h"

namespace baton::vmm {

// A new guest executes its first step. `status` is where its GuestStatus lies in host memory (one
// page; it stays there for as long as the guest's memory is preserved).
struct GuestStarted {
  unsigned generation;
  std::string_view vm;
  PhysAddr status;
};

// The vCPU stopped between two steps.
struct GuestPaused {
  unsigned generation;
  std::string_view vm;
};

// The vCPU goes on: after a refused reboot in the same kernel, after a kexec in the next one.
struct GuestResumed {
  unsigned generation;
  std::string_view vm;
  PhysAddr status;
};

// A guest's access to a BAR of its device, 4, 8 or 64 bytes at an address of the guest; of a read,
// what it got.
struct GuestAccess {
  std::string_view vm;
  GuestAddr address;
  unsigned width;  // bytes
  bool write;
  std::span<const std::byte> data;
};

// A thread of the VMM had an interrupt from a device's eventfd, or the VMM makes one by itself
// (`made`), and passes it to the vCPU as `vector`; 0: no vector, the VMM is content with knowing.
// `discarded`: it is not passed on.
struct InterruptInjected {
  unsigned generation;
  std::string_view vm;
  Sbdf device;
  unsigned index;  // of the MSI-X table
  unsigned vector;
  bool made;
  bool discarded;
};

// The vCPU took these virtual vectors (bit n: vector n) into its guest's handlers.
struct GuestTookInterrupts {
  unsigned generation;
  std::string_view vm;
  std::uint64_t vectors;
};

// The VMM has ended, and its guest with it.
struct GuestStopped {
  unsigned generation;
  std::string_view vm;
};

// A step of a VMM or of luod was refused: "IOMMU_HWPT_ALLOC", "LIVEUPDATE_SESSION_PRESERVE_FD
// memfd".
struct UserStepFailed {
  unsigned generation;
  std::string_view who;  // a VM's name, or "luod"
  std::string_view step;
  linux::Errno error;
};

// luod has carried out a line of the console, or has not. A reboot that succeeds never answers.
struct OperatorAnswered {
  unsigned generation;
  std::string_view command;
  bool done;
};

// A process of the scenario's script: "started", then "ended", "gave up" after a wrong answer, or
// "killed".
struct ScriptProcessChanged {
  unsigned generation;
  std::string_view process;
  std::string_view state;
};

// It makes a call, and has its answer.
struct ScriptCallBegun {
  unsigned generation;
  std::string_view process;
  ScriptPlace place;
  std::string_view text;
  unsigned index;
};
struct ScriptCallMade {
  unsigned generation;
  std::string_view process;
  ScriptPlace place;
  std::string_view text;
  unsigned index;  // of the repetition
  bool right;      // the answer is what the scenario says
  std::string_view expected;
  std::string_view seen;
};

}  // namespace baton::vmm
