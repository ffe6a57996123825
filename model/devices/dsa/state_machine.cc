#include "model/devices/dsa/state_machine.h"

namespace baton::devices::dsa {

namespace {

using D = DeviceState;
using DE = DeviceEvent;
using W = WqState;
using WE = WqEvent;
using C = CommandState;
using CE = CommandEvent;
using E = CommandError;

constexpr std::string_view kCommands = "DSA 341204, command descriptions";
constexpr std::string_view kStates = "DSA 341204, device states";
constexpr std::string_view kHalts = "DSA 341204, Halt";
constexpr std::string_view kQueues = "DSA 341204, WQ states";
constexpr std::string_view kResets = "DSA 341204, reset columns";
constexpr std::string_view kProtocol = "DSA 341204, CMD and CMDSTATUS";

// Guards.
constexpr std::string_view kEnableDevice =
    "bus master is on (12h); sizes (14h), groups (15h to 17h) and read buffers (18h) fit";
constexpr std::string_view kQueuesEnabled = "every named queue is enabled (32h)";
constexpr std::string_view kQueueNamed = "the queue exists (02h)";
constexpr std::string_view kEnableWq =
    "size (22h), priority (23h), block on fault (25h), PASID (26h), limits (27h, 28h), privilege "
    "(2Ah), operations (2Dh), page requests (2Eh)";
constexpr std::string_view kNeedsFlr = "only a function level reset ends it (GENSTS.3:2 = 1)";
constexpr std::string_view kLost = "descriptors in flight are lost without a record";

// No command can be looked at while the device is being disabled: the command that does it is
// active.
constexpr DeviceTable::Row kDevices[] = {
    {D::kDisabled, DE::kEnableDevice, D::kEnabled, {}, kCommands, kEnableDevice},
    {D::kDisabled, DE::kDisableDevice, D::kDisabled, E::kDeviceNotEnabledAlready, kCommands},
    {D::kDisabled, DE::kDrainAll, D::kDisabled, {}, kCommands},
    {D::kDisabled, DE::kAbortAll, D::kDisabled, {}, kCommands},
    {D::kDisabled, DE::kResetDevice, D::kDisabled, {}, kCommands},
    {D::kDisabled, DE::kEnableWq, D::kDisabled, E::kDeviceNotEnabled, kCommands},
    {D::kDisabled, DE::kDisableWq, D::kDisabled, {}, kCommands, kQueuesEnabled},
    {D::kDisabled, DE::kDrainWq, D::kDisabled, {}, kCommands, kQueuesEnabled},
    {D::kDisabled, DE::kAbortWq, D::kDisabled, {}, kCommands, kQueuesEnabled},
    {D::kDisabled, DE::kResetWq, D::kDisabled, {}, kCommands, kQueueNamed},
    {D::kDisabled, DE::kDrainPasid, D::kDisabled, {}, kCommands},
    {D::kDisabled, DE::kAbortPasid, D::kDisabled, {}, kCommands},
    {D::kDisabled, DE::kStopped, D::kDisabled, {}, kStates, "Reset Device of a disabled device"},
    {D::kDisabled, DE::kConfigChange, D::kDisabled, {}, kHalts, "allowed while disabled"},
    {D::kDisabled, DE::kHardwareReset, D::kDisabled, {}, kResets},
    {D::kEnabled, DE::kEnableDevice, D::kEnabled, E::kNotDisabled, kCommands},
    {D::kEnabled, DE::kDisableDevice, D::kDisabling, {}, kCommands},
    {D::kEnabled, DE::kDrainAll, D::kEnabled, {}, kCommands},
    {D::kEnabled, DE::kAbortAll, D::kEnabled, {}, kCommands},
    {D::kEnabled, DE::kResetDevice, D::kDisabling, {}, kCommands},
    {D::kEnabled, DE::kEnableWq, D::kEnabled, {}, kCommands, kQueueNamed},
    {D::kEnabled, DE::kDisableWq, D::kEnabled, {}, kCommands, kQueuesEnabled},
    {D::kEnabled, DE::kDrainWq, D::kEnabled, {}, kCommands, kQueuesEnabled},
    {D::kEnabled, DE::kAbortWq, D::kEnabled, {}, kCommands, kQueuesEnabled},
    {D::kEnabled, DE::kResetWq, D::kEnabled, {}, kCommands, kQueueNamed},
    {D::kEnabled, DE::kDrainPasid, D::kEnabled, {}, kCommands},
    {D::kEnabled, DE::kAbortPasid, D::kEnabled, {}, kCommands},
    {D::kEnabled, DE::kConfigChange, D::kHalt, {}, kHalts, kLost},
    {D::kEnabled, DE::kHardwareReset, D::kDisabled, {}, kResets},
    {D::kDisabling, DE::kStopped, D::kDisabled, {}, kStates, "everything affected has ended"},
    {D::kDisabling, DE::kConfigChange, D::kHalt, {}, kHalts, kLost},
    {D::kDisabling, DE::kHardwareReset, D::kDisabled, {}, kResets},
    {D::kHalt, DE::kEnableDevice, D::kHalt, E::kHalted, kHalts},
    {D::kHalt, DE::kDisableDevice, D::kHalt, E::kHalted, kHalts},
    {D::kHalt, DE::kDrainAll, D::kHalt, E::kHalted, kHalts},
    {D::kHalt, DE::kAbortAll, D::kHalt, E::kHalted, kHalts},
    {D::kHalt, DE::kResetDevice, D::kHalt, E::kHalted, kHalts, kNeedsFlr},
    {D::kHalt, DE::kEnableWq, D::kHalt, E::kHalted, kHalts},
    {D::kHalt, DE::kDisableWq, D::kHalt, E::kHalted, kHalts},
    {D::kHalt, DE::kDrainWq, D::kHalt, E::kHalted, kHalts},
    {D::kHalt, DE::kAbortWq, D::kHalt, E::kHalted, kHalts},
    {D::kHalt, DE::kResetWq, D::kHalt, E::kHalted, kHalts},
    {D::kHalt, DE::kDrainPasid, D::kHalt, E::kHalted, kHalts},
    {D::kHalt, DE::kAbortPasid, D::kHalt, E::kHalted, kHalts},
    {D::kHalt, DE::kConfigChange, D::kHalt, {}, kHalts},
    {D::kHalt, DE::kHardwareReset, D::kDisabled, {}, kResets},
};

// A queue stays as it is when the device halts, and until the reset.
constexpr WqTable::Row kWqs[] = {
    {W::kDisabled, WE::kEnable, W::kEnabled, {}, kCommands, kEnableWq},
    {W::kDisabled, WE::kDisable, W::kDisabled, E::kWqNotEnabled, kCommands},
    {W::kDisabled, WE::kDrain, W::kDisabled, E::kWqNotEnabled, kCommands},
    {W::kDisabled, WE::kAbort, W::kDisabled, E::kWqNotEnabled, kCommands},
    {W::kDisabled, WE::kReset, W::kDisabled, {}, kCommands},
    {W::kDisabled, WE::kDeviceStops, W::kDisabled, {}, kCommands},
    {W::kDisabled, WE::kStopped, W::kDisabled, {}, kQueues, "a command that names more queues"},
    {W::kDisabled, WE::kHardwareReset, W::kDisabled, {}, kResets},
    {W::kEnabled, WE::kEnable, W::kEnabled, E::kWqNotDisabled, kCommands},
    {W::kEnabled, WE::kDisable, W::kDisabling, {}, kCommands},
    {W::kEnabled, WE::kDrain, W::kEnabled, {}, kCommands},
    {W::kEnabled, WE::kAbort, W::kEnabled, {}, kCommands},
    {W::kEnabled, WE::kReset, W::kDisabling, {}, kCommands},
    {W::kEnabled, WE::kDeviceStops, W::kDisabling, {}, kCommands},
    {W::kEnabled, WE::kHardwareReset, W::kDisabled, {}, kResets},
    {W::kDisabling, WE::kStopped, W::kDisabled, {}, kQueues, "everything affected has ended"},
    {W::kDisabling, WE::kHardwareReset, W::kDisabled, {}, kResets},
};

constexpr CommandTable::Row kCommandRows[] = {
    {C::kIdle, CE::kWrite, C::kTaken, {}, kProtocol},
    {C::kIdle, CE::kHardwareReset, C::kIdle, {}, kResets},
    {C::kTaken, CE::kWrite, C::kTaken, SoftwareError::kCommandOverlap, kProtocol},
    {C::kTaken, CE::kBegin, C::kBegun, {}, kProtocol, "device and queues allow the command"},
    {C::kTaken, CE::kRefuse, C::kIdle, {}, kProtocol, "they do not; the error is in CMDSTATUS"},
    {C::kTaken, CE::kHalt, C::kIdle, {}, kHalts, "CMDSTATUS says 05h"},
    {C::kTaken, CE::kHardwareReset, C::kIdle, {}, kResets},
    {C::kBegun, CE::kWrite, C::kBegun, SoftwareError::kCommandOverlap, kProtocol},
    {C::kBegun,
     CE::kDrained,
     C::kIdle,
     {},
     kProtocol,
     "every descriptor accepted before has ended"},
    {C::kBegun, CE::kHalt, C::kIdle, {}, kHalts, "CMDSTATUS says 05h"},
    {C::kBegun, CE::kHardwareReset, C::kIdle, {}, kResets},
};

constexpr std::string_view kDeviceStates[] = {"disabled", "enabled", "disabling", "halt"};
constexpr std::string_view kDeviceEvents[] = {"Enable Device", "Disable Device",
                                              "Drain All",     "Abort All",
                                              "Reset Device",  "Enable WQ",
                                              "Disable WQ",    "Drain WQ",
                                              "Abort WQ",      "Reset WQ",
                                              "Drain PASID",   "Abort PASID",
                                              "stopped",       "PCI configuration changed",
                                              "hardware reset"};
constexpr std::string_view kWqStates[] = {"disabled", "enabled", "disabling"};
constexpr std::string_view kWqEvents[] = {"Enable WQ", "Disable WQ",    "Drain WQ",
                                          "Abort WQ",  "Reset WQ",      "device stops",
                                          "stopped",   "hardware reset"};
constexpr std::string_view kCommandStates[] = {"idle", "taken", "begun"};
constexpr std::string_view kCommandEvents[] = {"write of CMD", "begins", "refused",
                                               "drained",      "halt",   "hardware reset"};

constexpr DeviceTable kDeviceTable(kDevices, kDeviceStates, kDeviceEvents);
constexpr WqTable kWqTable(kWqs, kWqStates, kWqEvents);
constexpr CommandTable kCommandTable(kCommandRows, kCommandStates, kCommandEvents);

}  // namespace

const DeviceTable& device_table() { return kDeviceTable; }
const WqTable& wq_table() { return kWqTable; }
const CommandTable& command_table() { return kCommandTable; }

}  // namespace baton::devices::dsa
