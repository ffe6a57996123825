#include "model/vmm/guest_program.h"

#include <algorithm>

#include "model/vmm/guest_context.h"

namespace baton::vmm {
namespace {

constexpr sim::Duration kForAWhile = sim::Duration::seconds(1);

bool fits(const BootInfo& info) {
  switch (info.device) {
    case GuestDevice::kNone:
      return true;
    case GuestDevice::kDsa:
      return workload_fits(info.workload, info.memory_bytes);
    case GuestDevice::kNvme:
      return disk_workload_fits(info.workload, info.memory_bytes);
  }
  return false;
}

bool boot_info_valid(const BootInfo& info) {
  return info.magic == BootInfo::kMagic && info.version == BootInfo::kVersion && fits(info);
}

GuestStep boot(GuestContext& guest) {
  guest.status = GuestStatus{};
  guest.status.magic = GuestStatus::kMagic;
  guest.status.version = GuestStatus::kVersion;
  if (!boot_info_valid(guest.info)) {
    guest.fail(GuestFailure::kBadBootInfo);
  } else if (guest.info.device == GuestDevice::kNone) {
    guest.status.state = GuestState::kIdle;
    guest.go(Routine::kSleep);
  } else {
    guest.status.state = GuestState::kBooting;
    guest.go(guest.info.device == GuestDevice::kNvme ? Routine::kDiskReset : Routine::kReset);
  }
  return {sim::Duration::microseconds(1)};
}

GuestStep run(GuestContext& guest) {
  switch (static_cast<Routine>(guest.regs.pc)) {
    case Routine::kBoot:
      return boot(guest);
    case Routine::kReset:
      return reset_device(guest);
    case Routine::kConfigure:
      return configure_device(guest);
    case Routine::kEnableQueue:
      return enable_queue(guest);
    case Routine::kDeviceReady:
      return start_workload(guest);
    case Routine::kCommandWait:
      return wait_for_command(guest);
    case Routine::kFill:
      return fill_buffer(guest);
    case Routine::kDescribe:
      return describe_members(guest);
    case Routine::kSubmit:
      return submit_batch(guest);
    case Routine::kIdle:
      return idle(guest);
    case Routine::kCheckRecords:
      return check_records(guest);
    case Routine::kVerify:
      return verify_buffer(guest);
    case Routine::kDiskReset:
      return reset_disk(guest);
    case Routine::kDiskDisabling:
      return wait_disk_disabled(guest);
    case Routine::kDiskEnabling:
      return wait_disk_enabled(guest);
    case Routine::kDiskAdmin:
      return send_disk_admin(guest);
    case Routine::kDiskAdminWait:
      return wait_disk_admin(guest);
    case Routine::kDiskFill:
      return fill_disk_buffer(guest);
    case Routine::kDiskDescribe:
      return describe_disk_commands(guest);
    case Routine::kDiskSubmit:
      return submit_disk_commands(guest);
    case Routine::kDiskIdle:
      return disk_idle(guest);
    case Routine::kDiskVerify:
      return verify_disk_buffer(guest);
    case Routine::kSleep:
    case Routine::kFailed:
      break;
  }
  guest.regs.pending_vectors = 0;
  return {kForAWhile, true};
}

// The guest finds the clock beyond the instant at which it wanted to go on.
void note_stall(GuestContext& guest, std::uint64_t now) {
  const std::uint64_t expected = guest.regs.last_step_ps;
  if (expected == 0 || now <= expected) return;
  const std::uint64_t stall = now - expected;
  if (stall <= guest.status.longest_stall_ps) return;
  guest.status.longest_stall_ps = stall;
  guest.status.longest_stall_at_ps = now;
}

// Memory that a guest lost (a host that handed its pages out, say) must not send it astray: a
// workload read back changed would. The boot page is checked before each step.
bool state_sane(GuestContext& guest) {
  if (guest.regs.pc == static_cast<std::uint64_t>(Routine::kBoot)) return true;
  if (!boot_info_valid(guest.info) || guest.status.magic != GuestStatus::kMagic) return false;
  const WorkloadConfig& w = guest.workload();
  if (guest.info.device == GuestDevice::kNvme) {
    const std::uint64_t entries = disk_queue_entries(w);
    if (guest.r(kQueueTail) >= entries || guest.r(kQueueHead) >= entries) return false;
  }
  return guest.info.device == GuestDevice::kNone ||
         (guest.r(kSlot) < w.batches_in_flight && guest.r(kOldestSlot) < w.batches_in_flight &&
          guest.r(kIndex) < w.batch_members + std::uint64_t{1} &&
          guest.r(kInFlight) <= w.batches_in_flight);
}

}  // namespace

GuestStep step(GuestCpu& cpu, VcpuRegisters& registers) {
  const auto now = static_cast<std::uint64_t>(cpu.now().ps());
  GuestContext guest(cpu, registers);
  note_stall(guest, now);
  GuestStep did{kForAWhile, true};
  if (!state_sane(guest)) {
    guest.status = GuestStatus{};
    guest.status.magic = GuestStatus::kMagic;
    guest.status.version = GuestStatus::kVersion;
    guest.fail(GuestFailure::kBadBootInfo);
    registers.pc = static_cast<std::uint64_t>(Routine::kFailed);
    registers.pending_vectors = 0;
  } else {
    did = run(guest);
  }
  if (guest.memory_fault) guest.fail(GuestFailure::kMemoryFault);
  ++guest.status.steps;
  guest.store(kGuestStatusAddress, guest.status);
  registers.last_step_ps = now + static_cast<std::uint64_t>(did.cost.ps());
  return did;
}

}  // namespace baton::vmm
