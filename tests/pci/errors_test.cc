// Errors: what the detecting function logs, which message it sends, how far the message comes, and
// the interrupt at the root [PCIe 6.2; figures 6-2 and 6-3].
#include "rig.h"

using namespace baton;
using namespace baton::pci;
using namespace baton::pci::test;

namespace {

constexpr Bdf kRoot(0, 1, 0);
constexpr Bdf kUp(1, 0, 0);
constexpr Bdf kDown(2, 0, 0);
constexpr Bdf kProbe(3, 0, 0);

constexpr std::uint16_t kStatus = 0x06;
constexpr std::uint16_t kSecondaryStatus = 0x1E;
constexpr std::uint16_t kDeviceControl = 0x48;
constexpr std::uint16_t kDeviceStatus = 0x4A;
constexpr std::uint16_t kUncorrectableStatus = 0x144;
constexpr std::uint16_t kSeverity = 0x14C;
constexpr std::uint16_t kCorrectableStatus = 0x150;
constexpr std::uint16_t kCorrectableMask = 0x154;
constexpr std::uint16_t kRootCommand = 0x16C;
constexpr std::uint16_t kRootStatus = 0x170;
constexpr std::uint16_t kSources = 0x174;

struct Bench : Switch {
  std::vector<Severity> messages;
  std::vector<std::string> detected;

  Bench() {
    simulation.topic<ErrorDetected>().subscribe([this](const ErrorDetected& seen) {
      detected.push_back(seen.function.name() + ": " + std::string(to_string(seen.error)));
    });
    simulation.topic<ErrorMessageReceived>().subscribe(
        [this](const ErrorMessageReceived& seen) { messages.push_back(seen.severity); });
  }
  void report(Bdf bdf, std::uint32_t enables = 0xF) {
    write(bdf, kDeviceControl, 2, 0x2810 | enables);
  }
  void forward(Bdf bdf) { write(bdf, 0x3E, 2, 2); }
  void report_everywhere() {
    for (const Bdf bdf : {kRoot, kUp, kDown}) {
      report(bdf);
      forward(bdf);
    }
    report(kProbe);
  }
  // Message address and data 0x30, all eight vectors, none masked.
  void enable_msi(Bdf bdf) {
    write(bdf, 0x94, 4, 0xFEE00000);
    write(bdf, 0x9C, 2, 0x30);
    write(bdf, 0x92, 2, 0x0031);
  }
  unsigned interrupts() const {
    return static_cast<unsigned>(std::ranges::count_if(
        ram.requests, [](const MemoryRequest& each) { return each.address >> 20 == 0xFEE; }));
  }
};

}  // namespace

TEST_CASE("a posted request that a port does not support is a non-fatal error, told to the root") {
  Bench host;
  host.report_everywhere();
  host.write(kDown, 0x04, 2, 2);
  CHECK(host.probe[0]->send_write(0x1000, 1).stopped_at == "bridge-bus-master-off");
  CHECK((host.read(kDown, kDeviceStatus, 2) & 0xF) == 0xA);  // non-fatal, unsupported request
  CHECK(host.read(kDown, kUncorrectableStatus, 4) == 1U << 20);
  CHECK(host.detected == std::vector<std::string>{"down0: Unsupported Request"});
  CHECK(host.messages == std::vector{Severity::kNonFatal});
  CHECK((host.read(kRoot, kRootStatus, 4) & 0x7F) == 0x24);
  CHECK(host.read(kRoot, kSources, 4) == 0x02000000);          // from 02:00.0
  CHECK((host.read(kUp, kSecondaryStatus, 2) & 0x4000) != 0);  // received a system error
  CHECK((host.read(kDown, kStatus, 2) & 0x4000) == 0);         // signaled none: SERR# is off
}

TEST_CASE("a refused read is advisory where reporting is by role: its requester is told") {
  Bench host;
  host.report_everywhere();
  host.write(kDown, 0x04, 2, 2);
  CHECK(host.probe[0]->send_read(0x1000).status == CompletionStatus::kUnsupportedRequest);
  CHECK((host.read(kDown, kDeviceStatus, 2) & 0xF) == 0x9);  // correctable, unsupported request
  CHECK(host.read(kDown, kCorrectableStatus, 4) == 1U << 13);
  CHECK(host.read(kDown, kUncorrectableStatus, 4) == 0);  // the advisory error is masked
  CHECK(host.messages.empty());
  CHECK((host.read(kProbe, kStatus, 2) & 0x2000) != 0);  // received a master abort
  // Unmasked it is logged as what it is, and told as correctable.
  host.write(kDown, kCorrectableMask, 4, 0);
  CHECK(host.probe[0]->send_read(0x1000).status == CompletionStatus::kUnsupportedRequest);
  CHECK(host.read(kDown, kUncorrectableStatus, 4) == 1U << 20);
  CHECK(host.messages == std::vector{Severity::kCorrectable});
  CHECK((host.read(kRoot, kRootStatus, 4) & 0x7F) == 1);
  CHECK(host.read(kRoot, kSources, 4) == 0x0200);
  // Made fatal it is no longer advisory.
  host.write(kDown, kSeverity, 4, 1U << 20);
  CHECK(host.probe[0]->send_read(0x1000).status == CompletionStatus::kUnsupportedRequest);
  CHECK(host.messages.back() == Severity::kFatal);
}

TEST_CASE("an unsupported request needs its own reporting enable, or SERR#") {
  Bench host;
  host.report_everywhere();
  host.report(kDown, 0x7);
  host.write(kDown, 0x04, 2, 2);
  host.probe[0]->send_write(0x1000, 1);
  CHECK(host.messages.empty());
  host.report(kDown, 0);
  host.write(kDown, 0x04, 2, 0x102);
  host.probe[0]->send_write(0x1000, 1);
  CHECK(host.messages == std::vector{Severity::kNonFatal});
  CHECK((host.read(kDown, kStatus, 2) & 0x4000) != 0);  // signaled a system error
}

TEST_CASE("a message goes up only through ports that forward and report it") {
  for (const Bdf stopper : {kUp, kRoot}) {
    Bench host;
    host.report_everywhere();
    host.write(kDown, 0x04, 2, 2);
    host.write(stopper, 0x3E, 2, 0);
    host.probe[0]->send_write(0x1000, 1);
    CHECK(host.messages.empty());
    host.forward(stopper);
    host.report(stopper, 0);
    host.probe[0]->send_write(0x1000, 1);
    CHECK(host.messages.empty());
    // SERR# of the port stands for its reporting of uncorrectable errors.
    host.write(stopper, 0x04, 2, 0x106);
    host.probe[0]->send_write(0x1000, 1);
    CHECK(host.messages == std::vector{Severity::kNonFatal});
    CHECK((host.read(stopper, kStatus, 2) & 0x4000) != 0);
  }
}

TEST_CASE("the root keeps the first source and tells of more") {
  Bench host;
  host.report_everywhere();
  host.report(Bdf(2, 1, 0));
  host.write(kDown, 0x04, 2, 2);
  host.write(Bdf(2, 1, 0), 0x04, 2, 2);
  host.probe[1]->send_write(0x1000, 1);
  host.write(Bdf(2, 1, 0), 0x3E, 2, 2);
  host.write(kDown, kSeverity, 4, 1U << 20);
  host.probe[0]->send_write(0x1000, 1);
  CHECK((host.read(kRoot, kRootStatus, 4) & 0x7F) == 0x6C);  // uncorrectable, multiple, both kinds
  CHECK(host.read(kRoot, kSources, 4) == 0x02080000);
  host.write(kRoot, kRootStatus, 4, 0x7F);
  host.probe[0]->send_write(0x1000, 1);
  CHECK((host.read(kRoot, kRootStatus, 4) & 0x7F) == 0x54);  // the first one is fatal
  CHECK(host.read(kRoot, kSources, 4) == 0x02000000);
}

TEST_CASE("the root port interrupts when an enable meets an error, once until software clears it") {
  Bench host;
  host.report_everywhere();
  host.enable_msi(kRoot);
  host.write(kDown, 0x04, 2, 2);
  host.probe[0]->send_write(0x1000, 1);
  CHECK(host.interrupts() == 0);
  host.write(kRoot, kRootCommand, 4, 7);  // the error waits already
  REQUIRE(host.interrupts() == 1);
  CHECK(host.ram.requests.back().requester == kRoot);
  host.probe[0]->send_write(0x1000, 1);
  CHECK(host.interrupts() == 1);
  host.write(kRoot, kRootStatus, 4, 0x7F);
  host.probe[0]->send_write(0x1000, 1);
  CHECK(host.interrupts() == 2);
  // Without bus master no message leaves.
  host.write(kRoot, kRootStatus, 4, 0x7F);
  host.write(kRoot, 0x04, 2, 2);
  host.probe[0]->send_write(0x1000, 1);
  CHECK(host.interrupts() == 2);
}

TEST_CASE("an error that the port's mask hides is not told") {
  Bench host;
  host.report_everywhere();
  host.write(kDown, 0x148, 4, 1U << 20);
  host.write(kDown, 0x04, 2, 2);
  host.probe[0]->send_write(0x1000, 1);
  CHECK(host.read(kDown, kUncorrectableStatus, 4) == 1U << 20);
  CHECK(host.messages.empty());
}

TEST_CASE("a payload above the receiver's Max_Payload_Size is a malformed packet, which is fatal") {
  Bench host;
  host.report_everywhere();
  CHECK(host.probe[0]->send_block(0x1000, true).arrived());
  host.write(kProbe, kDeviceControl, 2, 0x284F);  // 512 bytes; the port above has 128
  const Completion done = host.probe[0]->send_block(0x1000, true);
  CHECK(done.stopped_at == "malformed-packet");
  CHECK(done.status == CompletionStatus::kSuccess);  // posted: its sender does not know
  CHECK((host.read(kDown, kDeviceStatus, 2) & 0xF) == 4);
  CHECK(host.read(kDown, kUncorrectableStatus, 4) == 1U << 18);
  CHECK(host.read(kDown, 0x15C, 4) == 0x40000080);  // MWr of 128 double words
  CHECK(host.messages == std::vector{Severity::kFatal});
  CHECK(host.probe[0]->send_write(0x1000, 1).arrived());  // a small one fits
}

TEST_CASE("a completion above the requester's Max_Payload_Size is malformed there, and missed") {
  Bench host;
  for (const Bdf bdf : {kRoot, kUp, kDown}) host.write(bdf, kDeviceControl, 2, 0x2850);
  host.write(kProbe, kDeviceControl, 2, 0x2830);
  const Completion done = host.probe[0]->send_block(0x1000, false);
  CHECK(done.status == CompletionStatus::kTimeout);
  CHECK(done.stopped_at == "malformed-completion");
  CHECK(host.detected ==
        std::vector<std::string>{"probe0: Malformed TLP", "probe0: Completion Timeout"});
  CHECK(host.read(kProbe, 0x104, 4) == (1U << 18 | 1U << 14));
  CHECK((host.read(kProbe, 0x118, 4) & 0x1F) == 18);  // the first one
  CHECK(host.probe[0]->send_read(0x1000).arrived());
}

TEST_CASE("a lost completion is a timeout at its requester, unexpected where it ends up") {
  Bench host;
  host.number(kDown, 2, 4, 4);
  host.number(Bdf(2, 1, 0), 2, 3, 3);
  host.write(Bdf(3, 0, 0), 0x3C, 1, 0);  // the other probe is 03:00.0 now, and knows
  CHECK(host.probe[0]->send_read(0x1000).stopped_at == "completion-lost");
  CHECK(host.detected ==
        std::vector<std::string>{"probe1: Unexpected Completion", "probe0: Completion Timeout"});
  CHECK((host.read(Bdf(3, 0, 0), kDeviceStatus, 2) & 0xF) == 1);  // advisory
  CHECK((host.read(Bdf(4, 0, 0), kDeviceStatus, 2) & 0xF) == 2);
}

TEST_CASE("an address that a device below a port does not take is an error of the device") {
  Bench host;
  host.report_everywhere();
  host.window(kDown, 1, 1);
  host.write(kProbe, 0x04, 2, 4);  // memory space off
  std::array<std::byte, 4> bytes{};
  CHECK_FALSE(host.fabric.cpu_write(PhysAddr(Switch::kBar[0]), bytes).arrived());
  CHECK(host.detected == std::vector<std::string>{"probe0: Unsupported Request"});
  CHECK(host.messages == std::vector{Severity::kNonFatal});
  CHECK(host.read(kRoot, kSources, 4) == 0x03000000);
  // Nobody on the switch's own bus: its upstream port is asked.
  host.window(kDown, 0xF, 0xE);
  CHECK_FALSE(host.fabric.cpu_read(PhysAddr(Switch::kBar[0]), bytes).arrived());
  CHECK(host.detected.back() == "up: Unsupported Request");
  CHECK((host.read(kRoot, kSecondaryStatus, 2) & 0x2000) != 0);  // the CPU's read was refused
}

TEST_CASE("an ACS violation is told by the port that validates") {
  Bench host;
  host.report_everywhere();
  host.write(kDown, 0x106, 2, 1);
  host.number(kDown, 2, 5, 5);
  host.probe[0]->send_write(0x1000, 1);
  CHECK(host.detected == std::vector<std::string>{"down0: ACS Violation"});
  CHECK(host.messages == std::vector{Severity::kNonFatal});
  CHECK(host.probe[0]->send_read(0x1000).status == CompletionStatus::kCompleterAbort);
  CHECK((host.read(Bdf(5, 0, 0), kStatus, 2) & 0x1000) != 0);  // received a target abort
}

TEST_CASE("poisoned data is logged at every port it passes and is not written") {
  Bench host;
  host.report_everywhere();
  CHECK(host.probe[0]->send_poisoned(0x1000).stopped_at == "poisoned");
  CHECK(host.read(kDown, kCorrectableStatus, 4) == 1U << 13);  // passed on: advisory
  CHECK(host.read(kRoot, kUncorrectableStatus, 4) == 1U << 12);
  CHECK((host.read(kRoot, kSecondaryStatus, 2) & 0x8000) != 0);  // detected parity error
  CHECK(host.messages == std::vector{Severity::kNonFatal});
  // At a peer it is the peer's.
  CHECK(host.probe[0]->send_poisoned(Switch::kBar[1]).stopped_at == "poisoned");
  CHECK((host.read(Bdf(4, 0, 0), kStatus, 2) & 0x8000) != 0);
  CHECK(host.detected.back() == "probe1: Poisoned TLP Received");
}

TEST_CASE("an integrated endpoint tells the event collector that it is associated with") {
  Bench host;
  ConfigSpace config = ConfigSpace::type0({.vendor = 0x8086, .device = 2, .class_code = 0x080700});
  config.add_capability(0x40, CapabilityId::kExpress, {{2, 2, 0x00A2}, {4, 4, 0x8000}});
  config.add_extended_capability(0x100, ExtendedCapabilityId::kAer, 2, {});
  config.add_extended_capability(0x140, ExtendedCapabilityId::kCollectorAssociation, 1,
                                 {{4, 4, 1U << 6}});
  Bus& bus = *host.root->bus();
  auto owned = std::make_unique<Function>(host.simulation, "collector", std::move(config));
  Function& collector = host.fabric.add(bus, 5, 0, std::move(owned));
  for (const unsigned device : {6U, 7U}) {
    auto endpoint = std::make_unique<Probe>(host.simulation, "rciep", probe_config());
    Function& added = host.fabric.add(bus, device, 0, std::move(endpoint));
    host.write(Bdf(0, device, 0), kDeviceControl, 2, 0x281F);
    CHECK(added.detect(Uncorrectable::kUnsupportedRequest, {}));
  }
  CHECK(host.messages == std::vector{Severity::kNonFatal});  // device 7 has no collector
  CHECK(collector.config().get(0x134, 4) == Bdf(0, 6, 0).value() << 16);
}

TEST_CASE("MSI has four layouts, masks, and vectors in the low bits of its data") {
  struct Layout {
    std::uint32_t control;
    unsigned length;
    std::uint16_t data;
  };
  for (const Layout layout : {Layout{0x0006, 10, 8}, Layout{0x0086, 14, 12}, Layout{0x0106, 20, 8},
                              Layout{0x0186, 24, 12}}) {
    CHECK(Msi::length(layout.control) == layout.length);
    ConfigSpace config = ConfigSpace::type0({.vendor = 1, .device = 1});
    config.add_capability(0x50, CapabilityId::kMsi, {{2, 2, layout.control}});
    const Msi msi(0x50);
    CHECK_FALSE(msi.signal(config, 0));
    config.write(0x54, 4, 0xFEE01007);
    if ((layout.control & 0x80) != 0) config.write(0x58, 4, 5);
    config.write(static_cast<std::uint16_t>(0x50 + layout.data), 2, 0x4047);
    config.write(0x52, 2, 0x0021);  // on, four vectors
    const auto message = msi.signal(config, 2);
    REQUIRE(message);
    CHECK(message->address == ((layout.control & 0x80) != 0 ? 0x5FEE01004 : 0xFEE01004));
    CHECK(message->data == 0x4046);
    CHECK(msi.signal(config, 5)->data == 0x4045);  // four vectors only
    if ((layout.control & 0x100) == 0) continue;
    const auto mask = static_cast<std::uint16_t>(0x50 + layout.data + 4);
    config.write(mask, 4, 1U << 2);
    CHECK_FALSE(msi.signal(config, 2));
    CHECK(config.read(static_cast<std::uint16_t>(mask + 4), 4) == 1U << 2);
    CHECK_FALSE(msi.take_unmasked(config));
    config.write(mask, 4, 0);
    CHECK(msi.take_unmasked(config)->data == 0x4046);
    CHECK_FALSE(msi.take_unmasked(config));
  }
}
