// The life and death of kernels [law 1].
#include "tests/host/probe.h"

namespace baton::host::test {
namespace {

using sim::Duration;
using namespace sim::literals;

// What a test's kernels tell; lives longer than they do.
struct Record {
  std::vector<std::string> lines;
  int objects_alive = 0;
};

struct Alive {
  explicit Alive(Record& owner) : record(owner) { ++record.objects_alive; }
  ~Alive() { --record.objects_alive; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;
  Record& record;
};

class TestKernel;
using Body = std::function<Co<>(TestKernel&)>;

class TestKernel final : public Software {
 public:
  TestKernel(KernelPort& kernel_port, const BootHandoff& boot_handoff, std::size_t image,
             Record& owner, Body run)
      : port(kernel_port),
        handoff(boot_handoff),
        kernel(image),
        record(owner),
        alive(owner),
        body(std::move(run)) {}

  void start() override { port.context().spawn(body(*this)); }

  Co<> sleep(Duration duration) {
    const Alive frame(record);
    sim::WaitNode node(port.context(), port.context().actor(), "sleep");
    co_await port.context().sleep(node, duration);
  }
  Co<> sleep_nested(unsigned depth) {
    const Alive frame(record);
    if (depth == 0) {
      co_await sleep(100_s);
    } else {
      co_await sleep_nested(depth - 1);
    }
  }
  Co<> wait_for_ever() {
    const Alive frame(record);
    sim::WaitNode node(port.context(), port.context().actor(), "for ever");
    co_await queue.wait(port.context(), node);
  }

  KernelPort& port;
  BootHandoff handoff;
  std::size_t kernel;
  Record& record;
  Alive alive;
  Body body;
  sim::WaitQueue queue;
};

// Runs one body per generation.
struct Outliving {
  Record record;
};

struct World : Outliving, Bench {
  explicit World(std::vector<Body> generations) : bodies(std::move(generations)) {
    machine.power_on(
        [this](KernelPort& port, const BootHandoff& handoff,
               std::size_t kernel) -> std::unique_ptr<Software> {
          const std::size_t n = std::min<std::size_t>(port.generation(), bodies.size() - 1);
          return std::make_unique<TestKernel>(port, handoff, kernel, record, bodies[n]);
        },
        "first");
  }

  std::vector<Body> bodies;
};

void say(TestKernel& kernel, std::string text) {
  kernel.record.lines.push_back(
      fmt::format("{} {} {}", kernel.port.generation(), sim::to_string(kernel.port.now()), text));
}

Co<> jump_with_waiters(TestKernel& kernel) {
  const Alive frame(kernel.record);
  kernel.port.context().spawn(kernel.sleep(5_s));
  kernel.port.context().spawn(kernel.sleep_nested(3));
  kernel.port.context().spawn(kernel.wait_for_ever());
  co_await kernel.sleep(1_ms);
  CHECK(kernel.record.objects_alive == 9);  // the kernel, this frame, and the seven that wait
  KexecImage image{.kernel = 3,
                   .command_line = "second",
                   .segments = {{PhysAddr(0x100'0000), 0x1000}},
                   .setup_data = PhysAddr(0x100'0000)};
  kernel.port.request_jump(std::move(image));
  co_await kernel.wait_for_ever();  // the pending reboot call
  say(kernel, "never");
}

Co<> report_handoff(TestKernel& kernel) {
  say(kernel,
      fmt::format("{} kernel {} segments {} setup_data {:#x} {}", kernel.handoff.command_line,
                  kernel.kernel, kernel.handoff.segments.size(), kernel.handoff.setup_data.value(),
                  kernel.handoff.cold ? "cold" : "kexec"));
  co_return;
}

Co<> nothing(TestKernel&) { co_return; }

}  // namespace

TEST_CASE("Killing a kernel leaves no frame, no waiter and no object of it") {
  World world({jump_with_waiters, report_handoff});
  unsigned jumps = 0;
  int alive_at_jump = -1;
  world.simulation.topic<KernelJumped>().subscribe([&](const KernelJumped& jumped) {
    ++jumps;
    alive_at_jump = world.record.objects_alive;
    CHECK(jumped.from_generation == 0);
    CHECK(jumped.to_generation == 1);
    CHECK(world.machine.port() == nullptr);
  });
  world.simulation.run();
  CHECK(jumps == 1);
  CHECK(alive_at_jump == 0);
  // 1 ms in the first kernel, then purgatory.
  CHECK(world.record.lines ==
        std::vector<std::string>{
            "1 21.000 ms second kernel 3 segments 1 setup_data 0x1000000 kexec"});
  CHECK(world.machine.generation() == 1);
}

TEST_CASE("A cold boot gives no segments and no setup_data") {
  World world({report_handoff});
  world.simulation.run();
  REQUIRE(world.record.lines.size() == 1);
  CHECK(world.record.lines[0].find("first kernel 0 segments 0 setup_data 0x0 cold") !=
        std::string::npos);
}

TEST_CASE("Touching a revoked port is a bug in baton") {
  World world({nothing});
  world.simulation.run();
  KernelPort& port = *world.machine.port();
  port.revoke();
  CHECK_THROWS_AS(port.now(), sim::BugError);
  CHECK_THROWS_AS(port.ram(), sim::BugError);
  CHECK_THROWS_AS(port.context(), sim::BugError);
  CHECK_THROWS_AS(port.config_read({}, 0, 4, "test"), sim::BugError);
  CHECK_THROWS_AS(port.config_write({}, 0, 4, 0, "test"), sim::BugError);
  CHECK_THROWS_AS(port.mmio_read(PhysAddr(0), 4), sim::BugError);
  CHECK_THROWS_AS(port.mmio_write(PhysAddr(0), 4, 0), sim::BugError);
  CHECK_THROWS_AS(port.request_jump({}), sim::BugError);
  CHECK_THROWS_AS(port.halt("twice"), sim::BugError);
  CHECK_THROWS_AS(port.set_interrupt_handler({}), sim::BugError);
}

TEST_CASE("A machine that is destroyed in mid-run destroys its kernel first") {
  auto world = std::make_unique<World>(std::vector<Body>{jump_with_waiters});
  world->simulation.run_until(sim::Time() + 500_us);
  CHECK(world->record.objects_alive == 10);
  world.reset();  // a leak or a use after free would show under the sanitizers
}

namespace {

Co<> panic_later(TestKernel& kernel) {
  kernel.port.set_interrupt_handler([&kernel](std::uint32_t, Vector) { say(kernel, "interrupt"); });
  co_await kernel.sleep(1_ms);
  kernel.port.halt("bad page");
  co_await kernel.wait_for_ever();
}

Co<> reboot_cold(TestKernel& kernel) {
  kernel.port.ram().store<std::uint64_t>(PhysAddr(0x50'0000), 7);
  co_await kernel.sleep(1_ms);
  kernel.port.request_cold_reboot(2, "again");
  co_await kernel.wait_for_ever();
}

Co<> after_cold_reboot(TestKernel& kernel) {
  say(kernel,
      fmt::format("kernel {} {} memory {}", kernel.kernel, kernel.handoff.cold ? "cold" : "kexec",
                  kernel.port.ram().load<std::uint64_t>(PhysAddr(0x50'0000)) == 7));
  co_return;
}

Co<> take_interrupts(TestKernel& kernel) {
  kernel.port.set_interrupt_handler([&kernel](std::uint32_t, Vector vector) {
    say(kernel, fmt::format("vector {:#x}", vector.value()));
  });
  co_return;
}

Co<> take_console(TestKernel& kernel) {
  kernel.port.set_console_handler(
      [&kernel](const std::string& line) { say(kernel, "console " + line); });
  co_return;
}

}  // namespace

TEST_CASE("After a panic the kernel's software is gone and hardware goes on") {
  World world({panic_later});
  std::string reason;
  world.simulation.topic<KernelHalted>().subscribe(
      [&reason](const KernelHalted& halted) { reason = halted.reason; });
  world.simulation.run();
  CHECK(world.machine.halted());
  CHECK(world.machine.port() == nullptr);
  CHECK(reason == "bad page");
  CHECK(world.record.objects_alive == 0);
  world.enable(*world.probe);
  const std::array<std::byte, 4> data{std::byte{3}};
  CHECK(world.probe->dma_write(0x20'0000, data).arrived());
  world.probe->message(0xFEE0'0000, 0x55);
  world.simulation.run();
  CHECK(world.machine.orphan_interrupts() == 1);
  CHECK(world.record.lines.empty());
}

TEST_CASE("A cold reboot resets devices, loses memory and boots the named kernel") {
  World world({reboot_cold, after_cold_reboot});
  const std::uint64_t bar = world.probe->config().bar_address(0);
  world.enable(*world.probe);
  world.simulation.run();
  CHECK(world.record.lines == std::vector<std::string>{"1 60.001 s kernel 2 cold memory false"});
  CHECK(world.probe->config().get(0x04, 2) == 0);
  CHECK(world.probe->config().bar_address(0) == bar);  // firmware assigned it again
  CHECK(world.probe->requester_id() == Bdf(0x6A, 1, 0));
  CHECK(world.machine.memory().load<std::uint32_t>(world.machine.memory_map().rsdp) ==
        0x2044'5352);  // "RSD "
}

TEST_CASE("The operator's reset button revives a machine whose kernel has panicked") {
  World world({panic_later, after_cold_reboot});
  world.simulation.run();
  REQUIRE(world.machine.halted());
  world.machine.request_cold_reboot(0, "");
  world.simulation.run();
  CHECK_FALSE(world.machine.halted());
  CHECK(world.record.lines.size() == 1);
}

TEST_CASE("An interrupt message reaches the running kernel's handler after its latency") {
  World world({take_interrupts});
  world.simulation.run();
  world.enable(*world.probe);
  world.probe->message(0xFEE0'0000, 0x31);
  world.probe->message(0xFEE0'1000, 0x32);   // APIC id 1 does not exist
  world.probe->message(0xFEE0'0000, 0x0F);   // vectors below 16 are illegal
  world.probe->message(0xFEE0'0000, 0x433);  // NMI delivery is not modelled
  world.simulation.run();
  CHECK(world.record.lines == std::vector<std::string>{"0 500.000 ns vector 0x31"});
  CHECK(world.machine.orphan_interrupts() == 3);
}

TEST_CASE("Console lines wait for a handler and arrive in order") {
  World world({take_console});
  world.machine.type("one");
  world.machine.type("two");
  world.simulation.run();
  world.machine.type("three");
  world.simulation.run();
  CHECK(world.record.lines == std::vector<std::string>{"0 0 ps console one", "0 0 ps console two",
                                                       "0 0 ps console three"});
}

namespace {

Co<> read_config(TestKernel& kernel) {
  const Sbdf address{0, Bdf(0x6A, 1, 0)};
  kernel.port.config_read(address, 0, 4, "pci_bus_read_dev_vendor_id");
  kernel.port.config_write(address, 4, 2, 6, "pci_set_master");
  co_return;
}

}  // namespace

TEST_CASE("Configuration accesses carry the kernel function that makes them and the old value") {
  World world({read_config});
  std::vector<std::string> seen;
  world.simulation.topic<ConfigAccess>().subscribe([&seen](const ConfigAccess& access) {
    seen.push_back(fmt::format("{} {} {:#x} {:#x} old {:#x} by {}", sim::to_string(access.address),
                               access.write ? "write" : "read", access.offset, access.value,
                               access.old_value, access.by));
  });
  world.simulation.run();
  CHECK(seen == std::vector<std::string>{
                    "0000:6a:01.0 read 0x0 0xb258086 old 0xb258086 by pci_bus_read_dev_vendor_id",
                    "0000:6a:01.0 write 0x4 0x6 old 0x0 by pci_set_master"});
}

}  // namespace baton::host::test
