// Registers, doorbells, enabling and resets [NVMe 1.4, 3.1, 7.3, 7.6].
#include "model/devices/nvme/controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace baton::devices::nvme {
namespace {

constexpr std::uint32_t all_free(std::uint32_t count) { return (1U << count) - 1; }

// Values of CC.SHN and CSTS.SHST.
constexpr std::uint32_t kShutdownOccurring = 1;
constexpr std::uint32_t kShutdownComplete = 2;

// Asynchronous events of type "error" [NVMe 1.4, figure 147].
constexpr std::uint8_t kInvalidDoorbell = 0;
constexpr std::uint8_t kInvalidDoorbellValue = 1;
constexpr std::uint32_t kErrorLog = 1;

}  // namespace

Controller::Command::Command(Controller& owner, sim::ActorId actor, std::uint32_t number)
    : controller(owner), step(*this, actor, "nvme-command", sim::Phase::kDevice), tag(number) {}

Controller::Transfer::Transfer(Controller& owner, sim::ActorId actor, std::uint32_t number)
    : controller(owner), arrived(*this, actor, "nvme-page", sim::Phase::kDevice), index(number) {}

Controller::Controller(sim::Simulation& simulation, const NvmeConfig& config)
    : Controller(simulation, config, nvme_config_space(config)) {}

Controller::Controller(sim::Simulation& simulation, const NvmeConfig& config,
                       pci::ConfigSpace space)
    : Function(simulation, config.name, std::move(space)),
      config_(config),
      disk_(config.capacity),
      registers_(config.buffer_bytes, kBufferBar),
      buffer_(config.buffer_bytes),
      free_transfers_(all_free(kTransfers)),
      state_event_(*this, actor(), "nvme-state", sim::Phase::kDevice),
      fetch_event_(*this, actor(), "nvme-fetch", sim::Phase::kDevice),
      issue_event_(*this, actor(), "nvme-issue", sim::Phase::kDevice),
      submitted_topic_(simulation.topic<CommandsSubmitted>()),
      started_topic_(simulation.topic<CommandStarted>()),
      done_topic_(simulation.topic<CommandDone>()),
      dropped_topic_(simulation.topic<CommandsDropped>()),
      failed_topic_(simulation.topic<ControllerFailed>()) {
  for (std::uint32_t i = 0; i < kTags; ++i) commands_.emplace_back(*this, actor(), i);
  for (std::uint32_t i = 0; i < kTransfers; ++i) transfers_.emplace_back(*this, actor(), i);
}

std::unique_ptr<pci::Function> make_nvme(sim::Simulation& simulation, const NvmeConfig& config) {
  return std::make_unique<Controller>(simulation, config);
}

std::unique_ptr<pci::Function> Controller::make_virtual_function(unsigned index) {
  NvmeConfig config = config_;
  config.name = fmt::format("{}-vf{}", config_.name, index + 1);
  config.vfs = 0;
  config.buffer_bytes = 0;
  return std::make_unique<Controller>(simulation_, config,
                                      nvme_virtual_config_space(this->config()));
}

// Accesses
// -----------------------------------------------------------------------------------------

// Registers are read in their own width or as dwords; doorbells read as zero [NVMe 1.4, 3.1].
void Controller::memory_read(pci::BarHit hit, std::span<std::byte> to) {
  if (hit.bar == kBufferBar) {
    std::memcpy(to.data(), buffer_.data() + hit.offset, to.size());
    return;
  }
  std::ranges::fill(to, std::byte{0});
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto at = static_cast<std::uint32_t>(hit.offset + i);
    to[i] = static_cast<std::byte>(registers_.read(at & ~3U) >> (8 * (at & 3)) & 0xFF);
  }
}

// Whole dwords only: the specification calls anything else undefined.
void Controller::memory_write(pci::BarHit hit, std::span<const std::byte> from) {
  if (hit.bar == kBufferBar) {
    std::memcpy(buffer_.data() + hit.offset, from.data(), from.size());
    return;
  }
  if (hit.offset % 4 != 0) return;
  for (std::size_t done = 0; done + 4 <= from.size(); done += 4) {
    std::uint32_t value = 0;
    std::memcpy(&value, from.data() + done, sizeof value);
    const auto at = static_cast<std::uint32_t>(hit.offset + done);
    at < offset::kDoorbells ? write_register(at, value) : ring(at, value);
  }
}

void Controller::write_register(std::uint32_t at, std::uint32_t value) {
  if (at == offset::kCc) {
    write_configuration(value);
    return;
  }
  registers_.write(at, value);
}

void Controller::write_configuration(std::uint32_t value) {
  const std::uint32_t before = registers_.read(offset::kCc);
  registers_.write(offset::kCc, value);
  const bool was_enabled = nvme::get(field::kEn, before) != 0;
  const bool enabled = registers_.get(field::kEn) != 0;
  if (enabled != was_enabled) {
    if (!enabled) {
      stop_work();
      const std::uint32_t ready = registers_.get(field::kRdy);
      registers_.reset_controller();
      registers_.set(field::kRdy, ready);  // until the reset is done
    }
    simulation_.cancel(state_event_);
    simulation_.schedule(state_event_, enabled ? config_.enable : config_.disable);
    return;
  }
  const std::uint32_t shutdown = registers_.get(field::kShn);
  if (shutdown != 0 && nvme::get(field::kShn, before) == 0 && enabled) {
    shut_down_ = true;
    registers_.set(field::kShst, kShutdownOccurring);
    if (!state_event_.scheduled()) simulation_.schedule(state_event_, config_.shutdown);
  }
}

// The change that CC asked for is done.
void Controller::on_state() {
  if (registers_.get(field::kShst) == kShutdownOccurring) {
    registers_.set(field::kShst, kShutdownComplete);
    return;
  }
  if (registers_.get(field::kEn) == 0) {
    registers_.set(field::kRdy, 0);
    return;
  }
  if (!configuration_legal()) {
    fail("CC, AQA, ASQ or ACQ holds what the controller does not support");
    return;
  }
  create_admin_queues();
  registers_.set(field::kRdy, 1);
}

// NVM command set, pages of 4 KiB, round robin, queues of two entries or more [NVMe 1.4, 7.6.1].
bool Controller::configuration_legal() const {
  return registers_.get(field::kCss) == 0 && registers_.get(field::kMps) == 0 &&
         registers_.get(field::kAms) == 0 && registers_.get(field::kAsqs) != 0 &&
         registers_.get(field::kAcqs) != 0;
}

void Controller::create_admin_queues() {
  submission_[0] = {.exists = true,
                    .base = registers_.admin_submission_base(),
                    .entries = registers_.get(field::kAsqs) + 1};
  completion_[0] = {.exists = true,
                    .base = registers_.admin_completion_base(),
                    .entries = registers_.get(field::kAcqs) + 1,
                    .interrupts = true};
}

bool Controller::working() const {
  return registers_.get(field::kRdy) != 0 && registers_.get(field::kEn) != 0 &&
         registers_.get(field::kCfs) == 0 && !shut_down_;
}

void Controller::ring(std::uint32_t at, std::uint32_t value) {
  if (!working()) return;
  const std::uint32_t doorbell = (at - offset::kDoorbells) / 4;
  const std::uint32_t queue = doorbell / 2;
  (doorbell & 1) == 0 ? ring_submission(queue, value & 0xFFFF)
                      : ring_completion(queue, value & 0xFFFF);
}

void Controller::ring_submission(std::uint32_t queue, std::uint32_t value) {
  if (queue >= kQueues || !submission_[queue].exists) return report_event(kInvalidDoorbell);
  SubmissionQueue& submission = submission_[queue];
  if (value >= submission.entries) return report_event(kInvalidDoorbellValue);
  const std::uint32_t before = submission.waiting();
  submission.tail = value;
  const std::uint32_t added = submission.waiting() - before;
  if (submitted_topic_.active() && added != 0 && submission.waiting() > before) {
    submitted_topic_.publish({*this, static_cast<std::uint16_t>(queue), added});
  }
  kick_fetch();
}

void Controller::ring_completion(std::uint32_t queue, std::uint32_t value) {
  if (queue >= kQueues || !completion_[queue].exists) return report_event(kInvalidDoorbell);
  if (value >= completion_[queue].entries) return report_event(kInvalidDoorbellValue);
  completion_[queue].head = value;
  // Who waited for room tries again, in order.
  for (const std::uint32_t tag : blocked_) {
    Command& command = commands_[tag];
    complete(command, command.status, command.result);
  }
  blocked_.clear();
}

// Events, failure, reset
// ---------------------------------------------------------------------------

// An error event; its kind is masked until the host has read the log page [NVMe 1.4, 5.2].
void Controller::report_event(std::uint8_t info) {
  if (events_.size() < kEventRequestsMax) events_.push_back(info);
  send_event();
}

void Controller::send_event() {
  if (events_.empty() || requested_.empty() || event_masked_) return;
  Command& command = commands_[requested_.front()];
  requested_.pop_front();
  const std::uint32_t info = events_.front();
  events_.pop_front();
  event_masked_ = true;
  complete(command, Status::kSuccess, kErrorLog << 16 | info << 8);
}

void Controller::fail(const char* why) {
  drop_commands(std::nullopt);
  registers_.set(field::kCfs, 1);
  simulation_.fold(actor(), "nvme-failed", 0);
  if (failed_topic_.active()) failed_topic_.publish({*this, why});
}

// Drops what is being carried out and what waits, of one submission queue or of all.
void Controller::drop_commands(std::optional<std::uint16_t> of_queue) {
  std::uint32_t dropped = 0;
  for (Transfer& transfer : transfers_) {
    const bool busy = (free_transfers_ >> transfer.index & 1) == 0;
    if (!busy || (of_queue && commands_[transfer.tag].queue != *of_queue)) continue;
    simulation_.cancel(transfer.arrived);
    free_transfers_ |= 1U << transfer.index;
  }
  for (Command& command : commands_) {
    if (command.stage == Stage::kFree || (of_queue && command.queue != *of_queue)) continue;
    simulation_.cancel(command.step);
    if (command.tag == fetching_) fetching_ = kNone;
    std::erase(moving_, command.tag);
    std::erase(blocked_, command.tag);
    std::erase(requested_, command.tag);
    command.stage = Stage::kFree;
    if (command.queue != 0) ++dropped;
  }
  for (std::uint16_t queue = 0; queue < kQueues; ++queue) {
    SubmissionQueue& submission = submission_[queue];
    if (!submission.exists || (of_queue && queue != *of_queue)) continue;
    if (queue != 0) dropped += submission.waiting();
    submission.head = submission.tail;
  }
  if (dropped != 0 && dropped_topic_.active()) dropped_topic_.publish({*this, dropped});
}

void Controller::stop_work() {
  drop_commands(std::nullopt);
  simulation_.cancel(fetch_event_);
  simulation_.cancel(issue_event_);
  submission_.fill({});
  completion_.fill({});
  features_.fill(0);
  events_.clear();
  event_masked_ = false;
  shut_down_ = false;
  turn_ = 0;
}

void Controller::on_reset(pci::ResetKind) {
  stop_work();
  simulation_.cancel(state_event_);
  registers_.reset();
}

}  // namespace baton::devices::nvme
