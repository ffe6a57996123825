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
  Software(host::KernelPort& port, const KernelConfig& how)
      : config(how), services(port, config, {}), irq(services) {}
  void start() override { irq.init(); }

  KernelConfig config;
  KernelServices services;
  IrqCore irq;
};

struct World {
  explicit World(const KernelConfig& config = {}, unsigned cpus = 1)
      : machine(simulation, machine_config(cpus)) {
    const auto finished = machine.finish_firmware();
    REQUIRE(finished.has_value());
    const auto factory = [this, config](host::KernelPort& port, const host::BootHandoff&,
                                        std::size_t) {
      auto made = std::make_unique<Software>(port, config);
      software = made.get();
      return made;
    };
    machine.power_on(factory, "");
    simulation.run();
  }

  static host::MachineConfig machine_config(unsigned cpus) {
    host::MachineConfig config;
    config.cpus = cpus;
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

// A table with one entry, of an earlier kernel, for one device.
class OneEntry final : public IrqCore::Remapper {
 public:
  explicit OneEntry(const pci::PciDev& dev) : dev_(dev) {}

  bool remaps(const pci::PciDev& dev) const override { return &dev == &dev_; }
  Result<std::uint16_t> allocate(const pci::PciDev&, std::span<const CpuVector> targets) override {
    targets_of_last = targets.size();
    if (targets.size() > 8) return fail(Errno::kNoSpc);
    return std::uint16_t{8};
  }
  void free(const pci::PciDev&, std::uint16_t index) override { freed.push_back(index); }
  Result<> drop(const pci::PciDev&, std::uint16_t) override { return {}; }
  Result<> capture(const pci::PciDev&, std::uint16_t, unsigned) override { return {}; }
  void restore(const pci::PciDev&, std::uint16_t) override {}
  bool take_captured(const pci::PciDev&, std::uint16_t index, unsigned request) override {
    return index == 7 && request == captured;
  }
  Result<std::optional<CpuVector>> inherited(const pci::PciDev&, std::uint16_t index) override {
    if (index != 7) return fail(Errno::kInval);
    return leads;
  }
  void adopt(const pci::PciDev&, std::uint16_t index, CpuVector target) override {
    adopted = index;
    leads = target;
  }

  std::optional<CpuVector> leads;
  unsigned captured = 999;
  unsigned adopted = 0;
  std::size_t targets_of_last = 0;
  std::vector<std::uint16_t> freed;

 private:
  const pci::PciDev& dev_;
};

// As an earlier kernel left it: entry 7, subhandle 0.
constexpr IrqCore::Message kOldMessage{0xFEE0'0018 | 7 << 5, 0};

KernelConfig that_remembers() {
  KernelConfig config;
  config.policies.interrupts = InterruptPolicy::kRemember;
  return config;
}

}  // namespace

TEST_CASE("a kernel that remembers notes a vector that nobody handles, and hands it out once") {
  World world(that_remembers());
  IrqCore& irq = world.software->irq;
  pci::PciDev dev;
  OneEntry table(dev);
  table.leads = Vector(0x51);
  irq.set_remapper(table);
  irq.hold(Vector(0x51));
  const IrqCore::Message old{0xFEE0'0000, 0x51};  // what the entry makes of it
  world.send(old);
  unsigned calls = 0;
  const auto mine = irq.request([&calls] { ++calls; }, dev);
  REQUIRE(mine.has_value());
  CHECK(irq.take_inherited(dev, kOldMessage, 0, mine->vector) == InterruptOrigin::kNoted);
  CHECK(irq.take_inherited(dev, kOldMessage, 0, mine->vector) == std::nullopt);
  // One that was still under way goes to the successor's handler.
  world.send(old);
  CHECK(calls == 1);
  irq.free(mine->vector);
  world.send(old);
  CHECK(calls == 1);
}

TEST_CASE("what was noted and is replayed before the IOMMU is gone") {
  World world(that_remembers());
  IrqCore& irq = world.software->irq;
  std::vector<Vector> replayed;
  world.simulation.topic<InterruptReplayed>().subscribe(
      [&replayed](const InterruptReplayed& seen) { replayed.push_back(seen.vector); });
  world.send({0xFEE0'0000, 0x51});
  irq.replay_noted();
  CHECK(replayed == std::vector{Vector(0x51)});
  world.send({0xFEE0'0000, 0x52});
  irq.replay_noted();
  CHECK(replayed.size() == 1);
}

TEST_CASE("a kernel that does not remember notes nothing") {
  World world;
  pci::PciDev dev;
  OneEntry table(dev);
  table.leads = Vector(0x51);
  world.software->irq.set_remapper(table);
  world.send({0xFEE0'0000, 0x51});
  CHECK(world.software->irq.take_inherited(dev, kOldMessage, 0, Vector(0x40)) == std::nullopt);
}

TEST_CASE("a request bit of the device's own old entry counts, and no other") {
  World world;
  IrqCore& irq = world.software->irq;
  pci::PciDev dev;
  OneEntry table(dev);
  table.captured = 3;
  CHECK(irq.take_inherited(dev, kOldMessage, 3, Vector(0x40)) == std::nullopt);  // no remapper
  irq.set_remapper(table);
  CHECK(irq.take_inherited(dev, kOldMessage, 2, Vector(0x40)) == std::nullopt);
  CHECK(irq.take_inherited(dev, kOldMessage, 3, Vector(0x40)) == InterruptOrigin::kCaptured);
  const IrqCore::Message other{kOldMessage.address + (1 << 5), 0};
  CHECK(irq.take_inherited(dev, other, 3, Vector(0x40)) == std::nullopt);
}

TEST_CASE("an interrupt is adopted with its vector, or with a new one where the entry has none") {
  World world;
  IrqCore& irq = world.software->irq;
  pci::PciDev dev;
  pci::PciDev foreign;
  OneEntry table(dev);
  CHECK(irq.adopt([] {}, dev, kOldMessage, 0).error() == Errno::kInval);
  irq.set_remapper(table);
  table.leads = Vector(0x51);
  irq.hold(Vector(0x51));
  unsigned calls = 0;
  const auto kept = irq.adopt([&calls] { ++calls; }, dev, kOldMessage, 0);
  REQUIRE(kept.has_value());
  CHECK(kept->vector == Vector(0x51));
  CHECK(table.adopted == 7);
  world.send({0xFEE0'0000, 0x51});
  CHECK(calls == 1);
  CHECK(irq.adopt([] {}, dev, kOldMessage, 0).error() == Errno::kBusy);
  CHECK(irq.adopt([] {}, foreign, kOldMessage, 0).error() == Errno::kInval);
  CHECK(irq.adopt([] {}, dev, {0xFEE0'0000, 0x60}, 0).error() == Errno::kInval);
  table.leads = Vector(0xF2);  // a system vector, in a table that nobody should trust
  const auto moved = irq.adopt([] {}, dev, kOldMessage, 0);
  REQUIRE(moved.has_value());
  CHECK(moved->vector != Vector(0xF2));
  table.leads.reset();
  table.captured = 5;
  const auto fresh = irq.adopt([] {}, dev, kOldMessage, 5);
  REQUIRE(fresh.has_value());
  CHECK(fresh->vector != Vector(0x51));
  CHECK(fresh->missed == InterruptOrigin::kCaptured);
}

TEST_CASE("interrupts that no entry stands for cannot be held back") {
  World world;
  const auto plain = world.software->irq.request([] {});
  REQUIRE(plain.has_value());
  CHECK(world.software->irq.drop(plain->vector).error() == Errno::kOpNotSupp);
  CHECK(world.software->irq.capture(plain->vector, 0).error() == Errno::kOpNotSupp);
}

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
    vectors.push_back(irq->vector.vector.value());
  }
  CHECK(vectors.size() == 0xEB - 0x20 - 16 - 1);
  for (const unsigned vector : vectors) {
    CHECK((vector < 0x30 || vector > 0x3F));
    CHECK(vector != 0x80);
    CHECK(vector < 0xEB);
  }
  CHECK(world.software->irq.request([] {}).error() == Errno::kNoSpc);
}

TEST_CASE("vectors are spread: each is of the CPU that has most of them free [linux matrix.c]") {
  World world({}, 3);
  IrqCore& irq = world.software->irq;
  std::vector<unsigned> calls(4, 0);
  std::vector<IrqCore::Irq> irqs;
  for (unsigned& count : calls) {
    const auto made = irq.request([&count] { ++count; });
    REQUIRE(made.has_value());
    irqs.push_back(*made);
  }
  CHECK(irqs[0].vector == CpuVector(Vector(0x20), 0));
  CHECK(irqs[1].vector == CpuVector(Vector(0x20), 1));
  CHECK(irqs[2].vector == CpuVector(Vector(0x20), 2));
  CHECK(irqs[3].vector == CpuVector(Vector(0x21), 0));
  CHECK(irqs[2].message.address == 0xFEE0'2000);
  for (const IrqCore::Irq& each : irqs) world.send(each.message);
  CHECK(calls == std::vector<unsigned>{1, 1, 1, 1});
  irq.free(irqs[1].vector);
  world.send(irqs[1].message);
  CHECK(irq.spurious() == 1);
  CHECK(calls[0] == 1);
  CHECK(irq.request([] {})->vector == irqs[1].vector);
  std::size_t more = 0;
  while (irq.request([] {}).has_value()) ++more;
  CHECK(more == 3 * 186 - 4);
}

TEST_CASE("a vector of a CPU that is not there is held, found and adopted by nobody") {
  World world({}, 2);
  IrqCore& irq = world.software->irq;
  pci::PciDev dev;
  OneEntry table(dev);
  irq.set_remapper(table);
  const CpuVector nowhere(Vector(0x51), 7);
  irq.hold(nowhere);
  irq.release(nowhere);
  table.leads = nowhere;
  CHECK(irq.take_inherited(dev, kOldMessage, 0, Vector(0x40)) == std::nullopt);
  const auto moved = irq.adopt([] {}, dev, kOldMessage, 0);
  REQUIRE(moved.has_value());
  CHECK(moved->vector.cpu < 2);
  table.leads = CpuVector(Vector(0x61), 1);
  const auto kept = irq.adopt([] {}, dev, kOldMessage, 0);
  REQUIRE(kept.has_value());
  CHECK(kept->vector == CpuVector(Vector(0x61), 1));
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

TEST_CASE(
    "a block of vectors has one message, and goes back entry by entry with what fills it up") {
  World world(KernelConfig{});
  IrqCore& irq = world.software->irq;
  pci::PciDev dev;
  OneEntry table(dev);
  irq.set_remapper(table);
  std::array<unsigned, 3> calls{};
  const auto block = irq.request_block(
      {[&calls] { ++calls[0]; }, [&calls] { ++calls[1]; }, [&calls] { ++calls[2]; }}, dev);
  REQUIRE(block.has_value());
  CHECK(table.targets_of_last == 3);
  REQUIRE(block->vectors.size() == 3);
  CHECK(block->message.address == (0xFEE0'0018 | 8 << 5));
  CHECK(block->message.data == 0);
  world.send({0xFEE0'0000, block->vectors[1].vector.value()});  // what entry 9 makes of it
  CHECK(calls == std::array<unsigned, 3>{0, 1, 0});
  for (const CpuVector vector : block->vectors) irq.free(vector);
  CHECK(table.freed == std::vector<std::uint16_t>{8, 9, 10, 11});
}

TEST_CASE("a block of vectors needs a unit that remaps, and entries") {
  World world(KernelConfig{});
  IrqCore& irq = world.software->irq;
  pci::PciDev dev;
  pci::PciDev other;
  OneEntry table(dev);
  irq.set_remapper(table);
  const auto handlers = [](std::size_t count) {
    return std::vector<std::function<void()>>(count, [] {});
  };
  const auto one = irq.request_block(handlers(1), other);
  REQUIRE(one.has_value());
  CHECK(one->message.data == one->vectors[0].vector.value());  // compatibility format
  CHECK(irq.request_block(handlers(2), other).error() == Errno::kOpNotSupp);
  const auto before = irq.request_block(handlers(1), other);
  CHECK(irq.request_block(handlers(9), dev).error() == Errno::kNoSpc);
  const auto after = irq.request_block(handlers(1), other);
  // The refused block left no vector behind.
  REQUIRE(after.has_value());
  CHECK(after->vectors[0].vector.value() == before->vectors[0].vector.value() + 1);
}

}  // namespace baton::linux::irq
