// The VMD driver: the domain that it makes, and what it does to what it finds there.
#include "model/linux/drivers/vmd.h"

#include "model/devices/vmd/vmd.h"
#include "model/linux/pci/device_paths.h"
#include "model/pci/observations.h"
#include "tests/linux/pci/pci_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;

constexpr Sbdf kPort{0x10000, Bdf(0, 2, 0)};
constexpr Sbdf kBehind{0x10000, Bdf(3, 0, 0)};

void build_vmd_host(host::Machine& machine) {
  pci::Fabric& fabric = machine.fabric();
  pci::Bus& bus = fabric.add_root_bus(0, 0x64, 0x64);
  auto owned = std::make_unique<devices::vmd::Vmd>(machine.simulation(), "vmd0");
  devices::vmd::Vmd& vmd = *owned;
  fabric.add(bus, 5, 0, std::move(owned));
  vmd.add_domain(fabric);
  auto* port = dynamic_cast<pci::Bridge*>(vmd.domain().at(2, 0));
  REQUIRE(port != nullptr);
  fabric.add(port->secondary_bus(), 0, 0, std::make_unique<Accelerator>(machine.simulation()));
}

WorldConfig vmd_world() {
  WorldConfig config;
  config.iommu = false;
  config.build = build_vmd_host;
  return config;
}

Co<> make_domain(LuoKernel& kernel) {
  Pci pci(kernel);
  co_await pci.core.enumerate();
  CHECK(pci.core.find(kPort) == nullptr);
  linux::pci::PciBusType bus_type(kernel.services, pci.core);
  linux::drivers::Vmd driver(kernel.services, pci.core, bus_type);
  const auto registered = co_await bus_type.register_driver(driver);
  CHECK(registered.has_value());
  const PciDev* vmd = pci.core.find({0, Bdf(0x64, 5, 0)});
  REQUIRE(vmd != nullptr);
  CHECK(vmd->driver == &driver);
  const PciDev* behind = pci.core.find(kBehind);
  REQUIRE(behind != nullptr);
  CHECK(behind->upstream_bridge() == pci.core.find(kPort));
  CHECK(to_string(behind->address) == "10000:03:00.0");
  const auto path = linux::pci::path_of(*behind);
  REQUIRE(path.has_value());
  CHECK(to_string(*path) == "PciRoot(0x0)/Pci(0x5,0x0)/Pci(0x2,0x0)/Pci(0x0,0x0)");
}

}  // namespace

TEST_CASE("a VMD's domain is numbered from 0x10000, and its functions have paths through the VMD") {
  World world({make_domain}, vmd_world());
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("the driver clears the windows of the ports that it finds, and resets what is below") {
  World world({make_domain}, vmd_world());
  std::vector<std::string> resets;
  unsigned cleared = 0;
  world.machine().simulation().topic<pci::FunctionReset>().subscribe(
      [&](const pci::FunctionReset& seen) { resets.push_back(seen.function.name()); });
  world.machine().simulation().topic<host::ConfigAccess>().subscribe(
      [&](const host::ConfigAccess& seen) {
        if (seen.write && seen.address == kPort &&
            std::string_view(seen.by) == "vmd_domain_reset") {
          ++cleared;
        }
      });
  world.run();
  CHECK(world.completed(0));
  CHECK(cleared == 7);
  CHECK(resets == std::vector<std::string>{"accelerator"});
}
