// The command protocol: one command at a time, active for a while, an interrupt at its end
// [DSA 341204, CMD and CMDSTATUS].
//
// A command takes effect when its fixed time is over; those that drain then wait for the
// descriptors accepted until that instant.
#include "model/devices/dsa/device.h"

namespace baton::devices::dsa {
namespace {

// Queues are named by a 16-bit bitmap and which sixteen it is about; this part has the first eight.
std::uint32_t bitmap_of(std::uint32_t operand) {
  const std::uint32_t which = operand >> 16 & 0xF;
  return which == 0 ? operand & 0xFFFF : 0;
}

}  // namespace

void Device::write_command(std::uint32_t value) {
  if (command_.active) {
    record_error(field::kSwerrorCode.put(kErrorCommandOverlap), 0);
    return;
  }
  command_ = {};
  command_.active = true;
  command_.code = static_cast<std::uint32_t>(field::kCommand.get(value));
  command_.operand = static_cast<std::uint32_t>(field::kOperand.get(value));
  command_.interrupt = field::kCommandInterrupt.get(value) != 0;
  registers_.set(offset::kCmdstatus, 4, field::kCommandActive.put(1));
  simulation_.schedule(command_event_, timing_.per_command);
  if (commands_taken_.active()) commands_taken_.publish({*this, command_.code});
}

void Device::on_command() {
  const CommandError error = check_command();
  if (error != CommandError::kNone) {
    end_command(error);
    return;
  }
  command_.begun = true;
  command_.ticket = last_ticket_;
  begin_command();
  try_finish_command();
}

CommandError Device::check_wq_operand(bool must_be_enabled) {
  if ((command_.operand >> 16 & 0xF) != 0 || command_.operand >> kWqCount != 0) {
    return CommandError::kBadWq;
  }
  command_.wqs = bitmap_of(command_.operand);
  for (std::uint32_t wq = 0; wq < kWqCount; ++wq) {
    if ((command_.wqs >> wq & 1) == 0 || !must_be_enabled) continue;
    if (registers_.wq_state(wq) != WqState::kEnabled) return CommandError::kWqNotEnabled;
  }
  return CommandError::kNone;
}

CommandError Device::check_command() {
  constexpr std::uint32_t kAllWqs = (1u << kWqCount) - 1;
  const DeviceState state = registers_.device_state();
  if (command_.code < 1 || command_.code > 12) return CommandError::kUnsupported;
  // Halt here always asks for more than the Reset Device command.
  if (state == DeviceState::kHalt) return CommandError::kHalted;
  const auto code = static_cast<Command>(command_.code);
  if (code <= Command::kResetDevice && command_.operand != 0) {
    return CommandError::kReservedOperand;
  }
  switch (code) {
    case Command::kEnableDevice:
      return check_enable_device(registers_, pci_enables());
    case Command::kDisableDevice:
      command_.wqs = kAllWqs;
      return state == DeviceState::kEnabled ? CommandError::kNone
                                            : CommandError::kDeviceNotEnabledAlready;
    case Command::kDrainAll:
    case Command::kAbortAll:
    case Command::kResetDevice:
      command_.wqs = kAllWqs;
      return CommandError::kNone;
    case Command::kEnableWq:
      if (command_.operand > 0xFF) return CommandError::kReservedOperand;
      return check_enable_wq(registers_, pci_enables(), command_.operand);
    case Command::kDisableWq:
    case Command::kDrainWq:
    case Command::kAbortWq:
      return check_wq_operand(true);
    case Command::kResetWq:
      return check_wq_operand(false);
    case Command::kDrainPasid:
    case Command::kAbortPasid:
      command_.wqs = wqs_with_pasid(command_.operand);
      return CommandError::kNone;
  }
  return CommandError::kUnsupported;
}

std::uint32_t Device::wqs_with_pasid(std::uint32_t pasid) const {
  std::uint32_t wqs = 0;
  for (std::uint32_t wq = 0; wq < kWqCount; ++wq) {
    if (const auto own = pasid_of(wq); own && own->value() == pasid) wqs |= 1u << wq;
  }
  return wqs;
}

void Device::stop_accepting(std::uint32_t wqs) {
  for (std::uint32_t wq = 0; wq < kWqCount; ++wq) {
    if ((wqs >> wq & 1) != 0 && registers_.wq_state(wq) == WqState::kEnabled) {
      registers_.set_wq_state(wq, WqState::kDisabling);
    }
  }
}

// What has not begun is dropped without a record; what has begun finishes.
void Device::abandon(std::uint32_t wqs) {
  if (descriptors_abandoned_.active()) descriptors_abandoned_.publish({*this, wqs});
  for (std::uint32_t wq = 0; wq < kWqCount; ++wq) {
    if ((wqs >> wq & 1) == 0) continue;
    queues_[wq].abandon();
    for (Engine& engine : engines_) engine.abandon(wq);
  }
}

void Device::begin_command() {
  switch (static_cast<Command>(command_.code)) {
    case Command::kResetDevice:
      if (registers_.device_state() == DeviceState::kEnabled) {
        registers_.set_device_state(DeviceState::kDisabling);
      }
      stop_accepting(command_.wqs);
      abandon(command_.wqs);
      break;
    case Command::kDisableDevice:
      registers_.set_device_state(DeviceState::kDisabling);
      stop_accepting(command_.wqs);
      break;
    case Command::kDisableWq:
      stop_accepting(command_.wqs);
      break;
    case Command::kResetWq:
      stop_accepting(command_.wqs);
      abandon(command_.wqs);
      break;
    case Command::kAbortAll:
    case Command::kAbortWq:
    case Command::kAbortPasid:
      abandon(command_.wqs);
      break;
    case Command::kEnableDevice:
    case Command::kEnableWq:
    case Command::kDrainAll:
    case Command::kDrainWq:
    case Command::kDrainPasid:
      break;
  }
}

bool Device::drained() const {
  for (std::uint32_t wq = 0; wq < kWqCount; ++wq) {
    if ((command_.wqs >> wq & 1) == 0) continue;
    const WorkQueue& queue = queues_[wq];
    if (!queue.empty() && queue.front().ticket <= command_.ticket) return false;
    for (const Engine& engine : engines_) {
      if (engine.holds(wq, command_.ticket)) return false;
    }
  }
  return true;
}

void Device::try_finish_command() {
  if (!command_.active || !command_.begun || !drained()) return;
  finish_command();
  end_command(CommandError::kNone);
}

void Device::finish_command() {
  const auto each_wq = [this](auto&& body) {
    for (std::uint32_t wq = 0; wq < kWqCount; ++wq) {
      if ((command_.wqs >> wq & 1) != 0) body(wq);
    }
  };
  switch (static_cast<Command>(command_.code)) {
    case Command::kEnableDevice:
      registers_.set_device_state(DeviceState::kEnabled);
      adopt_groups();
      break;
    case Command::kEnableWq:
      registers_.set_wq_state(command_.operand, WqState::kEnabled);
      break;
    case Command::kDisableDevice:
      registers_.set_device_state(DeviceState::kDisabled);
      [[fallthrough]];
    case Command::kDisableWq:
      each_wq([this](std::uint32_t wq) { registers_.set_wq_state(wq, WqState::kDisabled); });
      break;
    case Command::kResetWq:
      each_wq([this](std::uint32_t wq) { registers_.reset_wq(wq); });
      break;
    case Command::kResetDevice:
      registers_.reset_device();
      break;
    case Command::kDrainAll:
    case Command::kAbortAll:
    case Command::kDrainWq:
    case Command::kAbortWq:
    case Command::kDrainPasid:
    case Command::kAbortPasid:
      break;
  }
}

void Device::end_command(CommandError error) {
  const bool interrupt = command_.interrupt;
  simulation_.cancel(command_event_);
  command_ = {};
  registers_.set(offset::kCmdstatus, 4,
                 field::kCommandError.put(static_cast<std::uint64_t>(error)));
  if (interrupt) cause(field::kCauseCommand);
}

}  // namespace baton::devices::dsa
