// What one step of the guest program works on: a view of bytes, made at its start, written back at
// its end, gone afterwards. Private to the guest program.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>

#include "model/vmm/guest_cpu.h"
#include "model/vmm/guest_disk_layout.h"
#include "model/vmm/guest_layout.h"
#include "model/vmm/guest_program.h"

namespace baton::vmm {

// Values of VcpuRegisters::pc. Part of the vCPU record: numbers never change their meaning.
enum class Routine : std::uint64_t {
  kBoot = 0,
  kSleep = 1,   // no device
  kFailed = 2,  // for good
  kReset = 3,   // the driver brings its device up
  kConfigure = 4,
  kEnableQueue = 5,
  kDeviceReady = 6,
  kCommandWait = 7,  // then the routine in kAfterCommand
  kFill = 8,         // the workload: source buffers of one slot
  kDescribe = 9,     // its descriptors and records
  kSubmit = 10,
  kIdle = 11,
  kCheckRecords = 12,  // of the oldest batch
  kVerify = 13,        // its destination buffers
  kDiskReset = 14,     // the NVMe driver brings its device up
  kDiskDisabling = 15,
  kDiskEnabling = 16,
  kDiskAdmin = 17,
  kDiskAdminWait = 18,
  kDiskFill = 19,  // the disk workload: buffers and PRP lists of one slot
  kDiskDescribe = 20,
  kDiskSubmit = 21,
  kDiskIdle = 22,
  kDiskVerify = 23,
};

// Meaning of VcpuRegisters::r.
enum Register : std::size_t {
  kSlot = 0,          // slot that is being filled
  kIndex = 1,         // progress of the routine: buffer or member
  kNextSequence = 2,  // of the next batch, minus 1
  kOldestSlot = 3,
  kInFlight = 4,     // batches
  kDeadline = 5,     // of the guest's timer, ps
  kPass = 6,         // what made the guest look for work, see Pass
  kFoundInPass = 7,  // batches
  kUnannounced = 8,  // batches that polling found and no interrupt has announced yet
  kPortalLine = 9,   // where in the portal page the next submission goes
  kAfterCommand = 10,
  kOutOfOrder = 11,  // sequence of the last batch reported out of order
  kQueueTail = 12,   // NVMe: next entry of the submission queue
  kQueueHead = 13,   // NVMe: next entry of the completion queue
  kQueuePhase = 14,  // NVMe: phase of that entry
  kMerged = 15,      // NVMe: completions that an interrupt found beyond its own
};
// While the NVMe driver sets its device up: the admin command that is next.
inline constexpr Register kAdminStep = kFoundInPass;

enum Pass : std::uint64_t { kNoPass = 0, kInterruptPass = 1, kTimerPass = 2 };

class GuestContext {
 public:
  GuestContext(GuestCpu& guest_cpu, VcpuRegisters& registers) : cpu(guest_cpu), regs(registers) {
    load(kBootInfoAddress, info);
    load(kGuestStatusAddress, status);
  }

  const WorkloadConfig& workload() const { return info.workload; }
  // What the guest tells its device.
  std::uint64_t dma(GuestAddr address) const { return address.value() + workload().dma_offset; }
  std::uint64_t& r(Register name) { return regs.r[name]; }
  void go(Routine next) { regs.pc = static_cast<std::uint64_t>(next); }

  // Accesses outside guest memory leave a mark; step() turns it into a failure of the guest.
  template <class T>
  void load(GuestAddr address, T& to) {
    static_assert(std::is_trivially_copyable_v<T>);
    read(address, std::as_writable_bytes(std::span(&to, 1)));
  }
  template <class T>
  void store(GuestAddr address, const T& from) {
    static_assert(std::is_trivially_copyable_v<T>);
    write(address, std::as_bytes(std::span(&from, 1)));
  }
  void read(GuestAddr address, std::span<std::byte> to) {
    if (!cpu.read(address, to)) memory_fault = true;
  }
  void write(GuestAddr address, std::span<const std::byte> from) {
    if (!cpu.write(address, from)) memory_fault = true;
  }

  std::uint64_t device_read(std::uint64_t offset, unsigned width) {
    return cpu.mmio_read(GuestAddr(info.bar0 + offset), width);
  }
  void device_write(std::uint64_t offset, unsigned width, std::uint64_t value) {
    cpu.mmio_write(GuestAddr(info.bar0 + offset), width, value);
  }

  void fail(GuestFailure failure, std::uint32_t detail = 0) {
    status.state = GuestState::kFailed;
    status.failure = failure;
    status.failure_detail = detail;
    go(Routine::kFailed);
  }

  GuestAddr slot_address(std::uint64_t slot) const {
    return slot_places(workload(), info.memory_bytes).at(slot);
  }
  GuestAddr slot_entry(std::uint64_t slot) const {
    return kSlotTableAddress + slot * sizeof(GuestSlot);
  }

  GuestCpu& cpu;
  VcpuRegisters& regs;
  BootInfo info;
  GuestStatus status;
  bool memory_fault = false;
};

// The time that moving `bytes` through the CPU takes: 10 GB/s. Assumed.
constexpr sim::Duration copy_cost(std::uint64_t bytes) {
  return sim::Duration::nanoseconds(100) +
         sim::Duration::picoseconds(static_cast<std::int64_t>(bytes * 100));
}

inline void arm_timer(GuestContext& guest) {
  const auto now = static_cast<std::uint64_t>(guest.cpu.now().ps());
  guest.r(kDeadline) = now + guest.workload().poll_interval_ns * 1000;
}

inline GuestStep sleep_until_deadline(GuestContext& guest) {
  const std::int64_t now = guest.cpu.now().ps();
  const auto deadline = static_cast<std::int64_t>(guest.r(kDeadline));
  return {sim::Duration::picoseconds(std::max<std::int64_t>(deadline - now, 1)), true};
}

inline bool has_completions(GuestContext& guest, GuestCompletions how) {
  return guest.workload().completions == how;
}

// The guest that trusts every edge has no timer: it wakes now and then, and looks at nothing.
inline GuestStep wait_for_interrupt(GuestContext& guest) {
  if (has_completions(guest, GuestCompletions::kEveryEdge))
    return {sim::Duration::seconds(1), true};
  return sleep_until_deadline(guest);
}

// The timer has fired. True: the driver resets the device, and what was in flight is lost. Linux's
// nvme driver looks at the queue first, which is what the other guests' timer does [linux
// drivers/nvme/host/pci.c nvme_timeout].
inline bool timeout_resets(GuestContext& guest, Routine reset) {
  if (!has_completions(guest, GuestCompletions::kTimeoutResets)) return false;
  ++guest.status.timeouts;
  ++guest.status.driver_resets;
  guest.status.batches_lost += guest.r(kInFlight);
  guest.go(reset);
  return true;
}

// Routines. Each returns what the step cost.
GuestStep reset_device(GuestContext& guest);
GuestStep configure_device(GuestContext& guest);
GuestStep enable_queue(GuestContext& guest);
GuestStep wait_for_command(GuestContext& guest);
// Whether the device still is as the driver left it; if not, the guest's next routine is set.
bool device_alive(GuestContext& guest);

GuestStep start_workload(GuestContext& guest);
GuestStep fill_buffer(GuestContext& guest);
GuestStep describe_members(GuestContext& guest);
GuestStep submit_batch(GuestContext& guest);
GuestStep idle(GuestContext& guest);
GuestStep check_records(GuestContext& guest);
GuestStep verify_buffer(GuestContext& guest);

GuestStep reset_disk(GuestContext& guest);
GuestStep wait_disk_disabled(GuestContext& guest);
GuestStep wait_disk_enabled(GuestContext& guest);
GuestStep send_disk_admin(GuestContext& guest);
GuestStep wait_disk_admin(GuestContext& guest);
// As device_alive().
bool disk_alive(GuestContext& guest);

GuestStep start_disk_workload(GuestContext& guest);
GuestStep fill_disk_buffer(GuestContext& guest);
GuestStep describe_disk_commands(GuestContext& guest);
GuestStep submit_disk_commands(GuestContext& guest);
GuestStep disk_idle(GuestContext& guest);
GuestStep verify_disk_buffer(GuestContext& guest);

}  // namespace baton::vmm
