// The states of a DSA, of its work queues and of its command register [DSA 341204, chapters 3 and
// 9; linux drivers/dma/idxd/registers.h].
//
// The states of device and queues are bits that software reads: RegisterFile holds them and is
// their only writer. The first twelve events of a device are the commands, in the order of their
// codes.
#pragma once

#include <cstdint>

#include "model/devices/dsa/registers.h"
#include "sim/state_table.h"

namespace baton::devices::dsa {

// DeviceState and WqState are those of GENSTS and WQCFG (registers.h).
enum class DeviceEvent : std::uint8_t {
  kEnableDevice,
  kDisableDevice,
  kDrainAll,
  kAbortAll,
  kResetDevice,
  kEnableWq,
  kDisableWq,
  kDrainWq,
  kAbortWq,
  kResetWq,
  kDrainPasid,
  kAbortPasid,
  kStopped,        // what Disable or Reset Device waited for has ended
  kConfigChange,   // bus master cleared; ATS, PASID or PRI changed
  kHardwareReset,  // power-on, warm reset, function level reset
};
inline DeviceEvent event_of(Command command) {
  return static_cast<DeviceEvent>(static_cast<unsigned>(command) - 1);
}

enum class WqEvent : std::uint8_t {
  kEnable,
  kDisable,
  kDrain,
  kAbort,
  kReset,
  kDeviceStops,  // Disable Device or Reset Device begins
  kStopped,      // what a command waited for has ended
  kHardwareReset,
};

// CMD and CMDSTATUS: one command at a time.
enum class CommandState : std::uint8_t {
  kIdle,
  kTaken,  // active; its fixed time runs
  kBegun,  // waits for descriptors
};
enum class CommandEvent : std::uint8_t {
  kWrite,   // of CMD
  kBegin,   // its time is over, and it is allowed
  kRefuse,  // its time is over, and it is not
  kDrained,
  kHalt,
  kHardwareReset,
};

using DeviceTable = sim::StateTable<DeviceState, DeviceEvent, CommandError>;
using WqTable = sim::StateTable<WqState, WqEvent, CommandError>;
using CommandTable = sim::StateTable<CommandState, CommandEvent, SoftwareError>;

const DeviceTable& device_table();
const WqTable& wq_table();
const CommandTable& command_table();

}  // namespace baton::devices::dsa
