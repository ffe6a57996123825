// Guest memory of a guest with an NVMe controller, beside what guest_layout.h says.
//
//   0x4000  admin submission queue, one page
//   0x5000  admin completion queue, one page
//   0x6000  what Identify returned
//   0x7000  commands that are in the device: a bit per command id
//   0x8000  disk slots: one DiskSlot per batch in flight
//   0x10000 I/O submission queue, I/O completion queue, each whole pages
//           then slots, each disk_slot_bytes(workload):
//             PRP lists of the source buffers, then of the destination buffers, whole pages each
//             source buffers            depth * size
//             destination buffers       depth * size
//
// A batch is `batch_members` commands under one doorbell write. Its even members write the source
// buffers to the disk, its odd ones read what the slot's batch before it wrote into the destination
// buffers; two halves of the slot's place on the disk change roles each time, so no command depends
// on another one of its batch, and the device may carry them out in any order. Member k is about
// buffer k / 2 % depth. The first batch of a slot has `depth` members, which write each buffer
// once.
//
// Why the device stays busy over a kexec: nobody rings a doorbell while there is no kernel and no
// guest, so the queue itself must hold the work of that time. With `rate` bytes per second, batches
// times members times size is what lasts `rate` for the length of the gap (batches_for_gap); a
// queue of 4096 entries holds at most 4095 commands.
#pragma once

#include <bit>

#include "model/vmm/guest_layout.h"

namespace baton::vmm {

inline constexpr GuestAddr kAdminSubmissionAddress{0x4000};
inline constexpr GuestAddr kAdminCompletionAddress{0x5000};
inline constexpr GuestAddr kIdentifyAddress{0x6000};
inline constexpr GuestAddr kCommandMapAddress{0x7000};
inline constexpr GuestAddr kDiskSlotsAddress{0x8000};
inline constexpr GuestAddr kDiskQueuesAddress{0x10000};

inline constexpr std::uint32_t kDiskCommandsMax = 4095;  // CAP.MQES, less the entry that stays free
inline constexpr std::uint64_t kDiskTransferMax = std::uint64_t{2} << 20;

struct DiskSlot {
  std::uint64_t sequence = 0;   // of the batch in flight, from 1; 0: none
  std::uint64_t previous = 0;   // of the batch that wrote the half which is read now; 0: none
  std::uint32_t remaining = 0;  // commands without a completion
  std::uint32_t half = 0;       // that is written now
  std::uint64_t reserved = 0;
};
static_assert(sizeof(DiskSlot) == 32);
static_assert(std::has_unique_object_representations_v<DiskSlot>);
static_assert(kBatchesInFlightMax * sizeof(DiskSlot) <= sim::kPageSize);

constexpr std::uint32_t disk_commands(const WorkloadConfig& w) {
  return w.batches_in_flight * w.batch_members;
}
constexpr std::uint32_t disk_queue_entries(const WorkloadConfig& w) {
  return std::bit_ceil(disk_commands(w) + 1);
}
constexpr std::uint64_t disk_completions(const WorkloadConfig& w) {
  return kDiskQueuesAddress.value() + whole_pages(std::uint64_t{disk_queue_entries(w)} * 64);
}
constexpr std::uint64_t disk_slots(const WorkloadConfig& w) {
  return disk_completions(w) + whole_pages(std::uint64_t{disk_queue_entries(w)} * 16);
}

// The first page of a buffer is in the command, the others in its list, which lies in one page.
constexpr std::uint64_t disk_list_bytes(const WorkloadConfig& w) {
  return std::bit_ceil(w.size / sim::kPageSize * 8);
}
// Offsets inside a slot.
constexpr std::uint64_t disk_slot_sources(const WorkloadConfig& w) {
  return 2 * whole_pages(std::uint64_t{w.depth} * disk_list_bytes(w));
}
constexpr std::uint64_t disk_slot_destinations(const WorkloadConfig& w) {
  return disk_slot_sources(w) + std::uint64_t{w.depth} * w.size;
}
constexpr std::uint64_t disk_slot_bytes(const WorkloadConfig& w) {
  return disk_slot_destinations(w) + std::uint64_t{w.depth} * w.size;
}
constexpr std::uint64_t disk_memory_needed(const WorkloadConfig& w) {
  return disk_slots(w) + std::uint64_t{w.batches_in_flight} * disk_slot_bytes(w);
}
constexpr SlotPlaces disk_slot_places(const WorkloadConfig& w, std::uint64_t memory_bytes) {
  return {disk_slots(w), disk_slot_bytes(w), memory_bytes};
}
// Bytes of the namespace that the workload uses, from its start.
constexpr std::uint64_t disk_bytes_needed(const WorkloadConfig& w) {
  return std::uint64_t{w.batches_in_flight} * 2 * w.depth * w.size;
}

// Whether the guest accepts this workload in this much memory.
constexpr bool disk_workload_fits(const WorkloadConfig& w, std::uint64_t memory_bytes) {
  return w.size >= sim::kPageSize && w.size <= kDiskTransferMax && w.size % sim::kPageSize == 0 &&
         w.depth >= 1 && w.depth <= kBatchMembersMax / 2 && w.batch_members >= 2 * w.depth &&
         w.batch_members <= kBatchMembersMax && w.batches_in_flight >= 1 &&
         w.batches_in_flight <= kBatchesInFlightMax && disk_commands(w) <= kDiskCommandsMax &&
         w.verify_every >= 1 && w.poll_interval_ns >= 1000 && known(w.completions) &&
         disk_slot_places(w, memory_bytes).hold(w.batches_in_flight);
}

}  // namespace baton::vmm
