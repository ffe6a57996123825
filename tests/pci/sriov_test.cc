// Virtual functions: where they appear, what they decode, when they vanish [PCIe 9].
#include "model/pci/sriov.h"

#include "rig.h"

using namespace baton;
using namespace baton::pci;
using namespace baton::pci::test;

namespace {

constexpr Bdf kPort(0, 2, 0);
constexpr Bdf kPhysical(6, 0, 0);
constexpr std::uint16_t kControl = 0x148;
constexpr std::uint16_t kNumVfs = 0x150;
constexpr std::uint16_t kPageSize = 0x160;
constexpr std::uint16_t kVfBar = 0x164;
constexpr std::uint64_t kVfBars = 0x10'0040'0000;
constexpr std::uint32_t kOn = 0x09;  // VF Enable, VF MSE

// A function whose virtual functions are probes too.
class Physical final : public Probe {
 public:
  using Probe::Probe;
  std::unique_ptr<Function> make_virtual_function(unsigned index) override {
    ++made;
    return std::make_unique<Probe>(simulation(), fmt::format("vf{}", index + 1),
                                   ConfigSpace::virtual_function(config()));
  }
  unsigned made = 0;
};

struct Bench : Switch {
  Bridge* port = nullptr;
  Physical* physical = nullptr;
  std::vector<unsigned> counts;

  Bench() {
    simulation.topic<VirtualFunctionsChanged>().subscribe(
        [this](const VirtualFunctionsChanged& seen) { counts.push_back(seen.count); });
    ConfigSpace above = port_config(PortType::kRootPort);
    auto bridge = std::make_unique<Bridge>(simulation, "port", std::move(above));
    port = static_cast<Bridge*>(&fabric.add(*root->bus(), 2, 0, std::move(bridge)));
    number(kPort, 0, 6, 7);
    window(kPort, 3, 6);
    ConfigSpace config = probe_config();
    config.add_extended_capability(0x140, ExtendedCapabilityId::kSriov, 1,
                                   {{0x0C, 2, 12},
                                    {0x0E, 2, 12},
                                    {0x14, 2, 1},
                                    {0x16, 2, 1},
                                    {0x1A, 2, 0x5679},
                                    {0x1C, 4, 0x553},
                                    {0x20, 4, 1}},
                                   0x40);
    config.vf_bar64(0, 4096, true);
    auto owned = std::make_unique<Physical>(simulation, "pf", std::move(config));
    physical = owned.get();
    fabric.add(port->secondary_bus(), 0, 0, std::move(owned));
    write(kPhysical, 0x10, 4, 0x00300000);
    write(kPhysical, 0x14, 4, 0x10);
    write(kPhysical, 0x04, 2, 6);
    write(kPhysical, kVfBar, 4, static_cast<std::uint32_t>(kVfBars));
    write(kPhysical, kVfBar + 4, 4, static_cast<std::uint32_t>(kVfBars >> 32));
  }
  void enable(unsigned count) {
    write(kPhysical, kNumVfs, 2, count);
    write(kPhysical, kControl, 2, kOn);
  }
  Probe& vf(unsigned number) {
    Function* found = fabric.find(Sbdf{0, Bdf(port->secondary(), 0, number)});
    REQUIRE(found != nullptr);
    return static_cast<Probe&>(*found);
  }
};

}  // namespace

TEST_CASE("virtual functions appear at offset and stride while VF Enable is set") {
  Bench host;
  CHECK(host.fabric.find(Sbdf{0, Bdf(6, 0, 1)}) == nullptr);
  host.enable(3);
  CHECK(host.counts == std::vector<unsigned>{3});
  for (const unsigned number : {1U, 2U, 3U}) {
    CHECK(host.vf(number).requester_id() == Bdf(6, 0, number));
    CHECK(host.vf(number).is_virtual());
  }
  CHECK(host.fabric.find(Sbdf{0, Bdf(6, 0, 4)}) == nullptr);
  // NumVFs is fixed meanwhile.
  host.write(kPhysical, kNumVfs, 2, 5);
  CHECK(host.read(kPhysical, kNumVfs, 2) == 3);
  host.write(kPhysical, kControl, 2, 0);
  CHECK(host.fabric.find(Sbdf{0, Bdf(6, 0, 1)}) == nullptr);
  CHECK(host.counts == std::vector<unsigned>{3, 0});
  // The same hardware comes back.
  host.enable(4);
  CHECK(host.physical->made == 4);
}

TEST_CASE("virtual functions beyond function 7 answer where ARI forwarding is on") {
  Bench host;
  host.enable(12);
  CHECK(host.fabric.find(Sbdf{0, Bdf(6, 1, 2)}) == nullptr);
  host.port->config().set_initial(0x64, 4, 0x20);
  host.write(kPort, 0x68, 2, 0x20);
  REQUIRE(host.fabric.find(Sbdf{0, Bdf(6, 1, 2)}) != nullptr);
  CHECK(host.fabric.find(Sbdf{0, Bdf(6, 1, 2)})->requester_id() == Bdf(6, 1, 2));
  CHECK(host.fabric.find(Sbdf{0, Bdf(6, 1, 5)}) == nullptr);
}

TEST_CASE("a virtual function's header reads as the specification says") {
  Bench host;
  host.enable(1);
  const Bdf vf(6, 0, 1);
  CHECK(host.read(vf, 0x00, 4) == 0xFFFFFFFF);
  host.write(vf, 0x10, 4, 0xFFFFFFFF);
  CHECK(host.read(vf, 0x10, 4) == 0);
  host.write(vf, 0x04, 2, 0xFFFF);
  CHECK(host.read(vf, 0x04, 2) == 4);  // bus master alone
  CHECK(host.read(vf, 0x3D, 1) == 0);
  CHECK((host.read(vf, 0x44, 4) & 1U << 28) != 0);  // FLR
}

TEST_CASE("a virtual function decodes its part of the VF BAR while VF MSE is set") {
  Bench host;
  host.enable(2);
  std::array<std::byte, 4> bytes{std::byte{7}};
  CHECK(host.fabric.cpu_write(PhysAddr(kVfBars + 4096 + 8), bytes).arrived());
  CHECK(host.vf(2).registers[8] == std::byte{7});
  CHECK_FALSE(host.fabric.cpu_write(PhysAddr(kVfBars + 8192), bytes).arrived());
  host.write(kPhysical, kControl, 2, 1);
  CHECK_FALSE(host.fabric.cpu_write(PhysAddr(kVfBars), bytes).arrived());
  host.write(kPhysical, kControl, 2, kOn);
  // Moved with the register, at once.
  host.write(kPhysical, kVfBar, 4, 0x00500000);
  CHECK(host.fabric.cpu_write(PhysAddr(0x10'0050'0000), bytes).arrived());
  CHECK_FALSE(host.fabric.cpu_write(PhysAddr(kVfBars), bytes).arrived());
}

TEST_CASE("VF BARs size as one function's, and keep functions apart by the system's page size") {
  Bench host;
  host.write(kPhysical, kVfBar, 4, 0xFFFFFFFF);
  CHECK(host.read(kPhysical, kVfBar, 4) == 0xFFFFF00C);
  host.write(kPhysical, kPageSize, 4, 0x10);  // 64 KiB
  host.write(kPhysical, kVfBar, 4, 0xFFFFFFFF);
  CHECK(host.read(kPhysical, kVfBar, 4) == 0xFFFF000C);
  host.write(kPhysical, kVfBar, 4, static_cast<std::uint32_t>(kVfBars));
  host.enable(2);
  std::array<std::byte, 4> bytes{std::byte{9}};
  CHECK(host.fabric.cpu_write(PhysAddr(kVfBars + 0x10000), bytes).arrived());
  CHECK(host.vf(2).registers[0] == std::byte{9});
}

TEST_CASE("a virtual function sends by its own bus master, under its own id") {
  Bench host;
  host.enable(2);
  CHECK(host.vf(2).send_write(0x1000, 5).stopped_at == "bus-master-off");
  host.write(Bdf(6, 0, 2), 0x04, 2, 4);
  host.write(kPhysical, 0x04, 2, 0);
  CHECK(host.vf(2).send_write(0x1000, 5).arrived());
  CHECK(host.ram.requests.back().requester == Bdf(6, 0, 2));
  CHECK(host.vf(1).send_write(0x1000, 5).stopped_at == "bus-master-off");
}

TEST_CASE("virtual functions vanish with a reset of the physical function, and lose their state") {
  for (const bool flr : {true, false}) {
    Bench host;
    host.enable(2);
    host.write(Bdf(6, 0, 1), 0x04, 2, 4);
    Probe& vf = host.vf(1);
    flr ? host.write(kPhysical, 0x48, 2, 0xA810) : host.write(kPort, 0x3E, 2, 0x40);
    host.write(kPort, 0x3E, 2, 0);
    CHECK(host.fabric.find(Sbdf{0, Bdf(6, 0, 1)}) == nullptr);
    CHECK(host.counts == std::vector<unsigned>{2, 0});
    CHECK_FALSE(vf.resets.empty());
    CHECK((vf.config().get(0x04, 2) & 4) == 0);
    CHECK(host.read(kPhysical, kControl, 2) == 0);
    CHECK(host.read(kPhysical, kVfBar, 4) == 0xC);
  }
}

TEST_CASE("a reset of a virtual function is its own affair") {
  Bench host;
  host.enable(2);
  host.write(Bdf(6, 0, 1), 0x48, 2, 0x8000);
  CHECK(host.vf(1).resets == std::vector{ResetKind::kFunctionLevel});
  CHECK(host.vf(2).resets.empty());
  CHECK(host.physical->resets.empty());
  CHECK(host.counts == std::vector<unsigned>{2});
}

TEST_CASE("virtual functions follow their physical function to a new bus number") {
  Bench host;
  host.enable(1);
  host.number(kPort, 0, 7, 7);
  host.write(Bdf(7, 0, 0), 0x3C, 1, 0);
  CHECK(host.vf(1).requester_id() == Bdf(7, 0, 1));
}
