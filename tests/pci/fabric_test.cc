// Routing: configuration by bus numbers, memory by windows, bus master at every hop, completions by
// requester id [PCIe 2.4.1, 6.12; PCI-to-PCI bridge 1.2].
#include "rig.h"

using namespace baton;
using namespace baton::pci;
using namespace baton::pci::test;

TEST_CASE("configuration requests find functions by the bus numbers of the bridges") {
  Switch host;
  CHECK(host.fabric.find(Sbdf{0, Bdf(3, 0, 0)}) == host.probe[0]);
  CHECK(host.fabric.find(Sbdf{0, Bdf(4, 0, 0)}) == host.probe[1]);
  CHECK(host.probe[1]->location() == Sbdf{0, Bdf(4, 0, 0)});
  CHECK(host.read(Bdf(3, 1, 0), 0, 4) == 0xFFFFFFFF);  // a port has device 0 only
  CHECK(host.read(Bdf(5, 0, 0), 0, 4) == 0xFFFFFFFF);
  CHECK(host.fabric.config_read({1, Bdf(0, 1, 0)}, 0, 2) == 0xFFFF);
  host.number(Bdf(1, 0, 0), 0, 0, 0);
  CHECK(host.read(Bdf(3, 0, 0), 0, 4) == 0xFFFFFFFF);
}

TEST_CASE("a write reaches RAM through every bridge, at the latency of its hops") {
  Switch host;
  const Completion done = host.probe[0]->send_write(0x1000, 0xCAFE);
  CHECK(done.arrived());
  CHECK(done.destination == Destination::kRam);
  CHECK(done.latency == sim::Duration::nanoseconds(130));
  CHECK(host.ram.memory.load<std::uint32_t>(PhysAddr(0x1000)) == 0xCAFE);
  CHECK(host.ram.requests.back().requester == Bdf(3, 0, 0));
}

TEST_CASE("bus master off at any hop stops requests there") {
  Switch host;
  const std::pair<Bdf, std::string_view> hops[] = {{Bdf(3, 0, 0), "bus-master-off"},
                                                   {Bdf(2, 0, 0), "bridge-bus-master-off"},
                                                   {Bdf(1, 0, 0), "bridge-bus-master-off"},
                                                   {Bdf(0, 1, 0), "bridge-bus-master-off"}};
  for (const auto& [bdf, where] : hops) {
    host.write(bdf, 0x04, 2, 2);
    CHECK(host.probe[0]->send_read(0x1000).stopped_at == where);
    CHECK(host.probe[0]->send_read(0x1000).status == CompletionStatus::kUnsupportedRequest);
    host.write(bdf, 0x04, 2, 6);
  }
  CHECK(host.probe[0]->send_read(0x1000).arrived());
}

TEST_CASE("a posted write that is dropped looks like success to its sender") {
  Switch host;
  host.write(Bdf(1, 0, 0), 0x04, 2, 2);
  const Completion done = host.probe[0]->send_write(0x1000, 1);
  CHECK(done.status == CompletionStatus::kSuccess);
  CHECK(done.stopped_at == "bridge-bus-master-off");
  CHECK(host.ram.requests.empty());
}

TEST_CASE("a function keeps its old requester id until it is written under its new bus number") {
  Switch host;
  host.number(Bdf(2, 0, 0), 2, 4, 4);
  host.number(Bdf(2, 1, 0), 2, 3, 3);
  CHECK(host.probe[0]->location().bdf == Bdf(4, 0, 0));
  CHECK(host.probe[0]->requester_id() == Bdf(3, 0, 0));
  CHECK(host.probe[0]->send_write(0x1000, 1).arrived());
  CHECK(host.probe[0]->send_read(0x1000).stopped_at == "completion-lost");
  CHECK(host.probe[0]->send_read(0x1000).status == CompletionStatus::kTimeout);
  host.write(Bdf(4, 0, 0), 0x3C, 1, 0);
  CHECK(host.probe[0]->requester_id() == Bdf(4, 0, 0));
  CHECK(host.probe[0]->send_read(0x1000).arrived());
}

TEST_CASE("source validation at a downstream port drops the old requester id") {
  Switch host;
  host.write(Bdf(2, 0, 0), 0x106, 2, 1);
  CHECK(host.probe[0]->send_write(0x1000, 1).arrived());
  host.number(Bdf(2, 0, 0), 2, 5, 5);
  CHECK(host.probe[0]->send_write(0x1000, 1).stopped_at == "acs-source-validation");
}

TEST_CASE("a port keeps an ACS violation in its error registers, with the header of the request") {
  Switch host;
  host.write(Bdf(2, 0, 0), 0x106, 2, 1);
  host.number(Bdf(2, 0, 0), 2, 5, 5);
  CHECK(host.probe[0]->send_write(0x1002, 1).stopped_at == "acs-source-validation");
  CHECK(host.read(Bdf(2, 0, 0), 0x144, 4) == 1U << 21);
  CHECK((host.read(Bdf(2, 0, 0), 0x158, 4) & 0x1F) == 21);
  CHECK(host.read(Bdf(2, 0, 0), 0x15C, 4) == 0x40000002);  // MWr, two double words
  CHECK(host.read(Bdf(2, 0, 0), 0x160, 4) == 0x0300003C);  // from 03:00.0, bytes 2..3 and 0..1
  CHECK(host.read(Bdf(2, 0, 0), 0x164, 4) == 0x1000);
  CHECK((host.read(Bdf(2, 0, 0), 0x4A, 2) & 0xF) == 2);  // Non-Fatal Error Detected
  CHECK((host.read(Bdf(2, 0, 0), 0x1E, 2) & 0x800) == 0);
  // A read gets a completion, Completer Abort; the first header stays.
  CHECK(host.probe[0]->send_read(0x2000).status == CompletionStatus::kCompleterAbort);
  CHECK((host.read(Bdf(2, 0, 0), 0x1E, 2) & 0x800) != 0);
  CHECK(host.read(Bdf(2, 0, 0), 0x15C, 4) == 0x40000002);
  host.write(Bdf(2, 0, 0), 0x144, 4, 0xFFFFFFFF);
  CHECK(host.read(Bdf(2, 0, 0), 0x144, 4) == 0);
  host.write(Bdf(2, 0, 0), 0x154, 4, 0);  // advisory errors, which refused reads are, unmasked
  CHECK(host.probe[0]->send_read(0x2000).status == CompletionStatus::kCompleterAbort);
  CHECK(host.read(Bdf(2, 0, 0), 0x15C, 4) == 0x00000001);  // MRd
}

TEST_CASE("a port without bus master logs what it refuses from below as unsupported") {
  Switch host;
  host.write(Bdf(2, 0, 0), 0x04, 2, 2);
  CHECK(host.probe[0]->send_write(0x1000, 1).stopped_at == "bridge-bus-master-off");
  CHECK(host.read(Bdf(2, 0, 0), 0x144, 4) == 1U << 20);
  CHECK((host.read(Bdf(2, 0, 0), 0x4A, 2) & 0xF) == 0xA);  // with Unsupported Request Detected
  // A masked error sets its bit and nothing else.
  host.write(Bdf(2, 0, 0), 0x144, 4, 0xFFFFFFFF);
  host.write(Bdf(2, 0, 0), 0x148, 4, 1U << 20);
  const std::uint32_t header = host.read(Bdf(2, 0, 0), 0x160, 4);
  CHECK(host.probe[0]->send_write(0x3000, 1).stopped_at == "bridge-bus-master-off");
  CHECK(host.read(Bdf(2, 0, 0), 0x144, 4) == 1U << 20);
  CHECK(host.read(Bdf(2, 0, 0), 0x160, 4) == header);
  CHECK(host.read(Bdf(2, 0, 0), 0x164, 4) == 0x1000);
}

TEST_CASE("the CPU reaches a BAR through windows and memory enables") {
  Switch host;
  std::array<std::byte, 4> bytes{std::byte{7}};
  CHECK(host.fabric.cpu_write(PhysAddr(Switch::kBar[1] + 8), bytes).destination ==
        Destination::kFunction);
  CHECK(host.probe[1]->registers[8] == std::byte{7});
  CHECK(host.fabric.cpu_read(PhysAddr(Switch::kBar[1] + 8), bytes).latency ==
        sim::Duration::nanoseconds(130));
  for (const Bdf bdf : {Bdf(4, 0, 0), Bdf(2, 1, 0), Bdf(1, 0, 0), Bdf(0, 1, 0)}) {
    host.write(bdf, 0x04, 2, 4);
    const Completion done = host.fabric.cpu_read(PhysAddr(Switch::kBar[1] + 8), bytes);
    CHECK(done.status == CompletionStatus::kUnsupportedRequest);
    CHECK(bytes[0] == std::byte{0xFF});
    host.write(bdf, 0x04, 2, 6);
  }
  // The probe that Linux makes on a live prefetch window closes it [linux drivers/pci/probe.c].
  host.write(Bdf(0, 1, 0), 0x28, 4, 0xFFFFFFFF);
  CHECK_FALSE(host.fabric.cpu_read(PhysAddr(Switch::kBar[1]), bytes).arrived());
}

TEST_CASE("peers behind one switch talk directly until request redirect sends them up") {
  Switch host;
  CHECK(host.probe[0]->send_write(Switch::kBar[1] + 16, 5).destination == Destination::kFunction);
  CHECK(host.probe[1]->registers[16] == std::byte{5});
  CHECK(host.ram.requests.empty());
  host.write(Bdf(2, 0, 0), 0x106, 2, 1U << 2);
  // What the port below sent up on purpose passes the upstream port; the root port may send it up
  // only with Upstream Forwarding, for its own window has the address.
  CHECK(host.probe[0]->send_write(Switch::kBar[1] + 16, 6).stopped_at == "own-window");
  host.write(Bdf(0, 1, 0), 0x106, 2, 1U << 4);
  static_cast<void>(host.probe[0]->send_write(Switch::kBar[1] + 16, 7));
  REQUIRE(host.ram.requests.size() == 1);
  CHECK(host.ram.requests[0].address == Switch::kBar[1] + 16);
  CHECK(host.probe[1]->registers[16] == std::byte{5});
}

TEST_CASE("a request into its own port's window is refused") {
  Switch host;
  CHECK(host.probe[0]->send_write(Switch::kBar[0], 5).stopped_at == "own-window");
}

TEST_CASE("secondary bus reset resets everything below and silences it while it lasts") {
  Switch host;
  std::vector<std::string> reset;
  host.simulation.topic<FunctionReset>().subscribe(
      [&](const FunctionReset& event) { reset.push_back(event.function.name()); });
  host.write(Bdf(0, 1, 0), 0x3E, 2, 0x40);
  CHECK(reset == std::vector<std::string>{"up", "down0", "probe0", "down1", "probe1"});
  CHECK(host.read(Bdf(1, 0, 0), 0, 4) == 0xFFFFFFFF);
  host.write(Bdf(0, 1, 0), 0x3E, 2, 0);
  CHECK(host.read(Bdf(1, 0, 0), 0, 2) == 0x8086);
  CHECK(host.read(Bdf(1, 0, 0), 0x18, 4) == 0);
  CHECK(host.probe[0]->requester_id() == Bdf(0, 0, 0));
}

TEST_CASE("function level reset is for functions that have it") {
  Switch host;
  host.write(Bdf(3, 0, 0), 0x48, 2, 0xA810);
  CHECK(host.probe[0]->resets == std::vector{ResetKind::kFunctionLevel});
  CHECK(host.read(Bdf(3, 0, 0), 0x04, 2) == 0);
  CHECK(host.probe[0]->requester_id() == Bdf(3, 0, 0));
  host.write(Bdf(2, 0, 0), 0x48, 2, 0xA810);
  CHECK(host.read(Bdf(2, 0, 0), 0x18, 4) == 0x030302);
}

TEST_CASE("in D3hot a function answers configuration alone, and lacks D1") {
  Switch host;
  host.write(Bdf(3, 0, 0), 0x94, 2, 1);
  CHECK(host.probe[0]->power_state() == 0);
  host.write(Bdf(3, 0, 0), 0x94, 2, 3);
  CHECK(host.probe[0]->send_write(0x1000, 1).stopped_at == "bus-master-off");
  std::array<std::byte, 4> bytes{};
  CHECK_FALSE(host.fabric.cpu_read(PhysAddr(Switch::kBar[0]), bytes).arrived());
  host.write(Bdf(3, 0, 0), 0x94, 2, 0);
  CHECK(host.probe[0]->resets.empty());  // No_Soft_Reset
  CHECK(host.probe[0]->send_write(0x1000, 1).arrived());
}

TEST_CASE("a message that MSI-X Enable holds back is observed") {
  Switch host;
  std::vector<unsigned> held;
  host.simulation.topic<InterruptHeld>().subscribe(
      [&](const InterruptHeld& seen) { held.push_back(seen.index); });
  CHECK_FALSE(host.probe[0]->signal_msix(1));
  host.write(Bdf(3, 0, 0), 0x82, 2, 0x8000);
  CHECK(host.probe[0]->signal_msix(2));
  CHECK(held == std::vector<unsigned>{1});
}

TEST_CASE("MSI-X sends what its table says, and remembers what is masked") {
  Switch host;
  const auto table = [&](std::uint64_t offset, std::uint32_t value) {
    const auto bytes = std::bit_cast<std::array<std::byte, 4>>(value);
    host.fabric.cpu_write(PhysAddr(Switch::kBar[0] + 0x800 + offset), bytes);
  };
  const auto pending = [&] {
    std::array<std::byte, 8> bytes{};
    host.fabric.cpu_read(PhysAddr(Switch::kBar[0] + 0xC00), bytes);
    return std::bit_cast<std::uint64_t>(bytes);
  };
  CHECK_FALSE(host.probe[0]->signal_msix(1));
  host.write(Bdf(3, 0, 0), 0x82, 2, 0x8000);
  table(16, 0xFEE01003);
  table(24, 0x31);
  CHECK(host.probe[0]->signal_msix(1));
  CHECK(host.ram.requests.empty());  // masked after reset
  CHECK(pending() == 2);
  table(28, 0);
  REQUIRE(host.ram.requests.size() == 1);
  CHECK(host.ram.requests[0].address == 0xFEE01000);
  CHECK(pending() == 0);
  host.write(Bdf(3, 0, 0), 0x82, 2, 0xC000);
  CHECK(host.probe[0]->signal_msix(1));
  CHECK(pending() == 2);
  host.write(Bdf(3, 0, 0), 0x82, 2, 0x8000);
  CHECK(host.ram.requests.size() == 2);
  host.write(Bdf(3, 0, 0), 0x04, 2, 2);
  CHECK(host.probe[0]->signal_msix(1));
  CHECK(host.ram.requests.size() == 2);  // bus master gates messages too
  CHECK_FALSE(host.probe[1]->signal_msix(0));
}

TEST_CASE("a power-on reset gives back what firmware had programmed") {
  Switch host;
  host.fabric.remember_firmware();
  host.number(Bdf(0, 1, 0), 0, 9, 9);
  host.fabric.power_on_reset();
  CHECK(host.probe[1]->resets == std::vector{ResetKind::kPowerOn});
  CHECK(host.fabric.find(Sbdf{0, Bdf(4, 0, 0)}) == host.probe[1]);
  CHECK(host.probe[1]->requester_id() == Bdf(4, 0, 0));
}

TEST_CASE("every configuration write is observed with the register before and after") {
  Switch host;
  std::vector<std::array<std::uint32_t, 3>> seen;
  host.simulation.topic<ConfigWritten>().subscribe([&](const ConfigWritten& write) {
    seen.push_back({write.old_value, write.written, write.new_value});
  });
  host.write(Bdf(3, 0, 0), 0x04, 2, 0xFFFF);
  CHECK(seen == std::vector<std::array<std::uint32_t, 3>>{{6, 0xFFFF, 0x0547}});
}

TEST_CASE("a new root bus takes unused numbers from the end of another's range") {
  Switch host;
  Bus& added = host.fabric.add_root_bus(0, 0x6A, 0x6A);
  CHECK(added.number() == 0x6A);
  CHECK(host.fabric.root_buses()[0]->last() == 0x69);
  CHECK_THROWS_AS(host.fabric.add_root_bus(0, 3, 3), sim::BugError);
}
