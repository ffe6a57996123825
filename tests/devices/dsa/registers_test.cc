// Registers, commands, states of the DSA [DSA 341204, chapters 3 and 9].
#include "model/devices/dsa/register_file.h"
#include "tests/devices/dsa/flat_machine.h"

using namespace baton;
namespace dsa = baton::devices::dsa;
using dsa::Command;
using dsa::CommandError;
using test::FlatMachine;

namespace {

constexpr auto code(CommandError error) { return static_cast<std::uint32_t>(error); }

std::uint64_t state(FlatMachine& machine) { return machine.reg(0x90) & 3; }
std::uint64_t wq_state(FlatMachine& machine, unsigned wq = 0) {
  return machine.reg(0x818 + wq * 64ull) >> 30;
}

}  // namespace

TEST_CASE(
    "the capability registers are those of a Sapphire Rapids part without what is not built") {
  FlatMachine machine;
  CHECK(machine.reg(0x00) == 0x100);
  CHECK(machine.reg(0x10, 8) == 0x00000040815F0106);
  CHECK((machine.reg(0x20) & 0xFFFF) == 128);
  CHECK((machine.reg(0x20) >> 16 & 0xFF) == 8);
  CHECK((machine.reg(0x30) & 0xFFFF) == 0x6004);
  CHECK(machine.reg(0x38) == 4);
  CHECK(machine.reg(0x40, 8) == 0x3F);
  CHECK(machine.reg(0x60, 8) == 0x0000000400080006);
}

TEST_CASE("narrow and wide accesses see the same registers, and unused offsets read zero") {
  FlatMachine machine;
  CHECK(machine.reg(0x16, 2) == 0x0000);
  CHECK(machine.reg(0x12, 2) == 0x815F);
  CHECK(machine.reg(0x01, 1) == 0x01);
  machine.set_reg(0x805, 0x12, 1);
  CHECK(machine.reg(0x804) == 0x1200);
  machine.set_reg(0x800, 0x0000000500000010, 8);
  CHECK(machine.reg(0x800) == 0x10);
  CHECK(machine.reg(0x804) == 0x05);
  CHECK(machine.reg(0xE0, 8) == 0);
  machine.set_reg(0xE000, 0xFF, 8);
  CHECK(machine.reg(0xE000, 8) == 0);
  CHECK(machine.reg(0x10000 - 8, 8) == 0);
}

TEST_CASE("configuration registers are writable only while what they configure is disabled") {
  FlatMachine machine;
  machine.enable(64);
  machine.set_reg(0x800, 16);       // size: device disabled only
  machine.set_reg(0x808, 0);        // mode: queue disabled only
  machine.set_reg(0x600, 0xFF, 8);  // group
  machine.set_reg(0x80, 0);         // GENCFG
  CHECK(machine.reg(0x800) == 64);
  CHECK((machine.reg(0x808) & 1) == 1);
  CHECK(machine.reg(0x600, 8) == 1);
  CHECK(machine.reg(0x80) == 96);
  machine.set_reg(0x804, 7);  // threshold: always
  CHECK(machine.reg(0x804) == 7);
  CHECK(machine.command(Command::kDisableWq, 1) == 0);
  machine.set_reg(0x808, 0x20);
  machine.set_reg(0x800, 16);
  CHECK(machine.reg(0x808) == 0x20);
  CHECK(machine.reg(0x800) == 64);
}

TEST_CASE(
    "a command is active for a while and then tells its result, with an interrupt on request") {
  FlatMachine machine;
  machine.enable_msix();
  machine.configure();
  machine.set_reg(0xA0, 1u << 20 | 0x80000000);
  CHECK(machine.reg(0xA8) >> 31 == 1);
  CHECK(state(machine) == 0);
  machine.run(sim::Duration::microseconds(2));
  CHECK(machine.reg(0xA8) == 0);
  CHECK(state(machine) == 1);
  CHECK(machine.reg(0x98) == 2);
  CHECK(machine.root.interrupts == std::vector<std::uint32_t>{0x40});
  machine.set_reg(0x98, 2);
  CHECK(machine.reg(0x98) == 0);
}

TEST_CASE("a command while another is active is discarded and logged") {
  FlatMachine machine;
  machine.enable_msix();
  machine.set_reg(0x88, 1);
  machine.configure();
  machine.set_reg(0xA0, 1u << 20);
  machine.set_reg(0xA0, 5u << 20);
  CHECK((machine.reg(0xC0, 8) & 0xFF01) == 0x5201);
  CHECK(machine.reg(0x98) == 1);
  CHECK(machine.root.interrupts.size() == 1);
  machine.run(sim::Duration::microseconds(2));
  CHECK(state(machine) == 1);
  SECTION("a second error only sets overflow") {
    machine.set_reg(0xA0, 8u << 20 | 1);
    machine.set_reg(0xA0, 8u << 20 | 1);
    CHECK((machine.reg(0xC0, 8) & 3) == 3);
    machine.set_reg(0xC0, 3, 8);
    CHECK((machine.reg(0xC0, 8) & 3) == 0);
  }
}

TEST_CASE("Enable Device refuses each configuration that the specification forbids") {
  FlatMachine machine;
  machine.configure();
  const auto enable = [&] { return machine.command(Command::kEnableDevice); };
  SECTION("operand bits") {
    CHECK(machine.command(Command::kEnableDevice, 1) == code(CommandError::kReservedOperand));
  }
  SECTION("bus master off") {
    machine.config_write(0x04, 2, 2);
    CHECK(enable() == code(CommandError::kBusMasterOff));
  }
  SECTION("too many entries") {
    machine.set_reg(0x800, 129);
    CHECK(enable() == code(CommandError::kWqSize));
  }
  SECTION("a group with queues and no engine") {
    machine.set_reg(0x620, 0, 8);
    CHECK(enable() == code(CommandError::kGroup));
  }
  SECTION("a queue with entries in no group") {
    machine.set_reg(0x800, 64);
    machine.set_reg(0x840, 64);
    CHECK(enable() == code(CommandError::kWqMembership));
  }
  SECTION("a queue in two groups") {
    machine.set_reg(0x640, 1, 8);
    machine.set_reg(0x660, 2, 8);
    CHECK(enable() == code(CommandError::kWqMembership));
  }
  SECTION("a queue that does not exist") {
    machine.set_reg(0x608, 1, 8);
    CHECK(enable() == code(CommandError::kWqMembership));
  }
  SECTION("an engine that does not exist") {
    machine.set_reg(0x620, 0x11, 8);
    CHECK(enable() == code(CommandError::kEngineMembership));
  }
  SECTION("too few read buffers for the group's engines") {
    machine.set_reg(0x628, 3u << 20, 8);
    CHECK(enable() == code(CommandError::kReadBufferConfig));
  }
  SECTION("enabled already") {
    CHECK(enable() == 0);
    CHECK(enable() == code(CommandError::kNotDisabled));
  }
  if (state(machine) != 1) CHECK(state(machine) == 0);
}

TEST_CASE("Enable WQ refuses each configuration that the specification forbids") {
  FlatMachine machine;
  machine.configure(64);
  REQUIRE(machine.command(Command::kEnableDevice) == 0);
  const auto enable = [&](std::uint32_t wq = 0) { return machine.command(Command::kEnableWq, wq); };
  SECTION("no such queue") { CHECK(enable(8) == code(CommandError::kBadWq)); }
  SECTION("size zero") { CHECK(enable(1) == code(CommandError::kWqSizeZero)); }
  SECTION("priority zero") {
    machine.set_reg(0x808, 1);
    CHECK(enable() == code(CommandError::kPriorityZero));
  }
  SECTION("block on fault, which this part lacks") {
    machine.set_reg(0x808, 0x13);
    CHECK(enable() == code(CommandError::kBlockOnFault));
  }
  SECTION("a shared queue without PASID") {
    machine.set_reg(0x808, 0x10);
    CHECK(enable() == code(CommandError::kPasidEnable));
  }
  SECTION("PASID in the queue, not in the function") {
    machine.set_reg(0x808, 0x11 | 1u << 28);
    CHECK(enable() == code(CommandError::kPasidEnable));
  }
  SECTION("no batch size") {
    machine.set_reg(0x80C, 31);
    CHECK(enable() == code(CommandError::kMaxBatch));
  }
  SECTION("batches beyond GENCAP") {
    machine.set_reg(0x80C, 31 | 11u << 5);
    CHECK(enable() == code(CommandError::kMaxBatch));
  }
  SECTION("operations beyond OPCAP") {
    machine.set_reg(0x820, 0x7F, 8);
    CHECK(enable() == code(CommandError::kOperations));
  }
  SECTION("page request disable, which this part lacks") {
    machine.set_reg(0x808, 0x19);
    CHECK(enable() == code(CommandError::kPrsDisable));
  }
  SECTION("device disabled") {
    REQUIRE(machine.command(Command::kDisableDevice) == 0);
    CHECK(enable() == code(CommandError::kDeviceNotEnabled));
  }
  SECTION("enabled already") {
    CHECK(enable() == 0);
    CHECK(wq_state(machine) == 1);
    CHECK(enable() == code(CommandError::kWqNotDisabled));
  }
}

TEST_CASE("commands on what is not enabled say so") {
  FlatMachine machine;
  CHECK(machine.command(Command::kDisableDevice) == code(CommandError::kDeviceNotEnabledAlready));
  machine.configure();
  REQUIRE(machine.command(Command::kEnableDevice) == 0);
  for (const Command command : {Command::kDisableWq, Command::kDrainWq, Command::kAbortWq}) {
    CHECK(machine.command(command, 1) == code(CommandError::kWqNotEnabled));
    CHECK(machine.command(command, 0x100) == code(CommandError::kBadWq));
    CHECK(machine.command(command, 0x10001) == code(CommandError::kBadWq));
  }
  CHECK(machine.command(Command::kResetWq, 1) == 0);
  CHECK(machine.command(Command::kDrainAll) == 0);
  CHECK(machine.command(Command::kDrainPasid, 7) == 0);
  CHECK(machine.command(static_cast<Command>(13)) == code(CommandError::kUnsupported));
}

TEST_CASE("Reset Device clears the configuration and keeps what the reset column keeps") {
  FlatMachine machine;
  machine.enable_msix();
  machine.enable();
  machine.set_reg(0x88, 3);
  machine.set_reg(0x408, 8);  // MSIXPERM 1
  machine.set_reg(0xA0, 8u << 20 | 1);
  machine.set_reg(0xA0, 8u << 20 | 1);  // logged
  machine.run(sim::Duration::microseconds(2));
  REQUIRE(machine.command(Command::kResetDevice) == 0);
  CHECK(state(machine) == 0);
  CHECK(wq_state(machine) == 0);
  CHECK(machine.reg(0x800) == 0);
  CHECK(machine.reg(0x820, 8) == 0x3F);
  CHECK(machine.reg(0x600, 8) == 0);
  CHECK(machine.reg(0x628, 8) == 96u << 20);
  CHECK(machine.reg(0x88) == 0);
  CHECK(machine.reg(0x408) == 0);
  CHECK((machine.reg(0xC0, 8) & 1) == 1);  // SWERROR
  CHECK(machine.reg(0x2008) == 0x40);      // MSI-X table
  CHECK(machine.reg(0x10, 8) != 0);        // capabilities
}

TEST_CASE("Reset WQ keeps the size of the queue and nothing else") {
  FlatMachine machine;
  machine.enable(32);
  machine.set_reg(0x804, 9);
  REQUIRE(machine.command(Command::kResetWq, 1) == 0);
  CHECK(machine.reg(0x800) == 32);
  CHECK(machine.reg(0x804) == 0);
  CHECK(machine.reg(0x808) == 0);
  CHECK(wq_state(machine) == 0);
  CHECK(state(machine) == 1);
}

TEST_CASE("clearing bus master of an enabled device halts it until a function level reset") {
  FlatMachine machine;
  std::vector<std::uint8_t> halts;
  machine.simulation.topic<dsa::DeviceHalted>().subscribe(
      [&](const dsa::DeviceHalted& halted) { halts.push_back(halted.code); });
  machine.enable();
  machine.config_write(0x04, 2, 2);
  CHECK(machine.reg(0x90) == (3u | 1u << 2));
  CHECK((machine.reg(0xC0, 8) >> 8 & 0xFF) == 0x51);
  CHECK(halts == std::vector<std::uint8_t>{0x51});
  machine.config_write(0x04, 2, 6);
  CHECK(state(machine) == 3);
  CHECK(machine.command(Command::kResetDevice) == code(CommandError::kHalted));
  CHECK(machine.command(Command::kEnableDevice) == code(CommandError::kHalted));
  machine.config_write(0x48, 2, 0x8000);  // initiate FLR
  machine.config_write(0x10, 4, static_cast<std::uint32_t>(FlatMachine::kBar0));
  machine.config_write(0x14, 4, FlatMachine::kBar0 >> 32);
  machine.config_write(0x04, 2, 6);
  CHECK(state(machine) == 0);
  CHECK(machine.reg(0xC0, 8) == 0);
  CHECK(machine.reg(0x800) == 0);
}

TEST_CASE("clearing bus master of a disabled device is allowed") {
  FlatMachine machine;
  machine.enable();
  REQUIRE(machine.command(Command::kDisableDevice) == 0);
  machine.config_write(0x04, 2, 2);
  CHECK(state(machine) == 0);
  CHECK(machine.reg(0xC0, 8) == 0);
}

TEST_CASE("a change of ATS, PASID or PRI halts an enabled device, the same value does not") {
  FlatMachine machine;
  machine.config_write(0x236, 2, 1);
  machine.enable();
  machine.config_write(0x236, 2, 1);
  machine.config_write(0x226, 2, 0);
  machine.config_write(0x244, 2, 0);
  machine.config_write(0x48, 2, 0x2930);  // MPS: legal any time
  CHECK(state(machine) == 1);
  SECTION("ATS") { machine.config_write(0x226, 2, 0x8000); }
  SECTION("PASID") { machine.config_write(0x236, 2, 0); }
  SECTION("PRI") { machine.config_write(0x244, 2, 1); }
  CHECK(state(machine) == 3);
}

TEST_CASE("a device whose memory decode is off keeps running and does not answer") {
  FlatMachine machine;
  machine.enable();
  machine.config_write(0x04, 2, 4);
  CHECK(machine.reg(0x90) == 0xFFFFFFFF);
  machine.config_write(0x04, 2, 6);
  CHECK(state(machine) == 1);
}
