// What a DSA publishes of its descriptors: a ticket from submission over engine to completion.
#include <algorithm>

#include "tests/devices/dsa/flat_machine.h"

using namespace baton;
namespace dsa = baton::devices::dsa;
using test::FlatMachine;
using test::make_descriptor;
using test::make_move;

namespace {

constexpr std::uint64_t kSource = 0x100000;
constexpr std::uint64_t kDestination = 0x800000;
constexpr std::uint64_t kRecord = 0x10000;
constexpr std::uint64_t kList = 0x20000;

}  // namespace

TEST_CASE(
    "a batch and its members carry the ticket of the submission, and the batch begins first") {
  FlatMachine machine;
  machine.enable();
  constexpr std::uint32_t kCount = 8;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    machine.root.ram.store(
        PhysAddr(kList + i * 64ull),
        make_move(kSource, kDestination + i * 256ull, 256, kRecord + 32 + 32 * i));
  }
  dsa::Descriptor batch = make_descriptor(dsa::Opcode::kBatch, kRecord, 0);
  batch.source = kList;
  batch.size = kCount;
  machine.submit(batch);
  machine.simulation.run();
  REQUIRE(machine.submitted.size() == 1);
  CHECK(machine.submitted[0].accepted);
  CHECK(machine.submitted[0].ticket == 1);
  REQUIRE(machine.started.size() == kCount + 1);
  CHECK_FALSE(machine.started[0].in_batch);
  CHECK(machine.started[0].engine == 0);
  CHECK(machine.started[kCount].batch_index == kCount - 1);
  CHECK(std::ranges::all_of(machine.started, [](const auto& each) { return each.ticket == 1; }));
  REQUIRE(machine.ended.size() == kCount + 1);
  CHECK(std::ranges::all_of(machine.ended, [](const auto& each) { return each.ticket == 1; }));
}

TEST_CASE("what a queue does not take has no ticket") {
  FlatMachine machine;
  machine.enable(2);
  for (int i = 0; i < 3; ++i) machine.submit(make_move(kSource, kDestination, 64, kRecord));
  machine.simulation.run();
  REQUIRE(machine.submitted.size() == 3);
  CHECK(machine.submitted[1].ticket == 2);
  CHECK_FALSE(machine.submitted[2].accepted);
  CHECK(machine.submitted[2].ticket == 0);
}

TEST_CASE("a command that aborts says which queues it empties") {
  FlatMachine machine({.bytes_per_second = 1'000'000'000});
  machine.enable();
  for (int i = 0; i < 4; ++i) machine.submit(make_move(kSource, kDestination, 0x10000, kRecord));
  CHECK(machine.command(dsa::Command::kAbortWq, 1) == 0);
  CHECK(machine.abandoned == std::vector<std::uint32_t>{1});
  CHECK(machine.ended.size() < 4);
}
