// The guest's disk workload: keeps `batches_in_flight` batches of writes and reads in its NVMe
// controller's queue, and verifies each when it is done: every command's completion, once and with
// success, and what was read against the pattern of the batch that wrote it (guest_disk_layout.h).
//
// Completions are looked for when an interrupt arrives, and by a timer, because interrupts get
// lost. Unlike the DSA's, an interrupt announces a command, not a batch; the status page counts
// batches by what found their last command.
#include <array>
#include <optional>

#include "model/devices/nvme/commands.h"
#include "model/devices/nvme/registers.h"
#include "model/vmm/guest_context.h"
#include "model/vmm/guest_pattern.h"

namespace baton::vmm {
namespace {

using devices::nvme::CompletionEntry;
using devices::nvme::kBlockBytes;
using devices::nvme::Opcode;
using devices::nvme::Status;
using devices::nvme::SubmissionEntry;

constexpr sim::Duration kShort = sim::Duration::nanoseconds(200);
constexpr std::uint64_t kEntriesPerStep = sim::kPageSize / sizeof(SubmissionEntry);
constexpr std::uint64_t kReapedPerStep = 64;
// Doorbells of queue 1.
constexpr std::uint64_t kTailDoorbell = devices::nvme::offset::kDoorbells + 8;
constexpr std::uint64_t kHeadDoorbell = devices::nvme::offset::kDoorbells + 12;

enum Side : std::uint64_t { kSource = 0, kDestination = 1 };

GuestAddr slot_start(GuestContext& guest, std::uint64_t slot) {
  return disk_slot_places(guest.workload(), guest.info.memory_bytes).at(slot);
}

GuestAddr buffer_at(GuestContext& guest, std::uint64_t slot, Side side, std::uint64_t buffer) {
  const WorkloadConfig& w = guest.workload();
  const std::uint64_t start = side == kSource ? disk_slot_sources(w) : disk_slot_destinations(w);
  return slot_start(guest, slot) + start + buffer * w.size;
}

GuestAddr list_at(GuestContext& guest, std::uint64_t slot, Side side, std::uint64_t buffer) {
  const WorkloadConfig& w = guest.workload();
  return slot_start(guest, slot) + side * (disk_slot_sources(w) / 2) + buffer * disk_list_bytes(w);
}

GuestAddr entry_of(std::uint64_t slot) { return kDiskSlotsAddress + slot * sizeof(DiskSlot); }

// The first batch of a slot writes each buffer once, so that there is something to read soon.
std::uint64_t members_of(GuestContext& guest, const DiskSlot& state) {
  return state.previous == 0 ? guest.workload().depth : guest.workload().batch_members;
}

// The pages of a buffer but the first.
void write_list(GuestContext& guest, std::uint64_t slot, Side side, std::uint64_t buffer) {
  const std::uint64_t pages = guest.workload().size / sim::kPageSize;
  std::array<std::uint64_t, kDiskTransferMax / sim::kPageSize> list;
  const GuestAddr start = buffer_at(guest, slot, side, buffer);
  for (std::uint64_t i = 1; i < pages; ++i) list[i - 1] = guest.dma(start) + i * sim::kPageSize;
  guest.write(list_at(guest, slot, side, buffer),
              std::as_bytes(std::span(list)).first((pages - 1) * 8));
}

SubmissionEntry command_for(GuestContext& guest, const DiskSlot& state, std::uint64_t member) {
  const WorkloadConfig& w = guest.workload();
  const std::uint64_t slot = guest.r(kSlot);
  const std::uint64_t buffer = (state.previous == 0 ? member : member / 2) % w.depth;
  const bool reads = state.previous != 0 && member % 2 != 0;
  const Side side = reads ? kDestination : kSource;
  const std::uint64_t half = reads ? 1 - state.half : state.half;
  const std::uint64_t block = ((slot * 2 + half) * w.depth + buffer) * (w.size / kBlockBytes);
  const GuestAddr data = buffer_at(guest, slot, side, buffer);
  SubmissionEntry entry;
  entry.opcode = static_cast<std::uint8_t>(reads ? Opcode::kRead : Opcode::kWrite);
  entry.command_id = static_cast<std::uint16_t>(slot * w.batch_members + member);
  entry.namespace_id = devices::nvme::kNamespaceId;
  entry.prp1 = guest.dma(data);
  const std::uint64_t pages = w.size / sim::kPageSize;
  if (pages == 2) entry.prp2 = guest.dma(data) + sim::kPageSize;
  if (pages > 2) entry.prp2 = guest.dma(list_at(guest, slot, side, buffer));
  entry.cdw10 = static_cast<std::uint32_t>(block);
  entry.cdw11 = static_cast<std::uint32_t>(block >> 32);
  entry.cdw12 = static_cast<std::uint32_t>(w.size / kBlockBytes - 1);
  return entry;
}

// The bit that says that a command is in the device. True if it changed.
bool mark(GuestContext& guest, std::uint64_t command, bool in_device) {
  const GuestAddr at = kCommandMapAddress + command / 64 * 8;
  const std::uint64_t bit = std::uint64_t{1} << command % 64;
  std::uint64_t word = 0;
  guest.load(at, word);
  if (((word & bit) != 0) == in_device) return false;
  guest.store(at, word ^ bit);
  return true;
}

// A completion: of a command that is in the device, which it then no longer is.
void take_completion(GuestContext& guest, const CompletionEntry& entry) {
  const WorkloadConfig& w = guest.workload();
  const std::uint64_t command = entry.command_id;
  if (command >= disk_commands(w) || !mark(guest, command, false)) {
    ++guest.status.member_errors;  // nobody's, or a second one
    return;
  }
  const bool good = entry.code() == Status::kSuccess;
  ++(good ? guest.status.members_done : guest.status.member_errors);
  if (good) guest.status.bytes_copied += w.size;
  const GuestAddr at = entry_of(command / w.batch_members);
  DiskSlot slot;
  guest.load(at, slot);
  --slot.remaining;
  guest.store(at, slot);
}

// Takes what the completion queue holds, some entries at most; how many.
std::uint64_t reap(GuestContext& guest) {
  const WorkloadConfig& w = guest.workload();
  std::uint64_t count = 0;
  while (count < kReapedPerStep) {
    CompletionEntry entry;
    guest.load(GuestAddr(disk_completions(w) + guest.r(kQueueHead) * sizeof entry), entry);
    if (entry.phase() != (guest.r(kQueuePhase) != 0)) break;
    take_completion(guest, entry);
    guest.r(kQueueHead) = (guest.r(kQueueHead) + 1) % disk_queue_entries(w);
    if (guest.r(kQueueHead) == 0) guest.r(kQueuePhase) ^= 1;
    ++count;
  }
  if (count != 0) guest.device_write(kHeadDoorbell, 4, guest.r(kQueueHead));
  return count;
}

// Nothing more to find. An interrupt that found nothing came after its work had been found: by
// polling, or by the interrupt of a command before it. Or there was none.
GuestStep end_pass(GuestContext& guest) {
  const std::uint64_t found = guest.r(kFoundInPass);
  if (guest.r(kPass) == kInterruptPass && found == 0) {
    const bool late = guest.r(kUnannounced) != 0 || guest.r(kMerged) != 0;
    ++(late ? guest.status.interrupts_late : guest.status.interrupts_spurious);
    guest.r(kUnannounced) = 0;
    guest.r(kMerged) = 0;
  }
  if (guest.r(kPass) == kInterruptPass && found > 1) guest.r(kMerged) += found - 1;
  if (guest.r(kPass) == kTimerPass) {
    const bool alive = disk_alive(guest);
    if (found == 0) {
      guest.status.interrupts_lost += guest.r(kUnannounced);
      guest.r(kUnannounced) = 0;
    }
    if (!alive) {
      guest.r(kPass) = kNoPass;
      return {kShort};
    }
  }
  guest.r(kPass) = kNoPass;
  arm_timer(guest);
  return wait_for_interrupt(guest);
}

// The timer: what to do when no interrupt has come.
std::optional<GuestStep> timer(GuestContext& guest) {
  const bool due = guest.cpu.now().ps() >= static_cast<std::int64_t>(guest.r(kDeadline));
  if (!due || has_completions(guest, GuestCompletions::kEveryEdge)) {
    return wait_for_interrupt(guest);
  }
  if (timeout_resets(guest, Routine::kDiskReset)) return GuestStep{kShort};
  guest.r(kPass) = kTimerPass;
  guest.r(kFoundInPass) = 0;
  return std::nullopt;
}

}  // namespace

GuestStep start_disk_workload(GuestContext& guest) {
  const std::array<std::byte, sim::kPageSize> zeros{};
  guest.write(kCommandMapAddress, zeros);
  guest.write(kDiskSlotsAddress, zeros);
  guest.status.state = GuestState::kRunning;
  guest.r(kSlot) = 0;
  guest.r(kIndex) = 0;
  guest.r(kOldestSlot) = 0;
  guest.r(kInFlight) = 0;
  guest.r(kPass) = kNoPass;
  guest.r(kFoundInPass) = 0;
  guest.r(kUnannounced) = 0;
  guest.r(kMerged) = 0;
  guest.r(kQueueTail) = 0;
  guest.r(kQueueHead) = 0;
  guest.r(kQueuePhase) = 1;
  arm_timer(guest);
  guest.go(Routine::kDiskFill);
  return {copy_cost(2 * sim::kPageSize)};
}

GuestStep fill_disk_buffer(GuestContext& guest) {
  const WorkloadConfig& w = guest.workload();
  const std::uint64_t slot = guest.r(kSlot);
  const std::uint64_t buffer = guest.r(kIndex);
  fill_pattern(guest, buffer_at(guest, slot, kSource, buffer), guest.r(kNextSequence) + 1, buffer);
  if (w.size > 2 * sim::kPageSize) {
    write_list(guest, slot, kSource, buffer);
    write_list(guest, slot, kDestination, buffer);
  }
  if (++guest.r(kIndex) == w.depth) {
    guest.r(kIndex) = 0;
    guest.go(Routine::kDiskDescribe);
  }
  return {copy_cost(w.size)};
}

GuestStep describe_disk_commands(GuestContext& guest) {
  const WorkloadConfig& w = guest.workload();
  const std::uint64_t first = guest.r(kIndex);
  DiskSlot state;
  guest.load(entry_of(guest.r(kSlot)), state);
  const std::uint64_t members = members_of(guest, state);
  const std::uint64_t count = std::min(kEntriesPerStep, members - std::min(first, members));
  for (std::uint64_t i = 0; i < count; ++i) {
    const SubmissionEntry entry = command_for(guest, state, first + i);
    const std::uint64_t at = (guest.r(kQueueTail) + first + i) % disk_queue_entries(w);
    guest.store(kDiskQueuesAddress + at * sizeof entry, entry);
    if (!mark(guest, entry.command_id, true)) ++guest.status.member_errors;
  }
  guest.r(kIndex) += count;
  if (guest.r(kIndex) >= members) guest.go(Routine::kDiskSubmit);
  return {copy_cost(count * sizeof(SubmissionEntry))};
}

GuestStep submit_disk_commands(GuestContext& guest) {
  const WorkloadConfig& w = guest.workload();
  const std::uint64_t slot = guest.r(kSlot);
  DiskSlot state;
  guest.load(entry_of(slot), state);
  state.sequence = ++guest.r(kNextSequence);
  const std::uint64_t members = members_of(guest, state);
  state.remaining = static_cast<std::uint32_t>(members);
  guest.store(entry_of(slot), state);
  guest.r(kQueueTail) = (guest.r(kQueueTail) + members) % disk_queue_entries(w);
  guest.device_write(kTailDoorbell, 4, guest.r(kQueueTail));
  ++guest.status.batches_submitted;
  ++guest.r(kInFlight);
  guest.r(kIndex) = 0;
  guest.r(kSlot) = (slot + 1) % w.batches_in_flight;
  guest.go(guest.r(kInFlight) < w.batches_in_flight ? Routine::kDiskFill : Routine::kDiskIdle);
  return {kShort};
}

GuestStep disk_idle(GuestContext& guest) {
  const std::uint64_t completion = std::uint64_t{1} << kCompletionVector;
  if ((guest.regs.pending_vectors & completion) != 0) {
    ++guest.status.interrupts;
    if (guest.r(kPass) != kInterruptPass) {
      guest.r(kPass) = kInterruptPass;
      guest.r(kFoundInPass) = 0;
    }
  }
  guest.regs.pending_vectors = 0;  // no other vector has a handler
  if (guest.r(kPass) == kNoPass) {
    if (const std::optional<GuestStep> waits = timer(guest)) return *waits;
  }
  const std::uint64_t reaped = reap(guest);
  guest.r(kFoundInPass) += reaped;
  const bool polls = has_completions(guest, GuestCompletions::kPolling);
  if (guest.r(kPass) == kTimerPass && !polls) guest.r(kUnannounced) += reaped;
  DiskSlot oldest;
  guest.load(entry_of(guest.r(kOldestSlot)), oldest);
  if (oldest.sequence != 0 && oldest.remaining == 0) {
    ++(guest.r(kPass) == kInterruptPass ? guest.status.found_by_interrupt
                                        : guest.status.found_by_poll);
    guest.r(kIndex) = 0;
    guest.go(Routine::kDiskVerify);
    return {kShort};
  }
  return reaped == 0 ? end_pass(guest) : GuestStep{copy_cost(reaped * sizeof(CompletionEntry))};
}

GuestStep verify_disk_buffer(GuestContext& guest) {
  const WorkloadConfig& w = guest.workload();
  const std::uint64_t slot = guest.r(kOldestSlot);
  DiskSlot state;
  guest.load(entry_of(slot), state);
  const std::uint64_t buffer = guest.r(kIndex);
  const bool sampled = state.previous != 0 && (buffer + state.sequence) % w.verify_every == 0;
  if (sampled) {
    verify_pattern(guest, buffer_at(guest, slot, kDestination, buffer), state.previous, buffer);
  }
  if (++guest.r(kIndex) < w.depth) return {sampled ? copy_cost(w.size) : kShort};
  // The slot is free: what has been written is read next.
  state.previous = state.sequence;
  state.sequence = 0;
  state.half = 1 - state.half % 2;
  guest.store(entry_of(slot), state);
  ++guest.status.batches_done;
  --guest.r(kInFlight);
  guest.r(kOldestSlot) = (slot + 1) % w.batches_in_flight;
  guest.r(kSlot) = slot;
  guest.r(kIndex) = 0;
  guest.go(Routine::kDiskFill);
  return {sampled ? copy_cost(w.size) : kShort};
}

}  // namespace baton::vmm
