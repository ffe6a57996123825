// The guest's workload: keeps `batches_in_flight` batches of memory moves queued in its DSA, and
// verifies each when it is done: batch record, every member's record, the destination buffers
// against the pattern of the batch's sequence number.
//
// Finished work is looked for when an interrupt arrives, and by a timer, because interrupts get
// lost; other guests do without the one or the other (GuestCompletions). The status page tells how
// each batch was found.
#include <algorithm>
#include <array>
#include <optional>

#include "model/devices/dsa/descriptor.h"
#include "model/vmm/guest_context.h"
#include "model/vmm/guest_pattern.h"

namespace baton::vmm {
namespace {

using devices::dsa::CompletionRecord;
using devices::dsa::Descriptor;
using devices::dsa::Opcode;
using devices::dsa::Status;
namespace flag = devices::dsa::flag;

constexpr std::uint64_t kRecordsPerStep = sim::kPageSize / sizeof(CompletionRecord);
constexpr std::uint64_t kDescriptorsPerStep = sim::kPageSize / sizeof(Descriptor);
constexpr sim::Duration kShort = sim::Duration::nanoseconds(200);

GuestAddr source_buffer(GuestContext& guest, std::uint64_t slot, std::uint64_t buffer) {
  const WorkloadConfig& w = guest.workload();
  return guest.slot_address(slot) + slot_sources(w) + buffer * w.size;
}

GuestAddr destination_buffer(GuestContext& guest, std::uint64_t slot, std::uint64_t buffer) {
  const WorkloadConfig& w = guest.workload();
  return guest.slot_address(slot) + slot_destinations(w) + buffer * w.size;
}

GuestAddr member_record(GuestContext& guest, std::uint64_t slot, std::uint64_t member) {
  return guest.slot_address(slot) + slot_records(guest.workload()) +
         member * sizeof(CompletionRecord);
}

// There, and back again when all is there.
void use_peer(const WorkloadConfig& w, std::uint64_t member, std::uint64_t buffer, Descriptor& d) {
  const std::uint64_t place = w.peer_buffer + buffer * w.size;
  if (member % 2 == 0) {
    d.destination = place;
    return;
  }
  d.source = place;
  d.set(Opcode::kMemoryMove, d.flags() | flag::kFence);
}

// The sequence of the batch that is being prepared.
std::uint64_t next_sequence(GuestContext& guest) { return guest.r(kNextSequence) + 1; }

bool batch_done(GuestContext& guest, std::uint64_t slot) {
  CompletionRecord record;
  guest.load(guest.slot_address(slot), record);
  return record.status != 0;
}

// Batches of one queue and one engine complete in the order of their submission. Called when the
// oldest has just been seen unfinished.
void look_for_overtaking(GuestContext& guest) {
  const std::uint64_t slots = guest.workload().batches_in_flight;
  if (guest.r(kInFlight) < 2) return;
  const std::uint64_t second = (guest.r(kOldestSlot) + 1) % slots;
  if (!batch_done(guest, second)) return;
  GuestSlot slot;
  guest.load(guest.slot_entry(second), slot);
  if (slot.sequence == guest.r(kOutOfOrder)) return;
  guest.r(kOutOfOrder) = slot.sequence;
  ++guest.status.order_errors;
}

// Nothing more to find: what made the guest look was in vain, late, or is done with.
GuestStep end_pass(GuestContext& guest) {
  if (guest.r(kPass) == kInterruptPass && guest.r(kFoundInPass) == 0) {
    if (guest.r(kUnannounced) != 0) {
      ++guest.status.interrupts_late;
      guest.r(kUnannounced) = 0;
    } else {
      ++guest.status.interrupts_spurious;
    }
  }
  if (guest.r(kPass) == kTimerPass) {
    const bool alive = device_alive(guest);
    if (guest.r(kFoundInPass) == 0) {
      guest.status.interrupts_lost += guest.r(kUnannounced);
      guest.r(kUnannounced) = 0;
    }
    if (!alive) {
      guest.r(kPass) = kNoPass;
      return {kShort};
    }
  }
  look_for_overtaking(guest);
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
  if (timeout_resets(guest, Routine::kReset)) return GuestStep{kShort};
  guest.r(kPass) = kTimerPass;
  guest.r(kFoundInPass) = 0;
  return std::nullopt;
}

}  // namespace

GuestStep start_workload(GuestContext& guest) {
  guest.status.state = GuestState::kRunning;
  guest.r(kSlot) = 0;
  guest.r(kIndex) = 0;
  guest.r(kOldestSlot) = 0;
  guest.r(kInFlight) = 0;
  guest.r(kPass) = kNoPass;
  guest.r(kUnannounced) = 0;
  arm_timer(guest);
  guest.go(Routine::kFill);
  return {kShort};
}

GuestStep fill_buffer(GuestContext& guest) {
  const WorkloadConfig& w = guest.workload();
  const std::uint64_t buffer = guest.r(kIndex);
  const GuestAddr address = source_buffer(guest, guest.r(kSlot), buffer);
  fill_pattern(guest, address, next_sequence(guest), buffer);
  if (++guest.r(kIndex) == w.depth) {
    guest.r(kIndex) = 0;
    guest.go(Routine::kDescribe);
  }
  return {copy_cost(w.size)};
}

GuestStep describe_members(GuestContext& guest) {
  const WorkloadConfig& w = guest.workload();
  const std::uint64_t slot = guest.r(kSlot);
  const std::uint64_t first = guest.r(kIndex);
  const std::uint64_t count = std::min<std::uint64_t>(kDescriptorsPerStep, w.batch_members - first);
  std::array<Descriptor, kDescriptorsPerStep> descriptors;
  const std::array<CompletionRecord, kDescriptorsPerStep> empty{};
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t member = first + i;
    Descriptor& d = descriptors[i];
    d.set(Opcode::kMemoryMove, flag::kRecordAddressValid | flag::kRequestRecord);
    d.record_address = guest.dma(member_record(guest, slot, member));
    const std::uint64_t buffer = (w.peer_buffer == 0 ? member : member / 2) % w.depth;
    d.source = guest.dma(source_buffer(guest, slot, buffer));
    d.destination = guest.dma(destination_buffer(guest, slot, buffer));
    if (w.peer_buffer != 0) use_peer(w, member, buffer, d);
    d.size = static_cast<std::uint32_t>(w.size);
  }
  const GuestAddr list = guest.slot_address(slot) + slot_descriptors(w);
  guest.write(list + first * sizeof(Descriptor),
              std::as_bytes(std::span(descriptors).first(count)));
  guest.write(member_record(guest, slot, first), std::as_bytes(std::span(empty).first(count)));
  guest.r(kIndex) += count;
  if (guest.r(kIndex) == w.batch_members) guest.go(Routine::kSubmit);
  return {copy_cost(count * (sizeof(Descriptor) + sizeof(CompletionRecord)))};
}

GuestStep submit_batch(GuestContext& guest) {
  const WorkloadConfig& w = guest.workload();
  const std::uint64_t slot = guest.r(kSlot);
  guest.store(guest.slot_address(slot), CompletionRecord{});
  const GuestSlot entry{++guest.r(kNextSequence), static_cast<std::uint64_t>(guest.cpu.now().ps())};
  guest.store(guest.slot_entry(slot), entry);
  Descriptor batch;
  const bool polls = has_completions(guest, GuestCompletions::kPolling);
  batch.set(Opcode::kBatch, flag::kRecordAddressValid | flag::kRequestRecord |
                                (polls ? 0U : flag::kRequestInterrupt));
  batch.record_address = guest.dma(guest.slot_address(slot));
  batch.source = guest.dma(guest.slot_address(slot) + slot_descriptors(w));
  batch.size = w.batch_members;
  batch.interrupt_handle = kCompletionVector;
  // Each submission takes the next 64 bytes of the portal page, as Linux does.
  const GuestAddr portal(guest.info.bar2 + guest.r(kPortalLine));
  guest.cpu.mmio_write_64bytes(portal, std::as_bytes(std::span(&batch, 1)));
  guest.r(kPortalLine) = (guest.r(kPortalLine) + sizeof(Descriptor)) % sim::kPageSize;
  ++guest.status.batches_submitted;
  ++guest.r(kInFlight);
  guest.r(kIndex) = 0;
  guest.r(kSlot) = (slot + 1) % w.batches_in_flight;
  guest.go(guest.r(kInFlight) < w.batches_in_flight ? Routine::kFill : Routine::kIdle);
  return {kShort};
}

GuestStep idle(GuestContext& guest) {
  const std::uint64_t completion = std::uint64_t{1} << kCompletionVector;
  if ((guest.regs.pending_vectors & completion) != 0) {
    ++guest.status.interrupts;
    guest.r(kPass) = kInterruptPass;
    guest.r(kFoundInPass) = 0;
  }
  guest.regs.pending_vectors = 0;  // no other vector has a handler
  if (guest.r(kPass) == kNoPass) {
    if (const std::optional<GuestStep> waits = timer(guest)) return *waits;
  }
  if (!batch_done(guest, guest.r(kOldestSlot))) return end_pass(guest);
  ++guest.r(kFoundInPass);
  if (guest.r(kPass) == kInterruptPass) {
    ++guest.status.found_by_interrupt;
  } else {
    ++guest.status.found_by_poll;
    if (!has_completions(guest, GuestCompletions::kPolling)) ++guest.r(kUnannounced);
  }
  guest.r(kIndex) = 0;
  guest.go(Routine::kCheckRecords);
  return {kShort};
}

GuestStep check_records(GuestContext& guest) {
  const WorkloadConfig& w = guest.workload();
  const std::uint64_t slot = guest.r(kOldestSlot);
  const std::uint64_t first = guest.r(kIndex);
  if (first == 0) {
    CompletionRecord record;
    guest.load(guest.slot_address(slot), record);
    const bool good = record.status == static_cast<std::uint8_t>(Status::kSuccess) &&
                      record.bytes_completed == w.batch_members;
    if (!good) ++guest.status.batch_errors;
  }
  const std::uint64_t count = std::min<std::uint64_t>(kRecordsPerStep, w.batch_members - first);
  std::array<CompletionRecord, kRecordsPerStep> records;
  guest.read(member_record(guest, slot, first),
             std::as_writable_bytes(std::span(records).first(count)));
  for (const CompletionRecord& record : std::span(records).first(count)) {
    const bool good = record.status == static_cast<std::uint8_t>(Status::kSuccess) &&
                      record.bytes_completed == w.size;
    ++(good ? guest.status.members_done : guest.status.member_errors);
    if (good) guest.status.bytes_copied += w.size;
  }
  guest.r(kIndex) += count;
  if (guest.r(kIndex) == w.batch_members) {
    guest.r(kIndex) = 0;
    guest.go(Routine::kVerify);
  }
  return {copy_cost(count * sizeof(CompletionRecord))};
}

namespace {

// The slot is free: the workload refills and resubmits it.
void finish_batch(GuestContext& guest) {
  const std::uint64_t slot = guest.r(kOldestSlot);
  guest.store(guest.slot_entry(slot), GuestSlot{});
  ++guest.status.batches_done;
  --guest.r(kInFlight);
  guest.r(kOldestSlot) = (slot + 1) % guest.workload().batches_in_flight;
  guest.r(kSlot) = slot;
  guest.r(kIndex) = 0;
  guest.go(Routine::kFill);
}

}  // namespace

GuestStep verify_buffer(GuestContext& guest) {
  const WorkloadConfig& w = guest.workload();
  GuestSlot slot;
  guest.load(guest.slot_entry(guest.r(kOldestSlot)), slot);
  const std::uint64_t buffer = guest.r(kIndex);
  const bool sampled = (buffer + slot.sequence) % w.verify_every == 0;
  if (sampled) {
    const GuestAddr address = destination_buffer(guest, guest.r(kOldestSlot), buffer);
    verify_pattern(guest, address, slot.sequence, buffer);
  }
  if (++guest.r(kIndex) == w.depth) finish_batch(guest);
  return {sampled ? copy_cost(w.size) : kShort};
}

}  // namespace baton::vmm
