// eventfd [linux fs/eventfd.c].
#include "model/linux/base/eventfd.h"

#include <cstring>

#include "model/host/machine.h"
#include "model/linux/base/process.h"

namespace {

using namespace baton;
using namespace baton::linux;

struct World {
  World()
      : machine(simulation, machine_config()),
        port(machine, 0),
        pages(port, {}),
        process(port, pages, files, "vmm"),
        event(port) {}
  ~World() { port.revoke(); }

  static host::MachineConfig machine_config() {
    host::MachineConfig config;
    config.memory = 32 << 20;
    config.iommu = false;
    return config;
  }

  sim::Simulation simulation{1};
  host::Machine machine;
  host::KernelPort port;
  PageAllocator pages;
  FileTable files;
  Process process;
  EventFd event;
};

struct Outcome {
  bool done = false;
  std::uint64_t value = 0;
  Errno error{};
};

Co<> read(World& world, Outcome& outcome, std::size_t bytes) {
  std::array<std::byte, 16> buffer{};
  const Result<std::size_t> result =
      co_await world.event.read(world.process, std::span(buffer).first(bytes));
  outcome.done = true;
  if (result) {
    std::memcpy(&outcome.value, buffer.data(), sizeof(outcome.value));
  } else {
    outcome.error = result.error();
  }
}

Co<> write(World& world, Outcome& outcome, std::uint64_t value, std::size_t bytes) {
  const Result<std::size_t> result =
      co_await world.event.write(world.process, std::as_bytes(std::span(&value, 1)).first(bytes));
  outcome.done = true;
  if (!result) {
    outcome.error = result.error();
  }
}

}  // namespace

TEST_CASE("A read of an eventfd waits for a signal and takes the whole counter") {
  World world;
  Outcome outcome;
  world.port.context().spawn(read(world, outcome, 8));
  world.simulation.run();
  CHECK_FALSE(outcome.done);
  world.event.signal();
  world.event.signal();
  world.simulation.run();
  CHECK(outcome.done);
  CHECK(outcome.value == 2);
  CHECK(world.event.count() == 0);
}

TEST_CASE("An eventfd that was signalled before is read at once") {
  World world;
  Outcome outcome;
  world.event.signal();
  world.port.context().spawn(read(world, outcome, 16));
  world.simulation.run();
  CHECK(outcome.value == 1);
}

TEST_CASE("A write adds to the counter") {
  World world;
  Outcome written;
  Outcome outcome;
  world.port.context().spawn(write(world, written, 5, 8));
  world.port.context().spawn(read(world, outcome, 8));
  world.simulation.run();
  CHECK(outcome.value == 5);
}

TEST_CASE("eventfd refuses short buffers, all ones, and what would overflow") {
  World world;
  Outcome outcome;
  world.port.context().spawn(read(world, outcome, 7));
  world.simulation.run();
  CHECK(outcome.error == Errno::kInval);
  world.port.context().spawn(write(world, outcome, 1, 4));
  world.simulation.run();
  CHECK(outcome.error == Errno::kInval);
  world.port.context().spawn(write(world, outcome, ~std::uint64_t{0}, 8));
  world.simulation.run();
  CHECK(outcome.error == Errno::kInval);
  world.port.context().spawn(write(world, outcome, ~std::uint64_t{0} - 1, 8));
  world.simulation.run();
  Outcome overflow;
  world.port.context().spawn(write(world, overflow, 1, 8));
  world.simulation.run();
  CHECK(overflow.error == Errno::kAgain);
  world.event.signal();  // saturates
  CHECK(world.event.count() == ~std::uint64_t{0} - 1);
}
