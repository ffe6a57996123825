// Addresses and windows: what is claimed, what is assigned, what is opened for hotplug [linux
// drivers/pci/setup-bus.c, setup-res.c].
#include "model/linux/pci/address_space.h"
#include "tests/linux/pci/pci_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;
using linux::pci::AddressSpace;

constexpr std::uint16_t kMemory = 0x20;

pci::ConfigSpace endpoint_config(std::uint64_t size) {
  pci::ConfigSpace config =
      pci::ConfigSpace::type0({.vendor = 0x1234, .device = 1, .class_code = 0x020000});
  config.bar32(0, size, false);
  return config;
}

class Endpoint final : public pci::Function {
 public:
  Endpoint(sim::Simulation& simulation, const char* name, pci::ConfigSpace config)
      : Function(simulation, name, std::move(config)) {}
};

// A root port with bus 1 and this memory window, and an endpoint whose BAR has no address.
void build_port(host::Machine& machine, std::uint32_t window, std::uint64_t size, bool hotplug) {
  pci::Bus& bus = machine.fabric().add_root_bus(0, 0, 0xFF);
  pci::ConfigSpace config = pci::ConfigSpace::type1({.vendor = 0x8086, .device = 2});
  config.add_capability(0x40, pci::CapabilityId::kExpress,
                        {{2, 2, 0x0142}, {0x14, 4, hotplug ? 0x40U : 0U}});
  config.set_initial(0x18, 4, 0x00010100);
  config.set_initial(kMemory, 4, window);
  config.set_initial(0x1C, 2, 0x01F1);
  config.set_initial(0x24, 4, 0x0001FFF1);
  config.set_initial(0x04, 2, 0x0007);
  auto owned = std::make_unique<pci::Bridge>(machine.simulation(), "port", config);
  pci::Bridge& port = *owned;
  machine.fabric().add(bus, 1, 0, std::move(owned));
  machine.fabric().add(
      port.secondary_bus(), 0, 0,
      std::make_unique<Endpoint>(machine.simulation(), "endpoint", endpoint_config(size)));
}

WorldConfig port_world(std::uint32_t window, std::uint64_t size, bool hotplug) {
  WorldConfig config;
  config.iommu = false;
  config.build = [=](host::Machine& machine) { build_port(machine, window, size, hotplug); };
  return config;
}

struct Found {
  std::uint32_t bar = 0;
  std::uint32_t window = 0;
  std::uint32_t ports = 0;
};

Co<> assign(LuoKernel& kernel, Found& found, bool realloc) {
  Pci pci(kernel);
  pci.core.set_realloc(realloc);
  co_await pci.core.enumerate();
  co_await pci.core.assign_resources();
  found.bar = config_of(kernel, {0, Bdf(1, 0, 0)}, 0x10, 4);
  found.window = config_of(kernel, {0, Bdf(0, 1, 0)}, kMemory, 4);
  found.ports = config_of(kernel, {0, Bdf(0, 1, 0)}, 0x1C, 2);
  const PciDev& endpoint = pci.at({0, Bdf(1, 0, 0)});
  CHECK(endpoint.resources[0].start.value() == (found.bar & ~0xFU));
}

Found run(WorldConfig config, bool realloc = false) {
  Found found;
  World world({[&](LuoKernel& kernel) { return assign(kernel, found, realloc); }},
              std::move(config));
  world.run();
  CHECK(world.completed(0));
  return found;
}

}  // namespace

TEST_CASE("a taken range of addresses is not given out twice") {
  AddressSpace space(0x1000, 0x9000);
  CHECK_FALSE(space.request(0x0, 0x2000));
  CHECK_FALSE(space.request(0x8000, 0x2000));
  CHECK_FALSE(space.request(0x2000, 0));
  CHECK(space.request(0x2000, 0x1000));
  CHECK_FALSE(space.request(0x2800, 0x1000));
  CHECK_FALSE(space.request(0x1800, 0x1000));
  CHECK(space.allocate(0x1000, 0x1000, 0, UINT64_MAX) == 0x1000);
  CHECK(space.allocate(0x2000, 0x2000, 0, UINT64_MAX) == 0x4000);
  CHECK(space.allocate(0x1000, 0x1000, 0x5000, UINT64_MAX) == 0x6000);
  CHECK_FALSE(space.allocate(0x8000, 0x1000, 0, UINT64_MAX).has_value());
  CHECK_FALSE(space.allocate(0x1000, 0x1000, 0, 0x2000).has_value());
  space.release(0x2000);
  CHECK(space.allocate(0x1000, 0x1000, 0, UINT64_MAX) == 0x2000);
}

TEST_CASE("a BAR without an address gets one inside its port's window, which stays") {
  const Found found = run(port_world(0xE010E000, 0x10000, false));
  CHECK(found.window == 0xE010E000);
  CHECK(found.bar == 0xE0000000);
}

TEST_CASE("a closed window is opened for what is below it, as small as it can be") {
  const Found found = run(port_world(0x0000FFF0, 0x20'0000, false));
  const std::uint64_t base = std::uint64_t{found.window & 0xFFF0} << 16;
  const std::uint64_t limit = (found.window & 0xFFF00000) | 0xFFFFF;
  CHECK(limit - base + 1 == 0x20'0000);
  CHECK((found.bar & ~0xFU) == base);
  CHECK(base >= host::kTopOfLowRam.value());
}

TEST_CASE("a BAR that its port's window cannot hold stays without an address") {
  const Found found = run(port_world(0xE000E000, 0x20'0000, false));
  CHECK(found.window == 0xE000E000);
  CHECK(found.bar == 0);
}

TEST_CASE("a hotplug port gets an I/O window although nothing needs it, another port does not") {
  CHECK(run(port_world(0xE010E000, 0x10000, true)).ports == 0x1111);
  CHECK(run(port_world(0xE010E000, 0x10000, false)).ports == 0x01F1);
  CHECK(run(port_world(0xE010E000, 0x10000, true), true).ports == 0x1111);
}

TEST_CASE("without an I/O aperture above it a port's I/O window stays closed") {
  WorldConfig config = port_world(0xE010E000, 0x10000, true);
  const auto build = config.build;
  config.build = [build](host::Machine& machine) {
    build(machine);
    machine.fabric().root_buses().front()->set_traits({.io_aperture = false});
  };
  CHECK((run(config).ports & 0xF0F0) == 0x00F0);
  CHECK((run(config, true).ports & 0xF0F0) == 0x00F0);
}

namespace {

// A physical function with 4 possible VFs of one 16 KiB BAR each, below the port.
WorldConfig sriov_world() {
  WorldConfig config;
  config.iommu = false;
  config.build = [](host::Machine& machine) {
    pci::Bus& bus = machine.fabric().add_root_bus(0, 0, 0xFF);
    pci::ConfigSpace port = pci::ConfigSpace::type1({.vendor = 0x8086, .device = 2});
    port.add_capability(0x40, pci::CapabilityId::kExpress, {{2, 2, 0x0042}});
    port.set_initial(0x18, 4, 0x00010100);
    port.set_initial(kMemory, 4, 0xE010E000);
    port.set_initial(0x24, 4, 0x0001FFF1);
    auto owned = std::make_unique<pci::Bridge>(machine.simulation(), "port", port);
    pci::Bridge& bridge = *owned;
    machine.fabric().add(bus, 1, 0, std::move(owned));
    pci::ConfigSpace physical = endpoint_config(0x4000);
    physical.set_initial(0x10, 4, 0xE0000000);
    physical.set_initial(0x04, 2, 0x0002);
    physical.add_capability(0x40, pci::CapabilityId::kExpress, {{2, 2, 0x0002}, {4, 4, 0x8000}});
    physical.add_extended_capability(
        0x100, pci::ExtendedCapabilityId::kSriov, 1,
        {{0x0C, 2, 4}, {0x0E, 2, 4}, {0x14, 2, 1}, {0x16, 2, 1}, {0x1C, 4, 0x553}, {0x20, 4, 1}},
        0x40);
    physical.set_initial(0x124, 4, 0);
    physical.set_writable(0x124, 4, 0xFFFFC000);
    physical.set_writable(0x110, 2, 0xFFFF);
    machine.fabric().add(
        bridge.secondary_bus(), 0, 0,
        std::make_unique<Endpoint>(machine.simulation(), "physical", std::move(physical)));
  };
  config.kernels.front().pieces.pci_core = linux::PciCoreVersion::kV6_1;
  return config;
}

}  // namespace

TEST_CASE(
    "VF BARs are sized and placed for all VFs, and the VF numbers tried from the highest down") {
  std::vector<std::string> writes;
  World world({[](LuoKernel& kernel) -> Co<> {
                Pci pci(kernel);
                co_await pci.core.enumerate();
                co_await pci.core.assign_resources();
                const PciDev& dev = pci.at({0, Bdf(1, 0, 0)});
                CHECK(dev.sriov_cap == 0x100);
                CHECK(dev.vf_bars[0].size == 4 * 0x4000);
                CHECK(dev.vf_bars[0].claimed);
                CHECK(dev.last_vf_bus == 1);
              }},
              sriov_world());
  world.machine().simulation().topic<host::ConfigAccess>().subscribe(
      [&](const host::ConfigAccess& access) {
        if (access.write && access.offset >= 0x100 && access.offset < 0x140) {
          writes.push_back(fmt::format("{:x}={:x}", access.offset, access.value));
        }
      });
  world.run();
  CHECK(world.completed(0));
  // Control, page size, the six VF BARs, NumVFs [measured 6.1]; the address when it is assigned.
  const std::vector<std::string> expected = {
      "108=0",        "120=1",        "124=ffffffff", "124=0",        "128=ffffffff",
      "128=0",        "12c=ffffffff", "12c=0",        "130=ffffffff", "130=0",
      "134=ffffffff", "134=0",        "138=ffffffff", "138=0",        "110=4",
      "110=3",        "110=2",        "110=1",        "110=0",        "124=e0004000"};
  CHECK(writes == expected);
}
