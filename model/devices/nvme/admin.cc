// The admin commands [NVMe 1.4, 5].
#include <algorithm>

#include "model/devices/nvme/controller.h"

namespace baton::devices::nvme {
namespace {

constexpr std::uint64_t kPageMask = sim::kPageSize - 1;

// Values of SEL in Get Features.
constexpr std::uint32_t kSupportedCapabilities = 3;
constexpr std::uint32_t kChangeable = 1U << 2;

constexpr bool known(std::uint32_t feature) {
  return feature != 0 && feature != 3 && feature <= 0x0B;  // 03h: LBA ranges, optional
}

constexpr std::uint32_t default_of(Feature feature) {
  switch (feature) {
    case Feature::kVolatileWriteCache:
      return 1;
    case Feature::kNumberOfQueues:
      return (kIoQueuePairs - 1) << 16 | (kIoQueuePairs - 1);
    case Feature::kTemperatureThreshold:
      return 0x0157;
    default:
      return 0;
  }
}

}  // namespace

void Controller::admin(Command& command) {
  const SubmissionEntry& entry = command.entry;
  Status status = Status::kInvalidOpcode;
  if (entry.flags != 0) {
    complete(command, Status::kInvalidField);
    return;
  }
  switch (static_cast<AdminOpcode>(entry.opcode)) {
    case AdminOpcode::kIdentify:
      status = identify(command);
      break;
    case AdminOpcode::kGetLogPage:
      status = get_log_page(command);
      break;
    case AdminOpcode::kCreateCompletionQueue:
      status = create_completion_queue(entry);
      break;
    case AdminOpcode::kCreateSubmissionQueue:
      status = create_submission_queue(entry);
      break;
    case AdminOpcode::kDeleteCompletionQueue:
      status = delete_completion_queue(entry);
      break;
    case AdminOpcode::kDeleteSubmissionQueue:
      status = delete_submission_queue(entry);
      break;
    case AdminOpcode::kSetFeatures:
      status = set_features(command);
      break;
    case AdminOpcode::kGetFeatures:
      status = get_features(command);
      break;
    case AdminOpcode::kAbort:
      command.result = 1;  // not aborted
      status = Status::kSuccess;
      break;
    case AdminOpcode::kAsynchronousEventRequest:
      if (requested_.size() < kEventRequestsMax) {
        command.stage = Stage::kHeld;
        requested_.push_back(command.tag);
        send_event();
        return;
      }
      status = Status::kEventRequestLimit;
      break;
  }
  complete(command, status, command.result);
}

// At most one page, at any dword of it, and the start of a second one.
Status Controller::send_admin_data(const SubmissionEntry& entry, std::span<const std::byte> data) {
  const std::uint64_t room = sim::kPageSize - (entry.prp1 & kPageMask);
  const auto first = data.first(std::min<std::uint64_t>(data.size(), room));
  const auto second = data.subspan(first.size());
  if (entry.prp1 % 4 != 0) return Status::kInvalidPrpOffset;
  if (!second.empty() && (entry.prp2 & kPageMask) != 0) return Status::kInvalidPrpOffset;
  pci::Completion sent = write(entry.prp1, first);
  if (sent.status == pci::CompletionStatus::kSuccess && !second.empty()) {
    sent = write(entry.prp2, second);
  }
  return sent.status == pci::CompletionStatus::kSuccess ? Status::kSuccess
                                                        : Status::kDataTransferError;
}

Status Controller::identify(const Command& command) {
  const SubmissionEntry& entry = command.entry;
  IdentifyData data{};
  switch (static_cast<IdentifyWhat>(entry.cdw10 & 0xFF)) {
    case IdentifyWhat::kController:
      data = identify_controller(name());
      break;
    case IdentifyWhat::kNamespace:
      // All ones asks for what namespaces have in common, which needs namespace management.
      if (entry.namespace_id != kNamespaceId) return Status::kInvalidNamespace;
      data = identify_namespace(disk_.capacity());
      break;
    case IdentifyWhat::kActiveNamespaces:
      if (entry.namespace_id >= 0xFFFFFFFE) return Status::kInvalidNamespace;
      data = identify_active_namespaces(entry.namespace_id);
      break;
    case IdentifyWhat::kNamespaceDescriptors:
      if (entry.namespace_id != kNamespaceId) return Status::kInvalidNamespace;
      data = identify_descriptors(name());
      break;
    default:
      return Status::kInvalidField;
  }
  return send_admin_data(entry, data);
}

Status Controller::get_log_page(const Command& command) {
  const SubmissionEntry& entry = command.entry;
  const std::uint64_t dwords = (std::uint64_t{entry.cdw11 & 0xFFFF} << 16 | entry.cdw10 >> 16) + 1;
  if (dwords * 4 > sim::kPageSize || entry.cdw12 != 0 || entry.cdw13 != 0) {
    return Status::kInvalidField;  // beyond the pages, or an offset, which LPA does not offer
  }
  IdentifyData data{};
  switch (entry.cdw10 & 0xFF) {
    case 1:  // errors: none is kept
      if ((entry.cdw10 >> 15 & 1) == 0) {
        event_masked_ = false;
        send_event();
      }
      break;
    case 2:
      data = health_log();
      break;
    case 3:
      data = firmware_log();
      break;
    default:
      return Status::kInvalidLogPage;
  }
  return send_admin_data(entry, std::span(data).first(dwords * 4));
}

Status Controller::create_completion_queue(const SubmissionEntry& entry) {
  const std::uint32_t id = entry.cdw10 & 0xFFFF;
  const std::uint32_t entries = (entry.cdw10 >> 16) + 1;
  const auto vector = static_cast<std::uint16_t>(entry.cdw11 >> 16);
  if (id == 0 || id >= kQueues || completion_[id].exists) return Status::kInvalidQueueId;
  // AMBIGUOUS: which status tells that CC.IOCQES does not fit; the size of the queue is taken.
  if (entries < 2 || entries > kQueueEntriesMax || registers_.get(field::kIocqes) != 4) {
    return Status::kInvalidQueueSize;
  }
  if ((entry.cdw11 & 1) == 0) return Status::kInvalidField;  // not contiguous
  if (vector >= kMsixVectors) return Status::kInvalidInterruptVector;
  if ((entry.prp1 & kPageMask) != 0) return Status::kInvalidPrpOffset;
  completion_[id] = {.exists = true,
                     .base = entry.prp1,
                     .entries = entries,
                     .interrupts = (entry.cdw11 & 2) != 0,
                     .vector = vector};
  return Status::kSuccess;
}

Status Controller::create_submission_queue(const SubmissionEntry& entry) {
  const std::uint32_t id = entry.cdw10 & 0xFFFF;
  const std::uint32_t entries = (entry.cdw10 >> 16) + 1;
  const std::uint32_t completion = entry.cdw11 >> 16;
  if (id == 0 || id >= kQueues || submission_[id].exists) return Status::kInvalidQueueId;
  if (entries < 2 || entries > kQueueEntriesMax || registers_.get(field::kIosqes) != 6) {
    return Status::kInvalidQueueSize;
  }
  if ((entry.cdw11 & 1) == 0) return Status::kInvalidField;
  if (completion == 0 || completion >= kQueues) return Status::kInvalidQueueId;
  if (!completion_[completion].exists) return Status::kCompletionQueueInvalid;
  if ((entry.prp1 & kPageMask) != 0) return Status::kInvalidPrpOffset;
  submission_[id] = {.exists = true,
                     .base = entry.prp1,
                     .entries = entries,
                     .completion_queue = static_cast<std::uint16_t>(completion)};
  return Status::kSuccess;
}

Status Controller::delete_completion_queue(const SubmissionEntry& entry) {
  const std::uint32_t id = entry.cdw10 & 0xFFFF;
  if (id == 0 || id >= kQueues || !completion_[id].exists) return Status::kInvalidQueueId;
  const bool used = std::ranges::any_of(submission_, [id](const SubmissionQueue& queue) {
    return queue.exists && queue.completion_queue == id;
  });
  if (used) return Status::kInvalidQueueDeletion;
  completion_[id] = {};
  return Status::kSuccess;
}

// Commands that have been fetched end with a completion entry that says so, if there is room for
// it; the others are gone [NVMe 1.4, 5.6].
Status Controller::delete_submission_queue(const SubmissionEntry& entry) {
  const std::uint32_t id = entry.cdw10 & 0xFFFF;
  if (id == 0 || id >= kQueues || !submission_[id].exists) return Status::kInvalidQueueId;
  const auto queue = static_cast<std::uint16_t>(id);
  for (Transfer& transfer : transfers_) {
    const bool busy = (free_transfers_ >> transfer.index & 1) == 0;
    if (!busy || commands_[transfer.tag].queue != queue) continue;
    simulation_.cancel(transfer.arrived);
    free_transfers_ |= 1U << transfer.index;
  }
  for (Command& command : commands_) {
    if (command.queue != queue || command.stage == Stage::kFree ||
        command.stage == Stage::kFetching || command.stage == Stage::kBlocked) {
      continue;
    }
    simulation_.cancel(command.step);
    std::erase(moving_, command.tag);
    command.status = Status::kSubmissionQueueDeleted;
    post(command);
    if (!working()) return Status::kSuccess;
  }
  drop_commands(queue);
  submission_[id] = {};
  schedule_issue(simulation_.now());
  return Status::kSuccess;
}

bool Controller::io_queue_exists() const {
  return std::ranges::any_of(submission_.begin() + 1, submission_.end(),
                             &SubmissionQueue::exists) ||
         std::ranges::any_of(completion_.begin() + 1, completion_.end(), &CompletionQueue::exists);
}

Status Controller::set_features(Command& command) {
  const SubmissionEntry& entry = command.entry;
  const std::uint32_t id = entry.cdw10 & 0xFF;
  if (!known(id)) return Status::kInvalidField;
  if (entry.cdw10 >> 31 != 0) return Status::kFeatureNotSaveable;
  std::uint32_t value = entry.cdw11;
  if (static_cast<Feature>(id) == Feature::kNumberOfQueues) {
    const std::uint32_t submission = value & 0xFFFF;
    const std::uint32_t completion = value >> 16;
    if (submission == 0xFFFF || completion == 0xFFFF) return Status::kInvalidField;
    if (io_queue_exists()) return Status::kCommandSequenceError;
    value = std::min(completion, kIoQueuePairs - 1) << 16 | std::min(submission, kIoQueuePairs - 1);
    command.result = value;
  }
  const bool vector_setting = static_cast<Feature>(id) == Feature::kInterruptVector;
  if (vector_setting && (value & 0xFFFF) >= kMsixVectors) return Status::kInvalidField;
  if (static_cast<Feature>(id) == Feature::kPowerManagement && (value & 0x1F) != 0) {
    return Status::kInvalidField;  // there is one power state
  }
  // What is kept is the difference to the default, so that a reset is all zeros.
  features_[id] = value ^ default_of(static_cast<Feature>(id));
  return Status::kSuccess;
}

Status Controller::get_features(Command& command) {
  const SubmissionEntry& entry = command.entry;
  const std::uint32_t id = entry.cdw10 & 0xFF;
  const std::uint32_t select = entry.cdw10 >> 8 & 7;
  if (!known(id) || select > kSupportedCapabilities) return Status::kInvalidField;
  const std::uint32_t preset = default_of(static_cast<Feature>(id));
  if (select == kSupportedCapabilities) {
    command.result = kChangeable;
  } else if (static_cast<Feature>(id) == Feature::kInterruptVector) {
    const std::uint32_t vector = entry.cdw11 & 0xFFFF;
    if (vector >= kMsixVectors) return Status::kInvalidField;
    command.result = 1U << 16 | vector;  // coalescing is off for it
  } else {
    command.result = select == 0 ? features_[id] ^ preset : preset;
  }
  return Status::kSuccess;
}

}  // namespace baton::devices::nvme
