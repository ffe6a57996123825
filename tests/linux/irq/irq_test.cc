// Vectors, messages, handlers.
#include "model/linux/irq/irq.h"

#include "model/host/machine.h"
#include "model/host/observations.h"
#include "model/linux/base/observations.h"

namespace baton::linux::irq {
namespace {

// The running kernel's services and interrupt core.
class Software final : public host::Software {
 public:
  explicit Software(host::KernelPort& port) : services(port, config, {}), irq(services) {}
  void start() override { irq.init(); }

  KernelConfig config;
  KernelServices services;
  IrqCore irq;
};

struct World {
  World() : machine(simulation, machine_config()) {
    const auto finished = machine.finish_firmware();
    REQUIRE(finished.has_value());
    const auto factory = [this](host::KernelPort& port, const host::BootHandoff&, std::size_t) {
      auto made = std::make_unique<Software>(port);
      software = made.get();
      return made;
    };
    machine.power_on(factory, "");
    simulation.run();
  }

  static host::MachineConfig machine_config() {
    host::MachineConfig config;
    config.memory = 32 << 20;
    config.iommu = false;
    return config;
  }

  // A device's message reaches the root complex.
  void send(const IrqCore::Message& message) {
    std::uint32_t data = message.data;
    const baton::pci::MemoryRequest request{.segment = 0,
                                            .requester = Bdf(1, 0, 0),
                                            .pasid = {},
                                            .address = message.address,
                                            .length = 4,
                                            .type = baton::pci::AddressType::kUntranslated,
                                            .write = true};
    machine.request(request, std::as_writable_bytes(std::span(&data, 1)));
    simulation.run();
  }

  sim::Simulation simulation{1};
  host::Machine machine;
  Software* software = nullptr;
};

}  // namespace

TEST_CASE("a vector that messages of an earlier kernel name is given to nobody while it is held") {
  World world;
  IrqCore& irq = world.software->irq;
  const auto next = irq.request([] {});
  REQUIRE(next.has_value());
  irq.free(next->vector);
  irq.hold(next->vector);
  const auto other = irq.request([] {});
  REQUIRE(other.has_value());
  CHECK(other->vector != next->vector);
  world.send(next->message);
  CHECK(irq.spurious() == 1);
  irq.release(next->vector);
  const auto again = irq.request([] {});
  REQUIRE(again.has_value());
  CHECK(again->vector == next->vector);
}

TEST_CASE("A vector's message is in compatibility format to the boot CPU [Intel SDM 3, 11.11]") {
  World world;
  const auto irq = world.software->irq.request([] {});
  REQUIRE(irq.has_value());
  CHECK(irq->vector == Vector(0x20));
  CHECK(irq->message.address == 0xFEE0'0000);
  CHECK(irq->message.data == 0x20);
}

TEST_CASE("An interrupt calls the handler of its vector and no other") {
  World world;
  unsigned first = 0;
  unsigned second = 0;
  const auto a = world.software->irq.request([&first] { ++first; });
  const auto b = world.software->irq.request([&second] { ++second; });
  REQUIRE(a.has_value());
  REQUIRE(b.has_value());
  world.send(b->message);
  world.send(b->message);
  CHECK(first == 0);
  CHECK(second == 2);
}

TEST_CASE("A freed vector's interrupts are spurious, and the vector is given out again") {
  World world;
  const auto irq = world.software->irq.request([] {});
  REQUIRE(irq.has_value());
  world.software->irq.free(irq->vector);
  world.send(irq->message);
  CHECK(world.software->irq.spurious() == 1);
  CHECK(world.machine.orphan_interrupts() == 0);
  CHECK(world.software->irq.request([] {})->vector == irq->vector);
}

TEST_CASE("Legacy, system call and system vectors are not for devices; then ENOSPC") {
  World world;
  std::vector<unsigned> vectors;
  for (auto irq = world.software->irq.request([] {}); irq.has_value();
       irq = world.software->irq.request([] {})) {
    vectors.push_back(irq->vector.value());
  }
  CHECK(vectors.size() == 0xEB - 0x20 - 16 - 1);
  for (const unsigned vector : vectors) {
    CHECK((vector < 0x30 || vector > 0x3F));
    CHECK(vector != 0x80);
    CHECK(vector < 0xEB);
  }
  CHECK(world.software->irq.request([] {}).error() == Errno::kNoSpc);
}

TEST_CASE("A panic in a handler halts the machine's kernel") {
  World world;
  KernelServices& services = world.software->services;
  const auto irq = world.software->irq.request([&services] { services.panic("in interrupt"); });
  REQUIRE(irq.has_value());
  world.send(irq->message);
  CHECK(world.machine.halted());
}

TEST_CASE("an interrupt that enters the kernel is observed, with whether anybody asked for it") {
  World world;
  std::vector<InterruptEntered> seen;
  world.simulation.topic<InterruptEntered>().subscribe(
      [&seen](const InterruptEntered& each) { seen.push_back(each); });
  const auto irq = world.software->irq.request([] {});
  REQUIRE(irq.has_value());
  world.send(irq->message);
  world.send({.address = irq->message.address, .data = irq->message.data + 1});
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].handled);
  CHECK(seen[0].vector == irq->vector);
  CHECK_FALSE(seen[1].handled);
}

}  // namespace baton::linux::irq
