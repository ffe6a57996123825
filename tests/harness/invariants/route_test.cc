// What routes a DMA: bus master, ids, BARs and windows, and the configuration writes that change
// them. Each invariant fires for its own, from freeze to finish, for devices of the handover.

#include "tests/harness/invariants/bench.h"

using namespace baton;
using namespace baton::harness;
using namespace baton::harness::test;

namespace {

constexpr Bdf kPort{0, 1, 0};
constexpr Bdf kBehind{1, 0, 0};
constexpr Bdf kDsa{0x6A, 1, 0};
constexpr Bdf kOtherDsa{0x6B, 1, 0};
constexpr auto kWithPort = Bench::Fabric::kWithPort;

}  // namespace

TEST_CASE("bus-master-path fires for the device and for each bridge above it") {
  Bench bench(kWithPort);
  bench.config_write(kPort, 0x04, 2, 2);  // before the freeze nothing is promised
  bench.config_write(kPort, 0x04, 2, 6);
  bench.preserve_all_and_freeze();
  bench.config_write(kPort, 0x04, 2, 6);
  CHECK(bench.count("bus-master-path") == 0);
  bench.config_write(kPort, 0x04, 2, 2);
  CHECK(bench.count("bus-master-path") == 1);
  const Violation& violation = bench.first("bus-master-path");
  CHECK(violation.subject == "probe of vm0, bridge port: Bus Master Enable");
  CHECK(violation.seen.find("nobody's kernel writes 0x2 to offset 0x4 of port") !=
        std::string::npos);
  bench.config_write(kPort, 0x20, 4, 0xE010E000);  // reported once
  CHECK(bench.count("bus-master-path") == 1);
  bench.config_write(kBehind, 0x04, 2, 2);
  CHECK(bench.count("bus-master-path") == 2);
  // Out of D0 nobody is bus master.
  bench.config_write(kBehind, 0x04, 2, 6);
  bench.config_write(kBehind, 0x94, 2, 3);
  CHECK(bench.count("bus-master-path") == 3);
}

TEST_CASE("bus-master-path lets a bit that was off at the freeze come on") {
  Bench bench(kWithPort);
  bench.config_write(kPort, 0x04, 2, 2);
  bench.preserve_all_and_freeze();
  bench.config_write(kPort, 0x04, 2, 6);
  bench.config_write(kPort, 0x04, 2, 2);
  CHECK(bench.count("bus-master-path") == 0);
}

TEST_CASE("a kernel's write is told with the kernel and its function") {
  Bench bench(kWithPort);
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.publish(host::ConfigAccess{1, {0, kPort}, 0x04, 2, true, 2, 6, "pci_disable_device"});
  bench.config_write(kPort, 0x04, 2, 2);
  CHECK(bench.first("bus-master-path").seen.find("kernel 1, pci_disable_device writes") !=
        std::string::npos);
}

TEST_CASE("devices of VMs that preserve nothing are nobody's concern") {
  Bench bench(kWithPort);
  bench.preserve_all_and_freeze();
  bench.config_write(kOtherDsa, 0x04, 2, 0);
  bench.config_write(kOtherDsa, 0x10, 4, 0xFFFFFFFF);
  bench.other_dsa().reset(pci::ResetKind::kFunctionLevel);
  bench.publish(iommu_vtd::Fault{*bench.machine().iommu_of(bench.other_dsa()), kOtherDsa, 0x1000, 2,
                                 true, true});
  CHECK(bench.count_all() == 0);
}

TEST_CASE("requester-id-stable sees bus numbers change, and the id that the device then captures") {
  Bench bench(kWithPort);
  bench.preserve_all_and_freeze();
  bench.config_write(kPort, 0x18, 4, 0);
  CHECK(bench.count("requester-id-stable") == 2);  // secondary and subordinate
  CHECK(bench.first("requester-id-stable").subject == "probe of vm0, bridge port: secondary bus");
  bench.config_write(kPort, 0x18, 4, 0x050500);
  CHECK(bench.count("requester-id-stable") == 4);
  CHECK(bench.probe().requester_id() == kBehind);
  bench.config_write(Bdf(5, 0, 0), 0x3C, 1, 0);
  CHECK(bench.count("requester-id-stable") == 5);
  CHECK(bench.count("config-writes") == 2);
}

TEST_CASE("requester-id-stable sees the id that a hot reset takes away") {
  Bench bench(kWithPort);
  bench.preserve_all_and_freeze();
  bench.config_write(kPort, 0x3E, 2, 0x40);
  CHECK(bench.count("requester-id-stable") == 1);
  CHECK(bench.first("requester-id-stable").subject == "probe of vm0: requester id");
  CHECK(bench.count("no-reset") == 1);
  CHECK(bench.first("no-reset").seen == "a hot reset");
}

TEST_CASE("bars-stable sees a BAR that is sized, although its address comes back") {
  Bench bench(kWithPort);
  bench.preserve_all_and_freeze();
  bench.config_write(kBehind, 0x04, 2, 4);  // decode off
  CHECK(bench.count("bars-stable") == 1);
  CHECK(bench.first("bars-stable").subject == "probe of vm0: memory decode");
  bench.config_write(kBehind, 0x10, 4, 0xFFFFFFFF);
  CHECK(bench.count("bars-stable") == 2);
  bench.config_write(kBehind, 0x10, 4, 0xE0000000);
  bench.config_write(kBehind, 0x04, 2, 6);
  CHECK(bench.count("bars-stable") == 2);
  CHECK(bench.count("config-writes") == 4);
  CHECK(bench.count("windows-stable") == 0);
}

TEST_CASE("windows-stable sees a window that is probed, and decode that is switched off") {
  Bench bench(kWithPort);
  bench.preserve_all_and_freeze();
  bench.config_write(kPort, 0x20, 4, 0xE010E000);
  CHECK(bench.count("windows-stable") == 0);
  bench.config_write(kPort, 0x28, 4, 0xFFFFFFFF);
  CHECK(bench.count("windows-stable") == 1);
  CHECK(bench.first("windows-stable").subject ==
        "probe of vm0, bridge port: Prefetchable Base Upper");
  bench.config_write(kPort, 0x28, 4, 0);
  bench.config_write(kPort, 0x04, 2, 4);
  CHECK(bench.count("windows-stable") == 2);
  bench.session_state(0, luo::SessionState::kOutgoing);
}

TEST_CASE("config-writes allows its list, counts writes without effect apart, refuses the rest") {
  Bench bench(kWithPort);
  bench.config_write(kBehind, 0x82, 2, 0x8000);
  bench.preserve_all_and_freeze();
  bench.config_write(kBehind, 0x82, 2, 0);       // MSI-X off
  bench.config_write(kBehind, 0x82, 2, 0xC000);  // on, masked
  bench.config_write(kBehind, 0x04, 2, 0x406);   // INTx off
  CHECK(bench.count("config-writes") == 0);
  CHECK(bench.watch().config_writes().changing == 3);
  bench.config_write(kBehind, 0x04, 2, 0x406);
  bench.config_write(kPort, 0x18, 4, 0x010100);
  CHECK(bench.count("config-writes") == 0);
  CHECK(bench.watch().config_writes().equal == 2);
  bench.config_write(kBehind, 0x3C, 1, 0x0B);
  CHECK(bench.count("config-writes") == 1);
  CHECK(bench.first("config-writes").seen ==
        "nobody's kernel changes Interrupt Line, offset 0x3c from 0x0 to 0xb");
  bench.config_write(kPort, 0x106, 2, 0x1D);  // ACS control
  CHECK(bench.count("config-writes") == 2);
}

TEST_CASE("config-writes promises nothing before the freeze and after the finish") {
  Bench bench(kWithPort);
  bench.config_write(kBehind, 0x3C, 1, 0x0A);
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.session_state(1, luo::SessionState::kFinished);
  bench.config_write(kBehind, 0x3C, 1, 0x0B);
  bench.config_write(kPort, 0x04, 2, 0);
  CHECK(bench.count("config-writes") == 0);
  CHECK(bench.count("bus-master-path") == 0);
  CHECK(bench.watch().config_writes().changing == 0);
}

TEST_CASE("no-reset fires for a function level reset of a preserved function") {
  Bench bench;
  bench.dsa().reset(pci::ResetKind::kFunctionLevel);
  CHECK(bench.count("no-reset") == 0);
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.dsa().reset(pci::ResetKind::kFunctionLevel);
  CHECK(bench.count("no-reset") == 1);
  CHECK(bench.first("no-reset").subject == "dsa0 of vm0");
}

TEST_CASE("fault-log-clean fires for a fault of a preserved device, recorded or not") {
  Bench bench;
  const auto fault = [&](Bdf source, bool recorded) {
    bench.publish(iommu_vtd::Fault{*bench.machine().iommu_of(bench.dsa()), source, 0x7000, 6, true,
                                   recorded});
  };
  fault(kDsa, true);
  CHECK(bench.count("fault-log-clean") == 0);
  bench.preserve_all_and_freeze();
  fault(kDsa, false);
  CHECK(bench.count("fault-log-clean") == 1);
  const Violation& violation = bench.first("fault-log-clean");
  CHECK(violation.subject == "dsa0 of vm0, as 6a:01.0");
  CHECK(violation.seen == "fault reason 0x6, write of 0x7000, not recorded");
  fault(Bdf(3, 0, 0), true);
  CHECK(bench.count("fault-log-clean") == 2);
}
