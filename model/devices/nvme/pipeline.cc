// From the submission queue to the completion queue [NVMe 1.4, 4.1, 7.2].
#include <algorithm>
#include <cstring>

#include "model/devices/nvme/controller.h"

namespace baton::devices::nvme {
namespace {

constexpr std::uint64_t digest(std::uint16_t queue, const SubmissionEntry& entry, Status status) {
  return std::uint64_t{static_cast<std::uint16_t>(status)} << 48 | std::uint64_t{queue} << 32 |
         std::uint64_t{entry.command_id} << 8 | entry.opcode;
}

}  // namespace

void Controller::kick_fetch() {
  if (fetching_ == kNone && !fetch_event_.scheduled()) {
    simulation_.schedule(fetch_event_, config_.per_fetch);
  }
}

Controller::Command* Controller::free_command() {
  const auto found = std::ranges::find(commands_, Stage::kFree, &Command::stage);
  return found == commands_.end() ? nullptr : &*found;
}

// Round robin over the queues that have commands.
std::optional<std::uint16_t> Controller::next_queue() {
  for (std::uint32_t i = 0; i < kQueues; ++i) {
    const std::uint32_t queue = (turn_ + i) % kQueues;
    if (!submission_[queue].exists || submission_[queue].empty()) continue;
    turn_ = (queue + 1) % kQueues;
    return static_cast<std::uint16_t>(queue);
  }
  return std::nullopt;
}

void Controller::on_fetch() {
  if (!working() || fetching_ != kNone) return;
  Command* command = free_command();
  if (command == nullptr) return;  // who ends kicks
  const auto queue = next_queue();
  if (!queue) return;
  SubmissionQueue& submission = submission_[*queue];
  command->stage = Stage::kFetching;
  command->queue = *queue;
  command->status = Status::kSuccess;
  command->result = 0;
  command->length = 0;
  command->issued = 0;
  command->outstanding = 0;
  const std::uint64_t address = submission.base + submission.head * sizeof(SubmissionEntry);
  const pci::Completion completion =
      read(address, std::as_writable_bytes(std::span(&command->entry, 1)));
  command->fetch_failed = completion.status != pci::CompletionStatus::kSuccess;
  submission.head = (submission.head + 1) % submission.entries;
  fetching_ = command->tag;
  simulation_.schedule(command->step, completion.latency);
}

void Controller::Command::on_step() {
  switch (stage) {
    case Stage::kFetching:
      controller.fetching_ = kNone;
      controller.fetched(*this);
      return;
    case Stage::kMoving:
      controller.list_arrived(*this);
      return;
    case Stage::kCompleting:
      controller.post(*this);
      return;
    case Stage::kFree:
    case Stage::kBlocked:
    case Stage::kHeld:
      return;
  }
}

void Controller::fetched(Command& command) {
  if (command.fetch_failed) {
    fail("a command cannot be fetched");
    return;
  }
  if (started_topic_.active()) {
    started_topic_.publish({*this, command.queue, command.entry.command_id, command.entry.opcode});
  }
  const bool conflict = std::ranges::any_of(commands_, [&command](const Command& other) {
    return other.tag != command.tag && other.stage != Stage::kFree &&
           other.queue == command.queue && other.entry.command_id == command.entry.command_id;
  });
  if (conflict) {
    complete(command, Status::kCommandIdConflict);
  } else if (command.queue == 0) {
    admin(command);
  } else {
    start_io(command);
  }
  kick_fetch();
}

void Controller::start_io(Command& command) {
  const Status verdict = check_io(command);
  if (verdict != Status::kSuccess) {
    complete(command, verdict);
  } else if (command.opcode() == Opcode::kFlush) {
    complete(command, Status::kSuccess);  // what is written is on the disk
  } else {
    command.disk_offset =
        (std::uint64_t{command.entry.cdw11} << 32 | command.entry.cdw10) * kBlockBytes;
    command.length = std::uint64_t{(command.entry.cdw12 & 0xFFFF) + 1} * kBlockBytes;
    start_data(command);
  }
}

// In the order in which the specification ranks what is wrong: opcode, fields, range.
Status Controller::check_io(Command& command) const {
  const SubmissionEntry& entry = command.entry;
  const bool moves = entry.opcode == static_cast<std::uint8_t>(Opcode::kWrite) ||
                     entry.opcode == static_cast<std::uint8_t>(Opcode::kRead);
  if (!moves && entry.opcode != static_cast<std::uint8_t>(Opcode::kFlush)) {
    return Status::kInvalidOpcode;
  }
  if (entry.flags != 0) return Status::kInvalidField;  // fused, or a scatter gather list
  const bool all = !moves && entry.namespace_id == kAllNamespaces;
  if (entry.namespace_id != kNamespaceId && !all) return Status::kInvalidNamespace;
  if (!moves) return Status::kSuccess;
  const std::uint64_t blocks = (entry.cdw12 & 0xFFFF) + 1;
  if (blocks * kBlockBytes > kTransferMax) return Status::kInvalidField;
  const std::uint64_t first = std::uint64_t{entry.cdw11} << 32 | entry.cdw10;
  const std::uint64_t size = disk_.capacity() / kBlockBytes;
  if (first >= size || blocks > size - first) return Status::kLbaOutOfRange;
  return Status::kSuccess;
}

void Controller::complete(Command& command, Status status, std::uint32_t result) {
  command.status = status;
  command.result = result;
  command.stage = Stage::kCompleting;
  if (!command.step.scheduled()) simulation_.schedule(command.step, config_.per_command);
}

void Controller::release(Command& command) {
  command.stage = Stage::kFree;
  kick_fetch();
}

// The completion entry, then its interrupt. Entries wait for room in their queue.
void Controller::post(Command& command) {
  CompletionQueue& queue = completion_[submission_[command.queue].completion_queue];
  if (queue.full()) {
    command.stage = Stage::kBlocked;
    blocked_.push_back(command.tag);
    return;
  }
  const SubmissionQueue& submission = submission_[command.queue];
  const auto code = static_cast<std::uint16_t>(command.status);
  const CompletionEntry entry{
      .result = command.result,
      .submission_head = static_cast<std::uint16_t>(submission.head),
      .submission_queue = command.queue,
      .command_id = command.entry.command_id,
      .status = static_cast<std::uint16_t>(code << 1 | (queue.phase ? 1 : 0))};
  simulation_.fold(actor(), "nvme-completion",
                   digest(command.queue, command.entry, command.status));
  const std::uint64_t address = queue.base + queue.tail * sizeof(CompletionEntry);
  const pci::Completion sent = write(address, std::as_bytes(std::span(&entry, 1)));
  if (sent.status != pci::CompletionStatus::kSuccess) {
    fail("a completion entry cannot be sent");
    return;
  }
  queue.tail = (queue.tail + 1) % queue.entries;
  if (queue.tail == 0) queue.phase = !queue.phase;
  if (queue.interrupts) signal_msix(queue.vector);
  const CommandDone done{*this,
                         command.queue,
                         command.entry.command_id,
                         command.entry.opcode,
                         command.status,
                         command.status == Status::kSuccess ? command.length : 0};
  release(command);
  if (done_topic_.active()) done_topic_.publish(done);
}

}  // namespace baton::devices::nvme
