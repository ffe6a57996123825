// The guest's physical memory: who puts what where. Shared by the VMM (writes BootInfo), the guest
// program (writes the rest) and the host's tools (read GuestStatus).
//
//   0x0000  nothing: a null pointer stays one
//   0x1000  BootInfo, written by the VMM before the first step of a new guest
//   0x2000  GuestStatus, written by the guest only
//   0x3000  slot table: one GuestSlot per batch in flight (at most 128)
//   0x4000  a guest with a disk: guest_disk_layout.h
//   0x10000 slots, one after another, each slot_bytes(workload):
//             batch completion record   32 bytes, alone in a page
//             member descriptors        batch_members * 64, whole pages
//             member completion records batch_members * 32, whole pages
//             source buffers            depth * size, whole pages
//             destination buffers       depth * size, whole pages
//   BARs of the device lie above all guest memory: kDeviceBar0, kDeviceBar2.
//   kPeerBuffer: BAR 2 of a second device, a peer of the first.
// Memory lies as in a q35 machine [qemu hw/i386/pc_q35.c pc_q35_init]: less than 2.75 GiB in one
// piece; of more, 2 GiB below the hole for devices and the rest from 4 GiB on. Slots that have room
// above 4 GiB lie there, as an allocator prefers that zone, and the others below.
//
// Member k of a batch copies source buffer k % depth to destination buffer k % depth. A slot's
// source pattern depends on the batch's sequence number, so that what an earlier batch left in a
// destination never passes for the copy of a later one.
//
// Through a peer, members 2k and 2k + 1 copy source buffer k % depth to its place in the peer, and,
// behind a fence, from there to the destination buffer.
//
// Limits: the guest drives one device; of a second one it only uses the buffer.
#pragma once

#include <cstdint>
#include <type_traits>

#include "sim/address.h"
#include "sim/memory.h"

namespace baton::vmm {

inline constexpr GuestAddr kBootInfoAddress{0x1000};
inline constexpr GuestAddr kGuestStatusAddress{0x2000};
inline constexpr GuestAddr kSlotTableAddress{0x3000};
inline constexpr GuestAddr kSlotsAddress{0x10000};
inline constexpr GuestAddr kDeviceBar0{std::uint64_t{1} << 44};
inline constexpr GuestAddr kDeviceBar2{(std::uint64_t{1} << 44) + 0x100000};
// The buffer of the second device, for the first one and the vCPU.
inline constexpr GuestAddr kPeerBuffer{(std::uint64_t{1} << 44) + 0x10000000};
inline constexpr unsigned kPeerBar = 2;

inline constexpr std::uint32_t kBatchMembersMax = 1024;    // GENCAP max batch 2^10
inline constexpr std::uint32_t kBatchesInFlightMax = 128;  // total WQ entries

// Which virtual vector announces completions: MSI-X entry 1 of the device.
inline constexpr unsigned kCompletionVector = 1;

// How a guest learns that its device is done with something.
enum class GuestCompletions : std::uint32_t {
  kInterruptsAndTimer = 0,  // by interrupts; a timer finds what they have not announced
  kPolling = 1,             // it asks for no interrupts, and looks whenever its timer fires
  kEveryEdge = 2,           // by interrupts alone: one that gets lost may be waited for for ever
  kTimeoutResets = 3,  // by interrupts; after the timer's time without one it resets the device
};

struct WorkloadConfig {
  std::uint64_t size = 64 * 1024;              // bytes of one copy
  std::uint32_t depth = 32;                    // buffers in a slot
  std::uint32_t batch_members = 1024;          // copies in a batch, 2..1024
  std::uint32_t batches_in_flight = 8;         // batches queued, 1..128
  std::uint32_t verify_every = 1;              // 1: every buffer; n: every n-th
  std::uint64_t poll_interval_ns = 5'000'000;  // the guest's timer
  // A buffer in a BAR of another device of the guest, by guest address, through which every copy
  // goes; 0: none. It holds depth * size bytes.
  std::uint64_t peer_buffer = 0;
  // At which I/O virtual address its devices find guest address 0.
  std::uint64_t dma_offset = 0;
  GuestCompletions completions = GuestCompletions::kInterruptsAndTimer;
  std::uint32_t reserved = 0;
};

// What the guest drives.
enum class GuestDevice : std::uint32_t {
  kNone = 0,  // the guest only idles
  kDsa = 1,   // copies in memory
  kNvme = 2,  // blocks of a disk, guest_disk_layout.h
};

struct BootInfo {
  static constexpr std::uint64_t kMagic = 0x00544F4F42544142;  // "BATBOOT\0"
  static constexpr std::uint32_t kVersion = 2;

  std::uint64_t magic = kMagic;
  std::uint32_t version = kVersion;
  GuestDevice device = GuestDevice::kDsa;
  std::uint64_t memory_bytes = 0;  // what the guest may use, below and above the hole
  std::uint64_t bar0 = kDeviceBar0.value();
  std::uint64_t bar2 = kDeviceBar2.value();
  WorkloadConfig workload;
};

enum class GuestState : std::uint32_t {
  kOff = 0,      // has not run
  kBooting = 1,  // sets its device up
  kRunning = 2,
  kFailed = 3,  // gave up; `failure` says why
  kIdle = 4,    // has no device
};

enum class GuestFailure : std::uint32_t {
  kNone = 0,
  kBadBootInfo = 1,    // magic, version or a workload that does not fit
  kMemoryFault = 2,    // touched an address outside its memory
  kDeviceMissing = 3,  // registers read as all ones, or an unknown version
  kCommandFailed = 4,  // `failure_detail` is CMDSTATUS; NVMe: status of an admin command, or CSTS
  // DSA: GENSTS says Halt, only a function level reset helps. NVMe: CSTS says fatal. Detail is
  // the register.
  kDeviceHalted = 5,
};

// The guest's own account of its run. Only the guest writes it; readers take it as it is.
struct GuestStatus {
  static constexpr std::uint64_t kMagic = 0x0054415453544142;  // "BATSTAT\0"
  static constexpr std::uint32_t kVersion = 1;

  std::uint64_t magic = 0;
  std::uint32_t version = 0;
  GuestState state = GuestState::kOff;
  GuestFailure failure = GuestFailure::kNone;
  std::uint32_t failure_detail = 0;
  std::uint64_t steps = 0;
  std::uint64_t batches_submitted = 0;
  std::uint64_t batches_done = 0;
  std::uint64_t batches_lost = 0;    // in flight when the device was found reset
  std::uint64_t members_done = 0;    // with a completion record of status success
  std::uint64_t member_errors = 0;   // missing or other completion records
  std::uint64_t batch_errors = 0;    // batch records of another status or count
  std::uint64_t order_errors = 0;    // a batch completed before its predecessor
  std::uint64_t bytes_copied = 0;    // by the members that completed
  std::uint64_t bytes_verified = 0;  // compared with the pattern of their sequence number
  std::uint64_t mismatches = 0;      // 8-byte words that differ
  std::uint64_t first_mismatch_address = 0;
  std::uint64_t first_mismatch_expected = 0;
  std::uint64_t first_mismatch_seen = 0;
  std::uint64_t first_mismatch_sequence = 0;
  std::uint64_t interrupts = 0;           // taken
  std::uint64_t interrupts_spurious = 0;  // taken, and there was nothing to do
  std::uint64_t interrupts_late = 0;      // taken after the work had been found
  std::uint64_t interrupts_lost = 0;      // work that polling found and no interrupt announced
  std::uint64_t found_by_interrupt = 0;   // batches
  std::uint64_t found_by_poll = 0;        // batches
  std::uint64_t driver_resets = 0;        // the guest's driver set the device up again
  std::uint64_t longest_stall_ps = 0;     // longest time the guest did not run when it wanted to
  std::uint64_t longest_stall_at_ps = 0;  // guest clock at the end of it
  std::uint64_t timeouts = 0;             // of a driver that resets the device then
};

// One batch in flight; slot table entry.
struct GuestSlot {
  std::uint64_t sequence = 0;  // of the batch, from 1; 0: empty
  std::uint64_t submitted_ps = 0;
};

static_assert(sizeof(WorkloadConfig) == 56);
static_assert(sizeof(BootInfo) == 96);
static_assert(sizeof(GuestSlot) == 16);
static_assert(std::has_unique_object_representations_v<BootInfo>);
static_assert(std::has_unique_object_representations_v<GuestStatus>);

inline constexpr std::uint64_t kHighMemory = std::uint64_t{1} << 32;
constexpr std::uint64_t low_memory_bytes(std::uint64_t memory_bytes) {
  return memory_bytes < 0xB000'0000 ? memory_bytes : 0x8000'0000;
}
constexpr std::uint64_t high_memory_bytes(std::uint64_t memory_bytes) {
  return memory_bytes - low_memory_bytes(memory_bytes);
}

// Slots of `slot_bytes` each; those below start at `first_below`.
struct SlotPlaces {
  std::uint64_t first_below = 0;
  std::uint64_t slot_bytes = 1;
  std::uint64_t memory_bytes = 0;

  constexpr std::uint64_t above() const { return high_memory_bytes(memory_bytes) / slot_bytes; }
  constexpr bool hold(std::uint64_t slots) const {
    const std::uint64_t low = low_memory_bytes(memory_bytes);
    const std::uint64_t below = low < first_below ? 0 : (low - first_below) / slot_bytes;
    return low >= first_below && slots <= above() + below;
  }
  constexpr GuestAddr at(std::uint64_t slot) const {
    return slot < above() ? GuestAddr(kHighMemory + slot * slot_bytes)
                          : GuestAddr(first_below + (slot - above()) * slot_bytes);
  }
};

constexpr std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + sim::kPageSize - 1) & ~(sim::kPageSize - 1);
}

// Offsets inside a slot.
constexpr std::uint64_t slot_descriptors(const WorkloadConfig&) { return sim::kPageSize; }
constexpr std::uint64_t slot_records(const WorkloadConfig& w) {
  return slot_descriptors(w) + whole_pages(std::uint64_t{w.batch_members} * 64);
}
constexpr std::uint64_t slot_sources(const WorkloadConfig& w) {
  return slot_records(w) + whole_pages(std::uint64_t{w.batch_members} * 32);
}
constexpr std::uint64_t slot_destinations(const WorkloadConfig& w) {
  return slot_sources(w) + whole_pages(std::uint64_t{w.depth} * w.size);
}
constexpr std::uint64_t slot_bytes(const WorkloadConfig& w) {
  return slot_destinations(w) + whole_pages(std::uint64_t{w.depth} * w.size);
}

constexpr SlotPlaces slot_places(const WorkloadConfig& w, std::uint64_t memory_bytes) {
  return {kSlotsAddress.value(), slot_bytes(w), memory_bytes};
}

// Bytes of guest memory that the workload needs, in one piece.
constexpr std::uint64_t memory_needed(const WorkloadConfig& w) {
  return kSlotsAddress.value() + std::uint64_t{w.batches_in_flight} * slot_bytes(w);
}

constexpr bool known(GuestCompletions completions) {
  return completions <= GuestCompletions::kTimeoutResets;
}

// Whether the guest accepts this workload in this much memory. Sizes are whole 64-byte words: a
// copy of the pattern stays one.
constexpr bool workload_fits(const WorkloadConfig& w, std::uint64_t memory_bytes) {
  constexpr std::uint64_t kSizeMax = std::uint64_t{1} << 31;  // GENCAP max transfer
  return w.size >= 64 && w.size <= kSizeMax && w.size % 64 == 0 && w.depth >= 1 &&
         w.depth <= w.batch_members && w.batch_members >= 2 &&
         w.batch_members <= kBatchMembersMax && w.batches_in_flight >= 1 &&
         w.batches_in_flight <= kBatchesInFlightMax && w.verify_every >= 1 &&
         w.poll_interval_ns >= 1000 && known(w.completions) &&
         slot_places(w, memory_bytes).hold(w.batches_in_flight) &&
         (w.peer_buffer == 0 || w.batch_members % 2 == 0);
}

// How many batches keep a device of this rate busy for `gap_ms`: at least 2, so that there is work
// while the guest verifies.
constexpr std::uint32_t batches_for_gap(const WorkloadConfig& w, std::uint64_t bytes_per_second,
                                        std::uint64_t gap_ms) {
  const std::uint64_t batch = w.size * w.batch_members;
  const std::uint64_t bytes = bytes_per_second / 1000 * gap_ms;
  const std::uint64_t batches = bytes / batch + 2;
  return static_cast<std::uint32_t>(batches < kBatchesInFlightMax ? batches : kBatchesInFlightMax);
}

}  // namespace baton::vmm
