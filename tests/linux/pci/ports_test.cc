// Ports: their services, slots and links [linux drivers/pci/pcie/portdrv.c, aspm.c; drivers/pci/
// hotplug/pciehp_hpc.c].
#include "tests/linux/pci/pci_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;

const Sbdf kOccupied{0, Bdf(0, 3, 0)};  // a card below it
const Sbdf kEmpty{0, Bdf(0, 4, 0)};

// The measured host t05-hotplug: four hotplug ports, two of them empty.
WorldConfig hotplug_world(linux::PciCoreVersion version) {
  WorldConfig config;
  config.iommu = false;
  config.kernels.front().pieces.pci_core = version;
  config.build = [](host::Machine& machine) {
    std::ifstream file(testing::source_dir() + "/scenarios/hosts/hotplug.lspci");
    std::stringstream text;
    text << file.rdbuf();
    const auto dump = pci::parse_lspci(text.str());
    REQUIRE(dump.has_value());
    REQUIRE(pci::import_topology(machine.simulation(), machine.fabric(), *dump).has_value());
  };
  return config;
}

struct Driven {
  explicit Driven(LuoKernel& kernel)
      : pci(kernel), bus(kernel.services, pci.core), port(kernel.services, pci.core) {
    port.set_interrupts(
        {.request = [](PciDev&,
                       std::function<void()>) -> linux::Result<linux::pci::PciePort::Interrupt> {
           return linux::pci::PciePort::Interrupt{{0xFEE01000, 0x4021}, Vector(0x21)};
         },
         .free = [](linux::CpuVector) {}});
  }
  Co<> boot() {
    co_await pci.core.enumerate();
    co_await pci.core.assign_resources();
    const auto registered = co_await bus.register_driver(port);
    CHECK(registered.has_value());
  }
  Pci pci;
  linux::pci::PciBusType bus;
  linux::pci::PciePort port;
};

Co<> serve(LuoKernel& kernel) {
  Driven driven(kernel);
  co_await driven.boot();
  const PciDev& dev = driven.pci.at(kOccupied);
  const auto at = [&](unsigned offset) {
    return static_cast<std::uint16_t>(dev.pcie_cap + offset);
  };
  const auto aer = [&](unsigned offset) {
    return static_cast<std::uint16_t>(dev.aer_cap + offset);
  };
  CHECK((config_of(kernel, kOccupied, 0x04, 2) & 0x0404) == 0x0404);  // bus master, no INTx
  CHECK((config_of(kernel, kOccupied, aer(0x2C), 4) & 7) == 7);
  CHECK((config_of(kernel, kOccupied, at(0x18), 2) & 0x1031) == 0x1031);
  CHECK((config_of(kernel, kOccupied, at(0x08), 2) & 0xF) == 0xF);
  CHECK(dev.msix_enabled);
  co_await driven.pci.core.shutdown();
  CHECK((config_of(kernel, kOccupied, aer(0x2C), 4) & 7) == 0);
  CHECK((config_of(kernel, kOccupied, at(0x18), 2) & 0x1031) == 0);
  CHECK((config_of(kernel, kOccupied, 0x04, 2) & 0x0404) == 0);
  CHECK_FALSE(dev.msix_enabled);
}

// One more card for an empty slot: an accelerator.
Co<> plug(LuoKernel& kernel, host::Machine& machine) {
  Driven driven(kernel);
  co_await driven.boot();
  PciDev& port = driven.pci.at(kEmpty);
  const auto nothing = co_await driven.port.slot_event(port);
  CHECK(nothing.error() == Errno::kNoDev);
  auto* bridge = dynamic_cast<pci::Bridge*>(machine.fabric().find(kEmpty));
  REQUIRE(bridge != nullptr);
  machine.fabric().add(bridge->secondary_bus(), 0, 0,
                       std::make_unique<Accelerator>(machine.simulation()));
  bridge->show_slot();
  const auto added = co_await driven.port.slot_event(port);
  INFO((added ? "" : linux::name(added.error())));
  CHECK(added.has_value());
  const Sbdf card{0, Bdf(port.subordinate->number, 0, 0)};
  CHECK(driven.pci.core.find(card) != nullptr);
  CHECK(driven.pci.at(card).resources[0].claimed);
  CHECK((config_of(kernel, kEmpty, static_cast<std::uint16_t>(port.pcie_cap + 0x18), 2) & 0x700) ==
        0x100);  // power on, indicator on
  const auto again = co_await driven.port.slot_event(port);
  CHECK(again.error() == Errno::kExist);
}

// The card in the occupied slot is pulled out: the kernel hears of it from the link.
Co<> pull(LuoKernel& kernel, host::Machine& machine) {
  Driven driven(kernel);
  std::function<void()> handler;
  driven.port.set_interrupts({.request = [&handler](PciDev& dev, std::function<void()> call)
                                  -> linux::Result<linux::pci::PciePort::Interrupt> {
                                if (dev.address == kOccupied) handler = std::move(call);
                                return linux::pci::PciePort::Interrupt{{0xFEE01000, 0x4021},
                                                                       Vector(0x21)};
                              },
                              .free = [](linux::CpuVector) {}});
  co_await driven.boot();
  REQUIRE(handler);
  PciDev& port = driven.pci.at(kOccupied);
  PciDev& card = *port.subordinate->devices.front();
  const Sbdf address = card.address;
  CHECK(driven.pci.core.read(card, 0, 2, "test") != 0xFFFF);
  const PhysAddr bar = card.resources[0].start;
  handler();  // nothing happened
  CHECK_FALSE(card.disconnected);

  auto& bridge = dynamic_cast<pci::Bridge&>(*machine.fabric().find(kOccupied));
  std::vector<pci::Function*> functions;
  bridge.secondary_bus().for_each([&](pci::Function& each) { functions.push_back(&each); });
  std::vector<std::unique_ptr<pci::Function>> in_hand;
  for (pci::Function* each : functions) in_hand.push_back(machine.fabric().remove(*each));
  CHECK(driven.pci.core.read(card, 0, 2, "test") == 0xFFFF);
  bridge.lose_card();
  const auto status = static_cast<std::uint16_t>(port.pcie_cap + 0x1A);
  CHECK((config_of(kernel, kOccupied, status, 2) & 0x148) == 0x108);  // presence, link: changed
  handler();
  co_await kernel.services.spend(sim::Duration::seconds(2));
  CHECK((config_of(kernel, kOccupied, status, 2) & 0x108) == 0);
  CHECK(card.disconnected);
  CHECK(driven.pci.core.find(address) == nullptr);
  CHECK(port.subordinate->devices.empty());
  CHECK(driven.pci.core.read(card, 0, 2, "test") == 0xFFFF);
  CHECK((config_of(kernel, kOccupied, static_cast<std::uint16_t>(port.pcie_cap + 0x18), 2) &
         0x700) == 0x700);  // power and indicator off
  // Its addresses are free again.
  CHECK(bar.value() != 0);
  CHECK_FALSE(card.resources[0].claimed);
}

}  // namespace

TEST_CASE("a port's services are set up at probe and taken away at shutdown") {
  for (const auto version : {linux::PciCoreVersion::kV6_1, linux::PciCoreVersion::kV7}) {
    World world({serve}, hotplug_world(version));
    world.run();
    CHECK(world.completed(0));
  }
}

TEST_CASE(
    "a card put into a slot is powered, found and given addresses inside the port's windows") {
  World* now = nullptr;
  World world({[&](LuoKernel& kernel) { return plug(kernel, now->machine()); }},
              hotplug_world(linux::PciCoreVersion::kV7));
  now = &world;
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("6.1 sizes each BAR with decode off around it, 7.x all in one batch") {
  const auto count = [](linux::PciCoreVersion version) {
    unsigned off = 0;
    WorldConfig config = switch_world();
    config.kernels.front().pieces.pci_core = version;
    World world({[](LuoKernel& kernel) -> Co<> {
                  Pci pci(kernel);
                  co_await pci.core.enumerate();
                }},
                config);
    world.machine().simulation().topic<host::ConfigAccess>().subscribe(
        [&](const host::ConfigAccess& access) {
          const bool command = access.write && access.offset == 4 && access.width == 2;
          if (command && access.address == Sbdf{0, Bdf(3, 0, 0)} && (access.value & 3) == 0) ++off;
        });
    world.run();
    CHECK(world.completed(0));
    return off;
  };
  CHECK(count(linux::PciCoreVersion::kV6_1) == 7);
  CHECK(count(linux::PciCoreVersion::kV7) == 1);
}

TEST_CASE(
    "every configuration write of the walk takes its time, so others act between two of them") {
  std::vector<sim::Time> times;
  World* now = nullptr;
  World world({[](LuoKernel& kernel) -> Co<> {
                Pci pci(kernel);
                co_await pci.core.enumerate();
              }},
              switch_world());
  now = &world;
  world.machine().simulation().topic<host::ConfigAccess>().subscribe(
      [&](const host::ConfigAccess& access) {
        if (access.write) times.push_back(now->machine().simulation().now());
      });
  world.run();
  REQUIRE(times.size() > 100);
  for (std::size_t i = 1; i < times.size(); ++i) CHECK(times[i] > times[i - 1]);
}

TEST_CASE("a card that is pulled out is disconnected and removed, and its slot switched off") {
  World* now = nullptr;
  World world({[&](LuoKernel& kernel) { return pull(kernel, now->machine()); }},
              hotplug_world(linux::PciCoreVersion::kV7));
  now = &world;
  world.run();
  CHECK(world.completed(0));
}
