// The states of a DSA: its tables pair by pair, and the device against its tables.
#include "model/devices/dsa/state_machine.h"

#include "tests/devices/dsa/flat_machine.h"
#include "tests/support/state_walk.h"

using namespace baton;
namespace dsa = baton::devices::dsa;
using dsa::Command;
using dsa::DeviceState;
using dsa::WqState;
using test::FlatMachine;

namespace {

struct States {
  DeviceState device;
  WqState wq;
  friend bool operator==(const States&, const States&) = default;
};

States states_of(FlatMachine& machine) {
  return {static_cast<DeviceState>(machine.reg(0x90) & 3),
          static_cast<WqState>(machine.reg(0x818) >> 30)};
}

// Brings device and queue 0 there by the commands of a driver.
void reach(FlatMachine& machine, States wanted) {
  machine.configure();
  if (wanted.device == DeviceState::kDisabled) return;
  REQUIRE(machine.command(Command::kEnableDevice) == 0);
  if (wanted.wq == WqState::kEnabled) REQUIRE(machine.command(Command::kEnableWq) == 0);
  if (wanted.device == DeviceState::kHalt) machine.config_write(0x04, 2, 2);
}

std::optional<dsa::WqEvent> event_of_wq(Command command) {
  switch (command) {
    case Command::kEnableWq:
      return dsa::WqEvent::kEnable;
    case Command::kDisableWq:
      return dsa::WqEvent::kDisable;
    case Command::kDrainWq:
      return dsa::WqEvent::kDrain;
    case Command::kAbortWq:
      return dsa::WqEvent::kAbort;
    case Command::kResetWq:
      return dsa::WqEvent::kReset;
    case Command::kDisableDevice:
    case Command::kResetDevice:
      return dsa::WqEvent::kDeviceStops;
    default:
      return std::nullopt;
  }
}

// What the tables say of a command: its error, and the states when it is over.
std::uint32_t expect(States& states, Command command) {
  const auto& device = dsa::device_table().at(states.device, dsa::event_of(command));
  if (device.refused) return static_cast<std::uint32_t>(*device.refused);
  const auto event = event_of_wq(command);
  if (event) {
    const auto& wq = dsa::wq_table().at(states.wq, *event);
    if (wq.refused) return static_cast<std::uint32_t>(*wq.refused);
    states.wq = wq.next;
  }
  states.device = device.next;
  if (states.device == DeviceState::kDisabling) {
    states.device = dsa::device_table().at(states.device, dsa::DeviceEvent::kStopped).next;
  }
  if (states.wq == WqState::kDisabling) {
    states.wq = dsa::wq_table().at(states.wq, dsa::WqEvent::kStopped).next;
  }
  return 0;
}

bool names_queues(Command command) {
  return command >= Command::kDisableWq && command <= Command::kResetWq;
}

// A descriptor that is on its way, so that Disable Device waits.
void keep_busy(FlatMachine& machine) {
  machine.submit(test::make_move(0x100000, 0x200000, 1 << 20, 0x300000));
  machine.run(sim::Duration::microseconds(1));
}

}  // namespace

TEST_CASE("every state of a DSA meets every event as its table says, or not at all") {
  test::walk_pairs(dsa::device_table());
}

TEST_CASE("every state of a work queue meets every event as its table says, or not at all") {
  test::walk_pairs(dsa::wq_table());
}

TEST_CASE("every state of the command register meets every event as its table says") {
  test::walk_pairs(dsa::command_table());
}

TEST_CASE("each command in each state of device and queue is answered as the tables say") {
  const std::vector<States> all{{DeviceState::kDisabled, WqState::kDisabled},
                                {DeviceState::kEnabled, WqState::kDisabled},
                                {DeviceState::kEnabled, WqState::kEnabled},
                                {DeviceState::kHalt, WqState::kDisabled},
                                {DeviceState::kHalt, WqState::kEnabled}};
  std::set<std::uint32_t> errors;
  for (const States& from : all) {
    for (std::uint32_t code = 1; code <= 12; ++code) {
      const auto command = static_cast<Command>(code);
      const auto& event = dsa::device_table().name(dsa::event_of(command));
      INFO(event << " in " << dsa::device_table().name(from.device) << ", queue "
                 << dsa::wq_table().name(from.wq));
      FlatMachine machine;
      reach(machine, from);
      REQUIRE(states_of(machine) == from);
      States expected = from;
      const std::uint32_t error = expect(expected, command);
      CHECK(machine.command(command, names_queues(command) ? 1 : 0) == error);
      CHECK(states_of(machine) == expected);
      errors.insert(error);
    }
  }
  // Each refusal that the states have, and success.
  CHECK(errors == std::set<std::uint32_t>{0, 0x05, 0x10, 0x20, 0x21, 0x31, 0x32});
}

TEST_CASE("while a device is being disabled a command is dropped and logged, and a reset helps") {
  FlatMachine machine;
  machine.enable();
  keep_busy(machine);
  machine.set_reg(0xA0, static_cast<std::uint32_t>(Command::kDisableDevice) << 20);
  CHECK(machine.reg(0xA8) == 0x80000000);
  machine.run(sim::Duration::microseconds(2));
  REQUIRE(states_of(machine) == States{DeviceState::kDisabling, WqState::kDisabling});
  SECTION("another command") {
    machine.set_reg(0xA0, static_cast<std::uint32_t>(Command::kDrainAll) << 20);
    CHECK((machine.reg(0xC0, 8) >> 8 & 0xFF) == 0x52);
    machine.run(sim::Duration::milliseconds(1));
    CHECK(machine.reg(0xA8) == 0);
    CHECK(states_of(machine) == States{DeviceState::kDisabled, WqState::kDisabled});
    CHECK(machine.record(0x300000).status == 1);
  }
  SECTION("a change of the configuration") {
    machine.config_write(0x04, 2, 2);
    CHECK(states_of(machine) == States{DeviceState::kHalt, WqState::kDisabling});
    CHECK(machine.reg(0xA8) == 0x05);
    machine.run(sim::Duration::milliseconds(1));
    CHECK(machine.record(0x300000).status == 0);  // lost without a record
  }
  SECTION("a function level reset") {
    machine.config_write(0x48, 2, 0x8000);
    machine.config_write(0x10, 4, static_cast<std::uint32_t>(FlatMachine::kBar0));
    machine.config_write(0x14, 4, FlatMachine::kBar0 >> 32);
    machine.config_write(0x04, 2, 6);
    CHECK(states_of(machine) == States{DeviceState::kDisabled, WqState::kDisabled});
    CHECK(machine.reg(0xA8) == 0);
  }
}
