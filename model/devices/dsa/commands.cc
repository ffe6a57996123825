// The command protocol: one command at a time, active for a while, an interrupt at its end
// [DSA 341204, CMD and CMDSTATUS].
//
// A command takes effect when its fixed time is over; those that drain then wait for the
// descriptors accepted until that instant. What a command does or is answered in which state of the
// device and of its queues is in the tables of state_machine.cc.
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
  if (const auto taken = command_state_.apply(CommandEvent::kWrite); !taken) {
    record_error(field::kSwerrorCode.put(static_cast<std::uint64_t>(taken.error())), 0);
    return;
  }
  command_ = {};
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
    end_command(CommandEvent::kRefuse, error);
    return;
  }
  command_state_.commit(CommandEvent::kBegin);
  command_.ticket = last_ticket_;
  begin_command();
  try_finish_command();
}

CommandError Device::check_wq_operand(WqEvent event) {
  if ((command_.operand >> 16 & 0xF) != 0 || command_.operand >> kWqCount != 0) {
    return CommandError::kBadWq;
  }
  command_.wqs = bitmap_of(command_.operand);
  for (std::uint32_t wq = 0; wq < kWqCount; ++wq) {
    if ((command_.wqs >> wq & 1) == 0) continue;
    const CommandError by_state = registers_.check(wq, event);
    if (by_state != CommandError::kNone) return by_state;
  }
  return CommandError::kNone;
}

CommandError Device::check_command() {
  constexpr std::uint32_t kAllWqs = (1u << kWqCount) - 1;
  if (command_.code < 1 || command_.code > 12) return CommandError::kUnsupported;
  const auto code = static_cast<Command>(command_.code);
  const CommandError by_state = registers_.check(event_of(code));
  // Who is in Halt looks at no operand.
  if (by_state == CommandError::kHalted) return by_state;
  const std::uint32_t operand_most = code <= Command::kResetDevice ? 0
                                     : code == Command::kEnableWq  ? 0xFF
                                                                   : ~std::uint32_t{0};
  if (command_.operand > operand_most) return CommandError::kReservedOperand;
  if (by_state != CommandError::kNone) return by_state;
  switch (code) {
    case Command::kEnableDevice:
      return check_enable_device(registers_, pci_enables());
    case Command::kDisableDevice:
    case Command::kDrainAll:
    case Command::kAbortAll:
    case Command::kResetDevice:
      command_.wqs = kAllWqs;
      return CommandError::kNone;
    case Command::kEnableWq:
      return check_enable_wq(registers_, pci_enables(), command_.operand);
    case Command::kDisableWq:
      return check_wq_operand(WqEvent::kDisable);
    case Command::kDrainWq:
      return check_wq_operand(WqEvent::kDrain);
    case Command::kAbortWq:
      return check_wq_operand(WqEvent::kAbort);
    case Command::kResetWq:
      return check_wq_operand(WqEvent::kReset);
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

void Device::commit_wqs(WqEvent event) {
  for (std::uint32_t wq = 0; wq < kWqCount; ++wq) {
    if ((command_.wqs >> wq & 1) != 0) registers_.commit(wq, event);
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
      registers_.commit(DeviceEvent::kResetDevice);
      commit_wqs(WqEvent::kDeviceStops);
      abandon(command_.wqs);
      break;
    case Command::kDisableDevice:
      registers_.commit(DeviceEvent::kDisableDevice);
      commit_wqs(WqEvent::kDeviceStops);
      break;
    case Command::kDisableWq:
      commit_wqs(WqEvent::kDisable);
      break;
    case Command::kResetWq:
      commit_wqs(WqEvent::kReset);
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
  if (command_state_.value() != CommandState::kBegun || !drained()) return;
  finish_command();
  end_command(CommandEvent::kDrained, CommandError::kNone);
}

void Device::finish_command() {
  switch (static_cast<Command>(command_.code)) {
    case Command::kEnableDevice:
      registers_.commit(DeviceEvent::kEnableDevice);
      adopt_groups();
      break;
    case Command::kEnableWq:
      registers_.commit(command_.operand, WqEvent::kEnable);
      break;
    case Command::kDisableDevice:
      registers_.commit(DeviceEvent::kStopped);
      [[fallthrough]];
    case Command::kDisableWq:
      commit_wqs(WqEvent::kStopped);
      break;
    case Command::kResetWq:
      for (std::uint32_t wq = 0; wq < kWqCount; ++wq) {
        if ((command_.wqs >> wq & 1) != 0) registers_.reset_wq(wq);
      }
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

void Device::end_command(CommandEvent by, CommandError error) {
  command_state_.commit(by);
  const bool interrupt = command_.interrupt;
  simulation_.cancel(command_event_);
  command_ = {};
  registers_.set(offset::kCmdstatus, 4,
                 field::kCommandError.put(static_cast<std::uint64_t>(error)));
  if (interrupt) cause(field::kCauseCommand);
}

}  // namespace baton::devices::dsa
