// Downstream Port Containment, link disable, slot power: who takes a link down, what that does to
// what is below it, what the port shows [PCIe 6.2.11, 6.6, 6.7, 7.9.14].
#include "rig.h"

using namespace baton;
using namespace baton::pci;
using namespace baton::pci::test;

namespace {

constexpr Bdf kRoot(0, 1, 0);
constexpr Bdf kUp(1, 0, 0);
constexpr Bdf kDown(2, 0, 0);
constexpr Bdf kProbe(3, 0, 0);
constexpr std::uint16_t kDpcControl = 0x206;
constexpr std::uint16_t kDpcStatus = 0x208;
constexpr std::uint16_t kDpcSource = 0x20A;
constexpr std::uint16_t kLinkControl = 0x50;
constexpr std::uint16_t kLinkStatus = 0x52;
constexpr std::uint16_t kSlotControl = 0x58;
constexpr std::uint16_t kSlotStatus = 0x5A;

struct Bench : Switch {
  std::vector<Dpc::Reason> contained;
  std::vector<bool> links;
  std::vector<Severity> messages;

  Bench() {
    simulation.topic<PortContained>().subscribe(
        [this](const PortContained& seen) { contained.push_back(seen.reason); });
    simulation.topic<LinkChanged>().subscribe(
        [this](const LinkChanged& seen) { links.push_back(seen.up); });
    simulation.topic<ErrorMessageReceived>().subscribe(
        [this](const ErrorMessageReceived& seen) { messages.push_back(seen.severity); });
  }
  void report_everywhere() {
    for (const Bdf bdf : {kRoot, kUp, kDown, kProbe}) write(bdf, 0x48, 2, 0x281F);
    for (const Bdf bdf : {kRoot, kUp, kDown}) write(bdf, 0x3E, 2, 2);
  }
  void settle() { simulation.run_until(simulation.now() + sim::Duration::milliseconds(1)); }
  bool cpu_reads(std::uint64_t address) {
    std::array<std::byte, 4> bytes{};
    return fabric.cpu_read(PhysAddr(address), bytes).arrived();
  }
};

}  // namespace

TEST_CASE("a port contains an error of its own: the link goes down, no message is sent") {
  Bench host;
  host.report_everywhere();
  host.write(kDown, kDpcControl, 2, 2);  // fatal and non-fatal errors
  host.write(kDown, 0x04, 2, 2);
  host.probe[0]->send_write(0x1000, 1);
  CHECK(host.contained == std::vector{Dpc::Reason::kDetected});
  CHECK(host.read(kDown, kDpcStatus, 2) == 0x09);  // triggered, interrupt
  CHECK(host.messages.empty());
  CHECK(host.probe[0]->resets.empty());  // a moment later
  CHECK(host.probe[0]->send_write(0x1000, 1).stopped_at == "link-down");
  host.settle();
  CHECK(host.probe[0]->resets == std::vector{ResetKind::kHot});
  CHECK(host.read(kProbe, 0, 4) == 0xFFFFFFFF);
  CHECK((host.read(kDown, kLinkStatus, 2) & 0x2000) == 0);
  CHECK((host.read(kDown, kSlotStatus, 2) & 0x100) != 0);  // the link's state changed
  // Released, it is there again, as after a hot reset.
  host.write(kDown, kDpcStatus, 2, 1);
  CHECK(host.read(kProbe, 0, 2) == 0x1234);
  CHECK(host.read(kProbe, 0x04, 2) == 0);
  CHECK((host.read(kDown, kLinkStatus, 2) & 0x2000) != 0);
  CHECK(host.links == std::vector{false, true});
  CHECK(host.probe[0]->resets.size() == 1);
}

TEST_CASE("a port contains a message from below, and keeps who sent it") {
  for (const std::uint32_t enable : {0U, 1U, 2U}) {
    for (const bool fatal : {false, true}) {
      Bench host;
      host.report_everywhere();
      host.write(kRoot, kDpcControl, 2, enable);
      host.write(kDown, 0x14C, 4, fatal ? 1U << 20 : 0);
      host.write(kDown, 0x04, 2, 2);
      host.probe[0]->send_write(0x1000, 1);
      const bool expected = enable == 2 || (enable == 1 && fatal);
      INFO("trigger enable " << enable << (fatal ? ", fatal" : ", non-fatal"));
      CHECK(host.contained.size() == (expected ? 1 : 0));
      CHECK(host.messages.size() == (expected ? 0 : 1));
      if (!expected) continue;
      CHECK((host.read(kRoot, kDpcStatus, 2) >> 1 & 3) == (fatal ? 2U : 1U));
      CHECK(host.read(kRoot, kDpcSource, 2) == 0x0200);
      host.settle();
      CHECK(host.probe[1]->resets == std::vector{ResetKind::kHot});  // everything below
      CHECK(host.read(kUp, 0, 4) == 0xFFFFFFFF);
    }
  }
}

TEST_CASE("an advisory error and a masked one trigger no containment") {
  Bench host;
  host.write(kDown, kDpcControl, 2, 2);
  host.write(kDown, 0x04, 2, 2);
  host.probe[0]->send_read(0x1000);
  host.write(kDown, 0x148, 4, 1U << 20);
  host.probe[0]->send_write(0x1000, 1);
  CHECK(host.contained.empty());
}

TEST_CASE("a contained port refuses requests from above as its control says, and logs nothing") {
  Bench host;
  host.write(kDown, kDpcControl, 2, 0x41);  // software trigger
  CHECK(host.read(kDown, kDpcControl, 2) == 1);
  CHECK(host.contained == std::vector{Dpc::Reason::kSoftware});
  CHECK((host.read(kDown, kDpcStatus, 2) & 0x67) == 0x27);
  std::array<std::byte, 4> bytes{};
  const PhysAddr bar(Switch::kBar[0]);
  CHECK(host.fabric.cpu_read(bar, bytes).status == CompletionStatus::kCompleterAbort);
  host.write(kDown, kDpcControl, 2, 5);
  CHECK(host.fabric.cpu_read(bar, bytes).status == CompletionStatus::kUnsupportedRequest);
  CHECK((host.read(kDown, 0x4A, 2) & 0xF) == 0);
  // Without containment a link that is down makes it an error of the port.
  host.write(kDown, kDpcStatus, 2, 1);
  host.write(kDown, kLinkControl, 2, 0x10);
  CHECK(host.fabric.cpu_read(bar, bytes).stopped_at == "link-down");
  CHECK((host.read(kDown, 0x4A, 2) & 0xF) == 9);
}

TEST_CASE("the software trigger needs the capability and an enabled port") {
  Bench host;
  host.write(kDown, kDpcControl, 2, 0x40);
  CHECK(host.contained.empty());
  host.down[0]->config().set_initial(0x204, 2, 0x03);
  host.write(kDown, kDpcControl, 2, 0x42);
  CHECK(host.contained.empty());
}

TEST_CASE("containment interrupts by the message that its capability names") {
  Bench host;
  host.write(kDown, 0x94, 4, 0xFEE00000);
  host.write(kDown, 0x9C, 2, 0x30);
  host.write(kDown, 0x92, 2, 0x0031);
  host.write(kDown, kDpcControl, 2, 0x41);
  CHECK(host.ram.requests.empty());
  host.write(kDown, kDpcControl, 2, 0x09);  // the interrupt waits already
  REQUIRE(host.ram.requests.size() == 1);
  CHECK(host.ram.requests.back().requester == kDown);
  host.write(kDown, kDpcStatus, 2, 9);
  host.write(kDown, kDpcControl, 2, 0x49);
  CHECK(host.ram.requests.size() == 2);
}

TEST_CASE("a port that is released at once has reset what is below it") {
  Bench host;
  host.write(kDown, kDpcControl, 2, 0x41);
  host.write(kDown, kDpcStatus, 2, 1);
  CHECK(host.probe[0]->resets == std::vector{ResetKind::kHot});
  host.settle();
  CHECK(host.probe[0]->resets.size() == 1);
}

TEST_CASE("the trigger survives a hot reset of the port, which is sticky") {
  Bench host;
  host.write(kDown, kDpcControl, 2, 0x41);
  host.write(kRoot, 0x3E, 2, 0x40);
  host.write(kRoot, 0x3E, 2, 0);
  CHECK(host.down[0]->secondary_down());
}

TEST_CASE("link disable takes the link down and resets what is below it") {
  Bench host;
  CHECK((host.read(kDown, kLinkStatus, 2) & 0x2000) != 0);
  host.write(kDown, kLinkControl, 2, 0x10);
  CHECK(host.probe[0]->resets == std::vector{ResetKind::kHot});
  CHECK((host.read(kDown, kLinkStatus, 2) & 0x2000) == 0);
  CHECK((host.read(kDown, kSlotStatus, 2) & 0x140) == 0x140);  // changed; still present
  host.write(kDown, kSlotStatus, 2, 0x100);
  host.write(kDown, kLinkControl, 2, 0);
  CHECK((host.read(kDown, kLinkStatus, 2) & 0x2000) != 0);
  CHECK((host.read(kDown, kSlotStatus, 2) & 0x100) != 0);
}

TEST_CASE("a slot without power has nothing that answers, and loses even what is sticky") {
  Bench host;
  host.write(kProbe, 0x10C, 4, 0);
  host.write(kDown, kSlotControl, 2, 0x400);
  CHECK((host.read(kDown, kSlotStatus, 2) & 0x10) != 0);  // the command is done
  CHECK(host.read(kProbe, 0, 4) == 0xFFFFFFFF);
  CHECK(host.probe[0]->resets == std::vector{ResetKind::kPowerOn});
  host.write(kDown, kSlotControl, 2, 0);
  CHECK(host.read(kProbe, 0x10C, 4) == 0x00462030);
}

TEST_CASE("the slot interrupts for the events that its control enables") {
  Bench host;
  host.write(kDown, 0x94, 4, 0xFEE00000);
  host.write(kDown, 0x92, 2, 0x0031);
  host.write(kDown, kSlotControl, 2, 0x1000);  // state changes, but no hot-plug interrupt
  host.write(kDown, kLinkControl, 2, 0x10);
  CHECK(host.ram.requests.empty());
  host.write(kDown, kSlotControl, 2, 0x1020);
  CHECK(host.ram.requests.size() == 1);
  host.write(kDown, kSlotStatus, 2, 0x11F);
  host.write(kDown, kLinkControl, 2, 0);
  CHECK(host.ram.requests.size() == 2);
  // A command's completion is an event too.
  host.write(kDown, kSlotStatus, 2, 0x11F);
  host.write(kDown, kSlotControl, 2, 0x0030);
  CHECK(host.ram.requests.size() == 3);
}

TEST_CASE("a slot shows whether something is in it") {
  Bench host;
  CHECK((host.read(kDown, kSlotStatus, 2) & 0x40) != 0);
  const auto taken = host.fabric.remove(*host.probe[0]);
  host.down[0]->show_slot();
  CHECK((host.read(kDown, kSlotStatus, 2) & 0x40) == 0);
  CHECK((host.read(kDown, kLinkStatus, 2) & 0x2000) == 0);
}
