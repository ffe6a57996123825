// The driver of DSAs: what its probe does to a device, and what it leaves at shutdown.
#include "model/linux/drivers/idxd.h"

#include "model/devices/dsa/dsa.h"
#include "model/devices/dsa/observations.h"
#include "tests/linux/pci/pci_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;

constexpr std::uint64_t kBar0 = 0xF900'0000;
constexpr std::uint16_t kGenCtrl = 0x88;
constexpr std::uint16_t kGenSts = 0x90;

void build_dsa_host(host::Machine& machine) {
  pci::Fabric& fabric = machine.fabric();
  pci::Bus& bus = fabric.add_root_bus(0, 0x6A, 0x6A);
  fabric.add(bus, 1, 0, devices::dsa::make_dsa(machine.simulation(), {}));
  fabric.config_write(kAccelerator, 0x10, 4, kBar0);
}

WorldConfig dsa_world() {
  WorldConfig config;
  config.iommu = false;
  config.build = build_dsa_host;
  return config;
}

struct Idxd {
  explicit Idxd(LuoKernel& kernel)
      : pci(kernel),
        irqs(kernel.services),
        bus_type(kernel.services, pci.core),
        driver(kernel.services, pci.core, irqs) {
    irqs.init();
  }
  Pci pci;
  linux::irq::IrqCore irqs;
  linux::pci::PciBusType bus_type;
  linux::drivers::Idxd driver;
};

// Boots, and lets the driver find the device.
Co<PciDev*> probe(Idxd& idxd) {
  co_await idxd.pci.core.enumerate();
  co_await idxd.pci.core.assign_resources();
  const auto registered = co_await idxd.bus_type.register_driver(idxd.driver);
  CHECK(registered);
  PciDev& dev = idxd.pci.at(kAccelerator);
  REQUIRE(dev.driver == &idxd.driver);
  co_return &dev;
}

Co<> probe_and_remove(LuoKernel& kernel) {
  Idxd idxd(kernel);
  PciDev& dev = *co_await probe(idxd);
  CHECK(dev.msix_enabled);
  const PhysAddr bar(dev.resources[0].start);
  CHECK(kernel.port.mmio_read(bar + kGenCtrl, 4) == 3);
  const auto unbound = co_await idxd.bus_type.unbind(idxd.driver, dev);
  CHECK(unbound);
  CHECK_FALSE(dev.msix_enabled);
}

// An enabled device: Disable Device comes with shutdown, and bus master may go then.
Co<> shut_down(LuoKernel& kernel) {
  Idxd idxd(kernel);
  PciDev& dev = *co_await probe(idxd);
  const PhysAddr bar(dev.resources[0].start);
  kernel.port.mmio_write(bar + 0xA0, 4, 1 << 20);  // Enable Device
  co_await kernel.services.spend(sim::Duration::microseconds(10));
  REQUIRE((kernel.port.mmio_read(bar + kGenSts, 4) & 3) == 1);
  co_await idxd.driver.shutdown(dev);
  CHECK((kernel.port.mmio_read(bar + kGenSts, 4) & 3) == 0);
  CHECK(kernel.port.mmio_read(bar + kGenCtrl, 4) == 0);
}

Co<> probe_halted(LuoKernel& kernel) {
  Idxd idxd(kernel);
  co_await idxd.pci.core.enumerate();
  co_await idxd.pci.core.assign_resources();
  PciDev& dev = idxd.pci.at(kAccelerator);
  CHECK(idxd.pci.core.enable_device(dev));
  idxd.pci.core.set_master(dev);
  const PhysAddr bar(dev.resources[0].start);
  kernel.port.mmio_write(bar + 0xA0, 4, 1 << 20);
  co_await kernel.services.spend(sim::Duration::microseconds(10));
  idxd.pci.core.clear_master(dev);  // while enabled: Halt
  REQUIRE((kernel.port.mmio_read(bar + kGenSts, 4) & 3) == 3);
  const auto registered = co_await idxd.bus_type.register_driver(idxd.driver);
  CHECK(registered);
  CHECK(dev.driver == nullptr);
}

std::vector<std::uint32_t> commands_of(Co<> (*body)(LuoKernel&)) {
  std::vector<std::uint32_t> commands;
  World world({body}, dsa_world());
  world.machine().simulation().topic<devices::dsa::CommandTaken>().subscribe(
      [&](const devices::dsa::CommandTaken& seen) { commands.push_back(seen.command); });
  world.run();
  CHECK(world.completed(0));
  return commands;
}

}  // namespace

TEST_CASE("idxd resets every device that it probes, and takes its interrupts") {
  CHECK(commands_of(probe_and_remove) == std::vector<std::uint32_t>{5});
}

TEST_CASE("idxd disables an enabled device at shutdown") {
  CHECK(commands_of(shut_down) == std::vector<std::uint32_t>{5, 1, 2});
}

TEST_CASE("idxd leaves a halted device alone") {
  CHECK(commands_of(probe_halted) == std::vector<std::uint32_t>{1});
}
