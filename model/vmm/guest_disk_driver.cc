// The guest's driver of its NVMe controller, in the order of Linux [linux drivers/nvme/host/pci.c,
// nvme_pci_configure_admin_queue, nvme_setup_io_queues; core.c, nvme_init_ctrl_finish]: disable,
// admin queues, enable, identify, number of queues, one completion and one submission queue,
// namespace. The admin queue is polled: its MSI-X entry has no virtual vector.
#include <array>

#include "model/devices/nvme/commands.h"
#include "model/devices/nvme/registers.h"
#include "model/vmm/guest_context.h"

namespace baton::vmm {
namespace {

using namespace devices::nvme;

constexpr std::uint64_t kAllOnes32 = 0xFFFFFFFF;
constexpr sim::Duration kMmio = sim::Duration::nanoseconds(500);
constexpr sim::Duration kStatePoll = sim::Duration::microseconds(100);
constexpr sim::Duration kAdminPoll = sim::Duration::microseconds(5);
constexpr std::uint64_t kAdminEntries = 64;
constexpr std::uint64_t kTimeoutPs = std::uint64_t{kTimeoutUnits} * 500'000'000'000;
constexpr std::uint16_t kIoQueue = 1;

enum AdminStep : std::uint64_t {
  kIdentifyController = 0,
  kSetQueues = 1,
  kCreateCompletion = 2,
  kCreateSubmission = 3,
  kIdentifyNamespace = 4,
  kSteps = 5,
};

void set_timeout(GuestContext& guest) {
  guest.r(kDeadline) = static_cast<std::uint64_t>(guest.cpu.now().ps()) + kTimeoutPs;
}

bool timed_out(GuestContext& guest) {
  return static_cast<std::uint64_t>(guest.cpu.now().ps()) > guest.r(kDeadline);
}

// CSTS; the guest has failed if it cannot be waited for any longer.
std::uint32_t poll_state(GuestContext& guest) {
  const auto status = static_cast<std::uint32_t>(guest.device_read(offset::kCsts, 4));
  if (status == kAllOnes32) {
    guest.fail(GuestFailure::kDeviceMissing, status);
  } else if (timed_out(guest)) {
    guest.fail(GuestFailure::kCommandFailed, status);
  }
  return status;
}

bool given_up(GuestContext& guest) { return guest.status.state == GuestState::kFailed; }

// All entries of the I/O completion queue, so that no old phase passes for a new one.
void clear_completion_queue(GuestContext& guest) {
  const WorkloadConfig& w = guest.workload();
  const std::array<std::byte, sim::kPageSize> zeros{};
  const std::uint64_t end = disk_slots(w);
  for (std::uint64_t at = disk_completions(w); at < end; at += sim::kPageSize) {
    guest.write(GuestAddr(at), zeros);
  }
}

SubmissionEntry admin_command(GuestContext& guest, std::uint64_t step) {
  const WorkloadConfig& w = guest.workload();
  const std::uint32_t size = disk_queue_entries(w) - 1;
  SubmissionEntry entry;
  entry.command_id = static_cast<std::uint16_t>(step);
  const auto opcode = [&entry](AdminOpcode code) {
    entry.opcode = static_cast<std::uint8_t>(code);
  };
  switch (step) {
    case kIdentifyController:
    case kIdentifyNamespace:
      opcode(AdminOpcode::kIdentify);
      entry.namespace_id = step == kIdentifyNamespace ? kNamespaceId : 0;
      entry.prp1 = guest.dma(kIdentifyAddress);
      entry.cdw10 = step == kIdentifyNamespace
                        ? static_cast<std::uint32_t>(IdentifyWhat::kNamespace)
                        : static_cast<std::uint32_t>(IdentifyWhat::kController);
      break;
    case kSetQueues:
      opcode(AdminOpcode::kSetFeatures);
      entry.cdw10 = static_cast<std::uint32_t>(Feature::kNumberOfQueues);
      entry.cdw11 = 0;  // one of each
      break;
    case kCreateCompletion:
      opcode(AdminOpcode::kCreateCompletionQueue);
      entry.prp1 = guest.dma(GuestAddr(disk_completions(w)));
      entry.cdw10 = size << 16 | kIoQueue;
      entry.cdw11 = std::uint32_t{kCompletionVector} << 16 | 1;                   // contiguous
      if (!has_completions(guest, GuestCompletions::kPolling)) entry.cdw11 |= 2;  // interrupts
      break;
    default:
      opcode(AdminOpcode::kCreateSubmissionQueue);
      entry.prp1 = guest.dma(kDiskQueuesAddress);
      entry.cdw10 = size << 16 | kIoQueue;
      entry.cdw11 = std::uint32_t{kIoQueue} << 16 | 1;
      break;
  }
  return entry;
}

// Whether the controller and its namespace can carry the workload.
bool suits(GuestContext& guest, std::uint64_t step) {
  constexpr std::uint64_t kMdtsByte = 77;
  constexpr std::uint64_t kLbadsByte = 130;
  const WorkloadConfig& w = guest.workload();
  if (step == kIdentifyController) {
    std::uint8_t limit = 0;
    guest.load(kIdentifyAddress + kMdtsByte, limit);
    return limit == 0 || (limit < 32 && w.size <= sim::kPageSize << limit);
  }
  if (step == kIdentifyNamespace) {
    std::uint64_t blocks = 0;
    std::uint8_t shift = 0;
    guest.load(kIdentifyAddress, blocks);
    guest.load(kIdentifyAddress + kLbadsByte, shift);
    return shift == 9 && disk_bytes_needed(w) / kBlockBytes <= blocks;
  }
  return true;
}

}  // namespace

GuestStep reset_disk(GuestContext& guest) {
  const std::uint64_t version = guest.device_read(offset::kVs, 4);
  if (version == kAllOnes32 || version == 0) {
    guest.fail(GuestFailure::kDeviceMissing, static_cast<std::uint32_t>(version));
    return {kMmio};
  }
  guest.status.state = GuestState::kBooting;
  guest.device_write(offset::kCc, 4, 0);
  set_timeout(guest);
  guest.go(Routine::kDiskDisabling);
  return {kMmio * 2};
}

GuestStep wait_disk_disabled(GuestContext& guest) {
  const std::uint32_t state = poll_state(guest);
  if (given_up(guest) || get(field::kRdy, state) != 0) return {kStatePoll};
  const std::array<std::byte, sim::kPageSize> zeros{};
  guest.write(kAdminSubmissionAddress, zeros);
  guest.write(kAdminCompletionAddress, zeros);
  guest.device_write(offset::kAqa, 4,
                     put(field::kAsqs, kAdminEntries - 1) | put(field::kAcqs, kAdminEntries - 1));
  guest.device_write(offset::kAsq, 8, guest.dma(kAdminSubmissionAddress));
  guest.device_write(offset::kAcq, 8, guest.dma(kAdminCompletionAddress));
  guest.device_write(offset::kCc, 4,
                     put(field::kEn, 1) | put(field::kIosqes, 6) | put(field::kIocqes, 4));
  set_timeout(guest);
  guest.r(kAdminStep) = 0;
  guest.go(Routine::kDiskEnabling);
  return {kMmio * 4};
}

GuestStep wait_disk_enabled(GuestContext& guest) {
  const std::uint32_t state = poll_state(guest);
  if (given_up(guest)) return {kStatePoll};
  if (get(field::kCfs, state) != 0) {
    guest.fail(GuestFailure::kDeviceHalted, state);
  } else if (get(field::kRdy, state) != 0) {
    guest.go(Routine::kDiskAdmin);
  }
  return {kStatePoll};
}

// Each admin command is sent when the one before it has ended: entry and doorbell are its number.
GuestStep send_disk_admin(GuestContext& guest) {
  const std::uint64_t step = guest.r(kAdminStep) % kSteps;
  if (step == kCreateCompletion) clear_completion_queue(guest);
  const SubmissionEntry entry = admin_command(guest, step);
  guest.store(kAdminSubmissionAddress + step * sizeof(SubmissionEntry), entry);
  guest.device_write(offset::kDoorbells, 4, step + 1);
  set_timeout(guest);
  guest.go(Routine::kDiskAdminWait);
  return {kMmio + copy_cost(sizeof entry)};
}

GuestStep wait_disk_admin(GuestContext& guest) {
  const std::uint64_t step = guest.r(kAdminStep) % kSteps;
  CompletionEntry entry;
  guest.load(kAdminCompletionAddress + step * sizeof(CompletionEntry), entry);
  if (!entry.phase()) {
    const std::uint32_t state = poll_state(guest);
    if (!given_up(guest) && get(field::kCfs, state) != 0) {
      guest.fail(GuestFailure::kDeviceHalted, state);
    }
    return {kAdminPoll};
  }
  guest.device_write(offset::kDoorbells + 4, 4, step + 1);
  if (entry.code() != Status::kSuccess || entry.command_id != step) {
    guest.fail(GuestFailure::kCommandFailed, static_cast<std::uint32_t>(entry.code()));
  } else if (!suits(guest, step)) {
    guest.fail(GuestFailure::kBadBootInfo, static_cast<std::uint32_t>(step));
  } else if (step + 1 == kSteps) {
    return start_disk_workload(guest);
  } else {
    guest.r(kAdminStep) = step + 1;
    guest.go(Routine::kDiskAdmin);
  }
  return {kMmio};
}

bool disk_alive(GuestContext& guest) {
  const auto state = static_cast<std::uint32_t>(guest.device_read(offset::kCsts, 4));
  if (state == kAllOnes32) {
    guest.fail(GuestFailure::kDeviceMissing, state);
    return false;
  }
  if (get(field::kCfs, state) != 0) {
    guest.fail(GuestFailure::kDeviceHalted, state);
    return false;
  }
  if (get(field::kRdy, state) != 0) return true;
  // Somebody reset it. What was in flight never completes.
  ++guest.status.driver_resets;
  guest.status.batches_lost += guest.r(kInFlight);
  guest.go(Routine::kDiskReset);
  return false;
}

}  // namespace baton::vmm
