// Descriptors and engines of the DSA [DSA 341204, chapter 8].
#include <algorithm>

#include "model/devices/dsa/descriptor_check.h"
#include "tests/devices/dsa/flat_machine.h"

using namespace baton;
namespace dsa = baton::devices::dsa;
using dsa::Command;
using dsa::CompletionRecord;
using dsa::Descriptor;
using dsa::Opcode;
using dsa::Status;
using test::FlatMachine;
using test::make_descriptor;
using test::make_move;
namespace flag = devices::dsa::flag;

namespace {

constexpr std::uint64_t kSource = 0x100000;
constexpr std::uint64_t kDestination = 0x800000;
constexpr std::uint64_t kRecord = 0x10000;
constexpr std::uint64_t kList = 0x20000;

constexpr auto value(Status status) { return static_cast<std::uint8_t>(status); }

Descriptor make_batch(std::uint32_t count, std::uint32_t more_flags = 0) {
  Descriptor batch = make_descriptor(Opcode::kBatch, kRecord, more_flags);
  batch.source = kList;
  batch.size = count;
  return batch;
}

}  // namespace

TEST_CASE("a memory move copies every byte, whatever the alignment of its addresses") {
  struct Row {
    std::uint64_t source, destination;
    std::uint32_t size;
  };
  constexpr std::array kRows{Row{0, 0, 1},          Row{0, 0, 4096},      Row{0, 0, 65536},
                             Row{1, 0, 4096},       Row{0, 4095, 8192},   Row{100, 3000, 50000},
                             Row{4095, 4095, 4097}, Row{7, 4090, 123457}, Row{64, 64, 64}};
  for (const Row& row : kRows) {
    FlatMachine machine;
    machine.enable();
    machine.fill_random(kSource + row.source, row.size, row.size);
    machine.submit(
        make_move(kSource + row.source, kDestination + row.destination, row.size, kRecord));
    machine.simulation.run();
    CHECK(machine.record(kRecord).status == value(Status::kSuccess));
    CHECK(machine.record(kRecord).bytes_completed == row.size);
    CHECK(machine.bytes(kSource + row.source, row.size) ==
          machine.bytes(kDestination + row.destination, row.size));
    const auto before = machine.bytes(kDestination + row.destination - 1, 1);
    const auto after = machine.bytes(kDestination + row.destination + row.size, 1);
    CHECK((before[0] == std::byte{0} && after[0] == std::byte{0}));
  }
}

TEST_CASE("an overlapping memory move behaves as if it went through a buffer") {
  for (const std::int64_t distance : {-5000, -4096, -64, -1, 1, 64, 4096, 5000}) {
    FlatMachine machine;
    machine.enable();
    constexpr std::uint32_t kSize = 40000;
    machine.fill_random(kSource, kSize, 7);
    const auto expected = machine.bytes(kSource, kSize);
    const std::uint64_t to = kSource + static_cast<std::uint64_t>(distance);
    machine.submit(make_move(kSource, to, kSize, kRecord));
    machine.simulation.run();
    CHECK(machine.bytes(to, kSize) == expected);
    CHECK(machine.record(kRecord).result == (distance > 0 ? 1 : 0));
  }
}

TEST_CASE("fill repeats its pattern from the start of the destination") {
  FlatMachine machine;
  machine.enable();
  Descriptor fill = make_descriptor(Opcode::kFill, kRecord);
  fill.source = 0x0807060504030201;
  fill.destination = kDestination + 4093;
  fill.size = 10007;
  machine.submit(fill);
  machine.simulation.run();
  CHECK(machine.record(kRecord).status == value(Status::kSuccess));
  const auto bytes = machine.bytes(kDestination + 4093, 10007);
  bool right = true;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    right = right && bytes[i] == static_cast<std::byte>(i % 8 + 1);
  }
  CHECK(right);
  CHECK(machine.bytes(kDestination + 4093 + 10007, 1)[0] == std::byte{0});
}

TEST_CASE("compare finds the first difference") {
  FlatMachine machine;
  machine.enable();
  machine.fill_random(kSource, 30000, 3);
  machine.root.ram.write(PhysAddr(kDestination), machine.bytes(kSource, 30000));
  Descriptor compare = make_descriptor(Opcode::kCompare, kRecord);
  compare.source = kSource;
  compare.destination = kDestination;
  compare.size = 30000;
  SECTION("equal") {
    machine.submit(compare);
    machine.simulation.run();
    CHECK(machine.record(kRecord).status == value(Status::kSuccess));
    CHECK(machine.record(kRecord).result == 0);
    CHECK(machine.record(kRecord).bytes_completed == 30000);
  }
  SECTION("different") {
    for (const std::uint64_t at : {20000u, 9001u, 29999u}) {
      const auto byte = machine.root.ram.load<std::uint8_t>(PhysAddr(kDestination + at));
      machine.root.ram.store(PhysAddr(kDestination + at), static_cast<std::uint8_t>(byte ^ 1));
    }
    machine.submit(compare);
    machine.simulation.run();
    CHECK(machine.record(kRecord).status == value(Status::kSuccess));
    CHECK(machine.record(kRecord).result == 1);
    CHECK(machine.record(kRecord).bytes_completed == 9001);
  }
  SECTION("an unexpected result is a false predicate when asked for") {
    compare.flags_opcode |= flag::kCheckResult;
    compare.expected_result = 1;
    machine.submit(compare);
    machine.simulation.run();
    CHECK(machine.record(kRecord).status == value(Status::kFalsePredicate));
  }
}

TEST_CASE("a no-op writes its record and raises its interrupt after it") {
  FlatMachine machine;
  machine.enable_msix();
  machine.enable();
  Descriptor noop = make_descriptor(Opcode::kNoop, kRecord, flag::kRequestInterrupt);
  noop.interrupt_handle = 3;
  machine.submit(noop);
  CHECK(machine.reg(0x818) >> 30 == 1);
  CHECK((machine.reg(0x818) & 0xFFFF) == 1);
  machine.simulation.run();
  CHECK((machine.reg(0x818) & 0xFFFF) == 0);
  CHECK(machine.record(kRecord).status == value(Status::kSuccess));
  CHECK(machine.root.interrupts == std::vector<std::uint32_t>{0x43});
}

TEST_CASE("a record that was not asked for is written only when something went wrong") {
  FlatMachine machine;
  machine.enable();
  Descriptor move = make_move(kSource, kDestination, 64, kRecord);
  move.flags_opcode &= ~flag::kRequestRecord;
  SECTION("success: none") {
    machine.submit(move);
    machine.simulation.run();
    CHECK(machine.ended.size() == 1);
    CHECK(machine.record(kRecord).status == 0);
  }
  SECTION("error: written") {
    move.size = 0;
    machine.submit(move);
    machine.simulation.run();
    CHECK(machine.record(kRecord).status == value(Status::kBadSize));
  }
}

TEST_CASE("each descriptor that may not run says why") {
  FlatMachine machine;
  machine.enable();
  Descriptor d = make_move(kSource, kDestination, 64, kRecord);
  Status expected = Status::kNone;
  SECTION("operation not in OPCAP") {
    d.set(static_cast<Opcode>(0x09), d.flags());
    expected = Status::kBadOpcode;
  }
  SECTION("operation not configured for the queue") {
    REQUIRE(machine.command(Command::kDisableWq, 1) == 0);
    machine.set_reg(0x820, 1u << 3 | 1u, 8);
    REQUIRE(machine.command(Command::kEnableWq, 0) == 0);
    d.set(Opcode::kFill, d.flags());
    expected = Status::kBadOpcode;
  }
  SECTION("reserved flags") {
    d.flags_opcode |= 1u << 6;
    expected = Status::kInvalidFlags;
  }
  SECTION("fence outside a batch") {
    d.flags_opcode |= flag::kFence;
    expected = Status::kInvalidFlags;
  }
  SECTION("block on fault") {
    d.flags_opcode |= flag::kBlockOnFault;
    expected = Status::kInvalidFlags;
  }
  SECTION("reserved bytes") {
    d.specific[5] = 1;
    expected = Status::kReservedField;
  }
  SECTION("size") {
    d.size = 0;
    expected = Status::kBadSize;
  }
  SECTION("size beyond the queue's") {
    REQUIRE(machine.command(Command::kDisableWq, 1) == 0);
    machine.set_reg(0x80C, 12 | 10u << 5);
    REQUIRE(machine.command(Command::kEnableWq, 0) == 0);
    d.size = 4097;
    expected = Status::kBadSize;
  }
  SECTION("interrupt handle") {
    d.flags_opcode |= flag::kRequestInterrupt;
    d.interrupt_handle = 9;
    expected = Status::kInterruptHandle;
  }
  SECTION("interrupt permission") {
    machine.set_reg(0x408, 8);  // entry 1 belongs to a PASID
    d.flags_opcode |= flag::kRequestInterrupt;
    d.interrupt_handle = 1;
    expected = Status::kInterruptHandle;
  }
  SECTION("batch of one") {
    d = make_batch(1);
    expected = Status::kBadCount;
  }
  SECTION("batch beyond the queue's") {
    d = make_batch(1025);
    expected = Status::kBadCount;
  }
  SECTION("batch list alignment") {
    d = make_batch(2);
    d.source += 32;
    expected = Status::kListAlignment;
  }
  SECTION("drain that nobody hears") {
    d = make_descriptor(Opcode::kDrain, kRecord);
    d.flags_opcode &= ~flag::kRequestRecord;
    expected = Status::kInvalidFlags;
  }
  machine.submit(d);
  machine.simulation.run();
  CHECK(machine.record(kRecord).status == value(expected));
  CHECK(machine.bytes(kDestination, 64) == std::vector<std::byte>(64));
}

TEST_CASE("an error without a usable record goes to SWERROR") {
  FlatMachine machine;
  machine.enable();
  Descriptor d = make_move(kSource, kDestination, 64, kRecord);
  SECTION("record address misaligned") {
    d.record_address += 16;
    machine.submit(d);
    machine.simulation.run();
    CHECK((machine.reg(0xC0, 8) & 0xFFFF) == (0x1B00 | 0x0D));
    CHECK((machine.reg(0xC0, 8) >> 32 & 0xFF) == 3);
  }
  SECTION("no record address") {
    d.flags_opcode &= ~(flag::kRecordAddressValid | flag::kRequestRecord);
    d.flags_opcode |= 1u << 6;
    machine.submit(d);
    machine.simulation.run();
    CHECK((machine.reg(0xC0, 8) & 0xFFFF) == (0x1100 | 0x8D));
    CHECK(machine.reg(0xC8, 8) >> 32 == 1u << 6);
  }
}

TEST_CASE("a refused read ends a move with a hardware error and the bytes before it") {
  FlatMachine machine;
  machine.enable();
  machine.fill_random(kSource, 0x8000, 1);
  machine.root.refused_pages.insert((kSource + 0x3000) >> 12);
  machine.submit(make_move(kSource, kDestination, 0x8000, kRecord));
  machine.simulation.run();
  CHECK(machine.record(kRecord).status == value(Status::kReadError));
  CHECK(machine.record(kRecord).bytes_completed == 0x3000);
  CHECK(machine.bytes(kSource, 0x3000) == machine.bytes(kDestination, 0x3000));
}

TEST_CASE("a refused write is invisible to the device") {
  FlatMachine machine;
  machine.enable();
  machine.fill_random(kSource, 0x3000, 1);
  machine.root.refused_pages.insert((kDestination + 0x1000) >> 12);
  machine.submit(make_move(kSource, kDestination, 0x3000, kRecord));
  machine.simulation.run();
  CHECK(machine.record(kRecord).status == value(Status::kSuccess));
  CHECK(machine.bytes(kDestination + 0x1000, 0x1000) == std::vector<std::byte>(0x1000));
}

TEST_CASE("a batch of 1024 members runs them all and then writes its own record") {
  FlatMachine machine;
  machine.enable_msix();
  machine.enable();
  constexpr std::uint32_t kCount = 1024;
  machine.fill_random(kSource, kCount * 256, 5);
  for (std::uint32_t i = 0; i < kCount; ++i) {
    const Descriptor member =
        make_move(kSource + i * 256ull, kDestination + i * 256ull, 256, 0x60000 + i * 32ull);
    machine.root.ram.store(PhysAddr(kList + i * 64ull), member);
  }
  Descriptor batch = make_batch(kCount, flag::kRequestInterrupt);
  batch.interrupt_handle = 1;
  machine.submit(batch);
  machine.simulation.run();
  CHECK(machine.record(kRecord).status == value(Status::kSuccess));
  CHECK(machine.record(kRecord).bytes_completed == kCount);
  CHECK(machine.bytes(kSource, kCount * 256) == machine.bytes(kDestination, kCount * 256));
  CHECK(machine.root.interrupts == std::vector<std::uint32_t>{0x41});
  CHECK(machine.ended.size() == kCount + 1);
  CHECK(machine.ended.back().opcode == 1);
  CHECK(machine.ended.front().in_batch);
}

TEST_CASE("a failed member fails its batch, and a fence behind it abandons the rest") {
  FlatMachine machine;
  machine.enable();
  machine.fill_random(kSource, 4096, 5);
  for (std::uint32_t i = 0; i < 4; ++i) {
    Descriptor member = make_move(kSource, kDestination + i * 4096ull, 4096, 0x60000 + i * 32ull);
    if (i == 1) member.set(static_cast<Opcode>(0x0A), member.flags());
    if (i == 2) member.flags_opcode |= flag::kFence;
    machine.root.ram.store(PhysAddr(kList + i * 64ull), member);
  }
  machine.submit(make_batch(4));
  machine.simulation.run();
  CHECK(machine.record(kRecord).status == value(Status::kBatchFailed));
  CHECK(machine.record(kRecord).bytes_completed == 2);
  CHECK(machine.record(0x60000).status == value(Status::kSuccess));
  CHECK(machine.record(0x60020).status == value(Status::kBadOpcode));
  CHECK(machine.record(0x60040).status == 0);
  CHECK(machine.record(0x60060).status == 0);
}

TEST_CASE("a fence waits for the members before it") {
  FlatMachine machine;
  machine.enable();
  machine.fill_random(kSource, 0x20000, 5);
  // The second move takes what the first one wrote.
  const std::uint64_t last = kDestination + 0x100000;
  Descriptor first = make_move(kSource, kDestination, 0x20000, 0x60000);
  Descriptor second = make_move(kDestination, last, 0x20000, 0x60020, flag::kFence);
  machine.root.ram.store(PhysAddr(kList), first);
  machine.root.ram.store(PhysAddr(kList + 64), second);
  machine.submit(make_batch(2));
  machine.simulation.run();
  CHECK(machine.record(kRecord).status == value(Status::kSuccess));
  CHECK(machine.bytes(kSource, 0x20000) == machine.bytes(last, 0x20000));
}

TEST_CASE("batches and drains inside a batch are refused") {
  FlatMachine machine;
  machine.enable();
  machine.root.ram.store(PhysAddr(kList), make_descriptor(Opcode::kDrain, 0x60000));
  Descriptor inner = make_batch(2);
  inner.record_address = 0x60020;
  machine.root.ram.store(PhysAddr(kList + 64), inner);
  machine.submit(make_batch(2));
  machine.simulation.run();
  CHECK(machine.record(kRecord).status == value(Status::kBatchFailed));
  CHECK(machine.record(0x60000).status == value(Status::kBadOpcode));
  CHECK(machine.record(0x60020).status == value(Status::kBadOpcode));
}

TEST_CASE("a batch whose list cannot be read says so") {
  FlatMachine machine;
  machine.enable();
  machine.root.refused_pages.insert((kList + 0x1000) >> 12);
  for (std::uint32_t i = 0; i < 64; ++i) {
    machine.root.ram.store(PhysAddr(kList + i * 64ull),
                           make_move(kSource, kDestination, 64, 0x60000 + i * 32ull));
  }
  machine.submit(make_batch(100));
  machine.simulation.run();
  CHECK(machine.record(kRecord).status == value(Status::kReadError));
  CHECK(machine.record(kRecord).bytes_completed == 64);
}

TEST_CASE("a drain ends after everything its queue sent before it") {
  FlatMachine machine;
  machine.enable();
  for (std::uint64_t i = 0; i < 4; ++i) {
    machine.submit(make_move(kSource, kDestination + i * 0x40000, 0x40000, kRecord + 32 * i));
  }
  Descriptor drain = make_descriptor(Opcode::kDrain, kRecord + 0x1000, flag::kReadback1Valid);
  drain.source = kDestination;
  machine.submit(drain);
  machine.simulation.run();
  REQUIRE(machine.ended.size() == 5);
  CHECK(machine.ended.back().opcode == 2);
  CHECK(machine.record(kRecord + 0x1000).status == value(Status::kSuccess));
}

TEST_CASE("the device moves data at the configured rate, whatever the latency") {
  for (const std::uint64_t rate : {200'000'000ull, 1'000'000'000ull, 30'000'000'000ull}) {
    FlatMachine machine({.bytes_per_second = rate});
    machine.enable();
    const sim::Time start = machine.simulation.now();
    constexpr std::uint32_t kBytes = 16 << 20;
    machine.submit(make_move(kSource, kDestination + (32 << 20), kBytes, kRecord));
    machine.simulation.run();
    const std::int64_t took = (machine.simulation.now() - start).ps();
    const auto ideal =
        static_cast<std::int64_t>(std::uint64_t{kBytes} * 1'000'000 / (rate / 1'000'000));
    CHECK(took >= ideal);
    CHECK(took <= ideal + ideal / 100 + 2'000'000);
  }
}

TEST_CASE("engines of two groups share the bandwidth") {
  FlatMachine machine({.bytes_per_second = 1'000'000'000});
  machine.configure(64);
  machine.set_reg(0x840, 64);
  machine.set_reg(0x848, 1u | 1u << 4);
  machine.set_reg(0x84C, 31u | 10u << 5);
  machine.set_reg(0x640, 2, 8);
  machine.set_reg(0x660, 2, 8);
  REQUIRE(machine.command(Command::kEnableDevice) == 0);
  REQUIRE(machine.command(Command::kEnableWq, 0) == 0);
  REQUIRE(machine.command(Command::kEnableWq, 1) == 0);
  const sim::Time start = machine.simulation.now();
  machine.submit(make_move(kSource, kDestination, 1 << 20, kRecord), 0);
  machine.submit(make_move(kSource, kDestination + (2 << 20), 1 << 20, kRecord + 32), 1);
  machine.simulation.run();
  const std::int64_t took = (machine.simulation.now() - start).ps();
  CHECK(took >= 2'097'152'000);
  CHECK(took <= 2'200'000'000);
  CHECK(machine.record(kRecord).status == 1);
  CHECK(machine.record(kRecord + 32).status == 1);
}

TEST_CASE("a full queue drops the submission and logs it") {
  FlatMachine machine;
  machine.enable(2);
  for (int i = 0; i < 3; ++i) machine.submit(make_move(kSource, kDestination, 64, kRecord));
  CHECK((machine.reg(0xC0, 8) >> 8 & 0xFF) == 0x53);
  machine.simulation.run();
  CHECK(machine.ended.size() == 2);
}

TEST_CASE("portals take 64-byte writes to queues that are enabled and nothing else") {
  FlatMachine machine;
  const Descriptor move = make_move(kSource, kDestination, 64, kRecord);
  SECTION("device disabled") { machine.submit(move); }
  SECTION("queue that is not configured") {
    machine.enable();
    machine.submit(move, 1);
  }
  SECTION("32 bytes") {
    machine.enable();
    machine.fabric.cpu_write(PhysAddr(FlatMachine::kBar2),
                             std::as_bytes(std::span(&move, 1)).first(32));
  }
  SECTION("interrupt message storage portal") {
    machine.enable();
    machine.fabric.cpu_write(PhysAddr(FlatMachine::kBar2 + 0x2000),
                             std::as_bytes(std::span(&move, 1)));
  }
  SECTION("halted") {
    machine.enable();
    machine.config_write(4, 2, 2);
    machine.config_write(4, 2, 6);
    machine.submit(move);
  }
  machine.simulation.run();
  CHECK(machine.ended.empty());
  CHECK(machine.mmio_read(FlatMachine::kBar2, 8) == ~std::uint64_t{0});
}

TEST_CASE("disabling completes what is queued, aborting drops it without a record") {
  FlatMachine machine({.bytes_per_second = 1'000'000'000});
  machine.enable();
  machine.fill_random(kSource, 0x10000, 1);
  for (std::uint64_t i = 0; i < 40; ++i) {
    machine.submit(make_move(kSource, kDestination + i * 0x10000, 0x10000, kRecord + 32 * i));
  }
  machine.run(sim::Duration::microseconds(100));
  const auto records = [&] {
    int count = 0;
    for (std::uint64_t i = 0; i < 40; ++i) count += machine.record(kRecord + 32 * i).status;
    return count;
  };
  SECTION("Disable WQ") {
    machine.set_reg(0xA0, 7u << 20 | 1);
    machine.run(sim::Duration::microseconds(5));
    CHECK(machine.reg(0x818) >> 30 == 2);
    machine.submit(make_move(kSource, kDestination, 64, kRecord + 0x1000));
    machine.simulation.run();
    CHECK(machine.reg(0xA8) == 0);
    CHECK(records() == 40);
    CHECK(machine.record(kRecord + 0x1000).status == 0);
    CHECK(machine.reg(0x818) >> 30 == 0);
  }
  SECTION("Disable Device") {
    machine.set_reg(0xA0, 2u << 20);
    machine.run(sim::Duration::microseconds(5));
    CHECK(machine.reg(0x90) == 2);
    machine.simulation.run();
    CHECK(records() == 40);
    CHECK(machine.reg(0x90) == 0);
  }
  SECTION("Drain WQ waits only for what was queued before it") {
    machine.set_reg(0xA0, 8u << 20 | 1);
    machine.run(sim::Duration::microseconds(5));
    machine.submit(make_move(kSource, kDestination, 1 << 20, kRecord + 0x1000));
    while ((machine.reg(0xA8) >> 31) != 0) REQUIRE(machine.simulation.step());
    CHECK(records() == 40);
    CHECK(machine.record(kRecord + 0x1000).status == 0);
    machine.simulation.run();
    CHECK(machine.record(kRecord + 0x1000).status == 1);
  }
  SECTION("Abort WQ") {
    CHECK(machine.command(Command::kAbortWq, 1) == 0);
    const int done = records();
    CHECK(done < 40);
    const std::uint64_t writes = machine.root.writes;
    machine.simulation.run();
    CHECK(machine.root.writes == writes);
    CHECK(records() == done);
    CHECK(machine.reg(0x818) >> 30 == 1);
    CHECK((machine.reg(0x818) & 0xFFFF) == 0);
  }
}

TEST_CASE("aborting a batch leaves out the members that have not begun, and its record") {
  FlatMachine machine({.bytes_per_second = 1'000'000'000});
  machine.enable();
  for (std::uint32_t i = 0; i < 100; ++i) {
    machine.root.ram.store(PhysAddr(kList + i * 64ull),
                           make_move(kSource, kDestination, 0x10000, 0x60000 + i * 32ull));
  }
  machine.submit(make_batch(100));
  machine.run(sim::Duration::microseconds(1000));
  CHECK(machine.command(Command::kAbortAll) == 0);
  const std::uint64_t writes = machine.root.writes;
  machine.simulation.run();
  CHECK(machine.root.writes == writes);
  CHECK(machine.record(kRecord).status == 0);
  CHECK(machine.record(0x60000).status == 1);
  CHECK(machine.record(0x60000 + 99 * 32).status == 0);
}

TEST_CASE("a halt and a function level reset lose what is in flight, silently") {
  FlatMachine machine({.bytes_per_second = 1'000'000'000});
  machine.enable();
  machine.submit(make_move(kSource, kDestination, 1 << 20, kRecord));
  machine.run(sim::Duration::microseconds(100));
  SECTION("halt") { machine.config_write(4, 2, 2); }
  SECTION("reset") { machine.config_write(0x48, 2, 0x8000); }
  const std::uint64_t requests = machine.root.reads + machine.root.writes;
  machine.simulation.run();
  CHECK(machine.root.reads + machine.root.writes == requests);
  CHECK(machine.record(kRecord).status == 0);
  CHECK(machine.ended.empty());
}

TEST_CASE("a queue with a PASID sends it with every request") {
  FlatMachine machine;
  machine.config_write(0x236, 2, 1);
  machine.configure();
  machine.set_reg(0x808, 1u | 1u << 4 | 0x123u << 8 | 1u << 28);
  REQUIRE(machine.command(Command::kEnableDevice) == 0);
  REQUIRE(machine.command(Command::kEnableWq, 0) == 0);
  machine.submit(make_move(kSource, kDestination, 64, kRecord));
  machine.simulation.run();
  REQUIRE(machine.root.last_pasid.has_value());
  CHECK(machine.root.last_pasid->value() == 0x123);
}

TEST_CASE("queues of one group take turns by their priority") {
  FlatMachine machine;
  machine.configure(64);
  machine.set_reg(0x808, 1u | 3u << 4);
  machine.set_reg(0x840, 64);
  machine.set_reg(0x848, 1u | 1u << 4);
  machine.set_reg(0x84C, 31u | 10u << 5);
  machine.set_reg(0x600, 3, 8);
  REQUIRE(machine.command(Command::kEnableDevice) == 0);
  REQUIRE(machine.command(Command::kEnableWq, 0) == 0);
  REQUIRE(machine.command(Command::kEnableWq, 1) == 0);
  for (int i = 0; i < 8; ++i) {
    machine.submit(make_descriptor(Opcode::kNoop, kRecord), 0);
    machine.submit(make_descriptor(Opcode::kNoop, kRecord), 1);
  }
  machine.simulation.run();
  std::vector<std::uint32_t> order;
  for (const auto& done : machine.ended) order.push_back(done.wq);
  order.resize(8);
  CHECK(order == std::vector<std::uint32_t>{0, 1, 0, 0, 1, 0, 0, 0});
}

TEST_CASE("equal runs have equal fingerprints") {
  const auto run = [] {
    FlatMachine machine;
    machine.enable();
    machine.submit(make_move(kSource, kDestination, 1 << 20, kRecord));
    machine.simulation.run();
    return machine.simulation.fingerprint().hex();
  };
  CHECK(run() == run());
}
