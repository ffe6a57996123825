// Enumeration: what is found, and which configuration accesses find it [linux drivers/pci/probe.c].
#include "tests/linux/pci/pci_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;

struct Seen {
  std::vector<host::ConfigAccess> writes;
  std::vector<std::string> order;
};

void record_writes(host::Machine& machine, Seen& seen) {
  machine.simulation().topic<host::ConfigAccess>().subscribe([&](const host::ConfigAccess& access) {
    if (access.write) seen.writes.push_back(access);
  });
}

Co<> enumerate_all(LuoKernel& kernel, Seen& seen) {
  Pci pci(kernel);
  co_await pci.live.begin_enumeration();
  co_await pci.core.enumerate();
  co_await pci.core.assign_resources();
  for (const PciDev* dev : pci.core.devices()) seen.order.push_back(to_string(dev->address.bdf));
  CHECK_FALSE(pci.live.inherit_bus_numbers());
  CHECK(pci.core.root_buses().size() == 2);

  const PciDev& virtio = pci.at(kVirtio);
  CHECK(virtio.pcie_cap != 0);
  CHECK(virtio.config_size == 4096);
  CHECK(virtio.upstream_bridge() == &pci.at(kVirtioPath[1]));
  CHECK(virtio.resources[4].size == 0x4000);
  CHECK(virtio.resources[4].prefetchable);
  CHECK(virtio.resources[4].is_64bit);
  CHECK(virtio.msix_cap != 0);

  const PciDev& accelerator = pci.at(kAccelerator);
  CHECK(accelerator.pcie_type == 9);
  CHECK(accelerator.has_flr);
  CHECK(accelerator.resources[0].size == 0x10000);
  CHECK(accelerator.resources[2].size == 0x20000);
  CHECK(accelerator.resources[0].start.value() != 0);
  CHECK(pci.core.msix_table_size(accelerator) == 9);
}

}  // namespace

TEST_CASE("enumeration finds a measured host as it is, and leaves its numbers and addresses") {
  Seen seen;
  World world({[&](LuoKernel& kernel) { return enumerate_all(kernel, seen); }}, switch_world());
  record_writes(world.machine(), seen);
  std::map<std::string, std::vector<std::byte>> before;
  for (const pci::Function* function : world.machine().fabric().functions()) {
    const auto bytes = function->config().bytes();
    before[function->name()].assign(bytes.begin() + 0x10, bytes.begin() + 0x34);
  }
  world.run();
  CHECK(world.completed(0));
  // Bus by bus, each completely before the buses below it [measured 6.1].
  const std::vector<std::string> order = {"00:00.0", "00:03.0", "00:04.0", "00:1f.0", "00:1f.2",
                                          "00:1f.3", "01:00.0", "02:00.0", "02:01.0", "02:02.0",
                                          "03:00.0", "04:00.0", "05:00.0", "05:01.0", "06:00.0",
                                          "07:00.0", "08:00.0", "09:00.0", "6a:01.0"};
  CHECK(seen.order == order);
  for (const pci::Function* function : world.machine().fabric().functions()) {
    INFO(function->name());
    std::vector<std::byte> bytes(function->config().bytes().begin() + 0x10,
                                 function->config().bytes().begin() + 0x34);
    if (function->config().is_bridge()) {  // secondary status is cleared
      bytes[0xE] = before[function->name()][0xE];
      bytes[0xF] = before[function->name()][0xF];
    }
    CHECK(bytes == before[function->name()]);
  }
}

TEST_CASE("a function is sized with decode off once, as 7.x does it") {
  Seen seen;
  World world({[&](LuoKernel& kernel) { return enumerate_all(kernel, seen); }}, switch_world());
  record_writes(world.machine(), seen);
  world.run();
  std::vector<std::string> writes;
  for (const host::ConfigAccess& access : seen.writes) {
    if (access.address == Sbdf{0, Bdf(3, 0, 0)}) {
      writes.push_back(fmt::format("{:02x}={:x}", access.offset, access.value));
    }
  }
  const std::vector<std::string> expected = {"04=503",      "04=103",  // Interrupt Disable toggle
                                             "04=100",                 // decode off
                                             "10=ffffffff", "10=fdc00000", "14=ffffffff", "14=0",
                                             "18=ffffffff", "18=0",        "1c=ffffffff", "1c=0",
                                             "20=ffffffff", "20=0",        "24=ffffffff", "24=0",
                                             "30=fffff800", "30=0",        "04=103"};
  CHECK(writes == expected);
}

TEST_CASE("a bridge that firmware adopted gets no bus number write, and its windows again") {
  Seen seen;
  World world({[&](LuoKernel& kernel) { return enumerate_all(kernel, seen); }}, switch_world());
  record_writes(world.machine(), seen);
  world.run();
  std::vector<unsigned> setup;
  for (const host::ConfigAccess& access : seen.writes) {
    if (access.address != Sbdf{0, Bdf(1, 0, 0)}) continue;
    CHECK((access.offset < 0x18 || access.offset > 0x1B));
    if (std::string_view(access.by).starts_with("pci_setup_bridge")) setup.push_back(access.offset);
  }
  CHECK(setup == std::vector<unsigned>{0x30, 0x1C, 0x30, 0x20, 0x2C, 0x24, 0x28, 0x2C});
}

namespace {

Co<> number_new_bridge(LuoKernel& kernel) {
  Pci pci(kernel);
  co_await pci.core.enumerate();
  co_await pci.core.assign_resources();
  CHECK(pci.core.find({0, Bdf(1, 0, 0)}) != nullptr);
  CHECK(config_of(kernel, {0, Bdf(0, 1, 0)}, 0x18, 4) == 0x00010100);
}

}  // namespace

TEST_CASE("a bridge without bus numbers gets the next free ones") {
  WorldConfig config;
  config.iommu = false;
  config.build = [](host::Machine& machine) {
    pci::Bus& bus = machine.fabric().add_root_bus(0, 0, 0xFF);
    pci::ConfigSpace port = pci::ConfigSpace::type1({.vendor = 0x8086, .device = 1});
    port.add_capability(0x40, pci::CapabilityId::kExpress, {{2, 2, 0x42}});
    auto owned = std::make_unique<pci::Bridge>(machine.simulation(), "port", port);
    pci::Bridge& bridge = *owned;
    machine.fabric().add(bus, 1, 0, std::move(owned));
    machine.fabric().add(bridge.secondary_bus(), 0, 0,
                         std::make_unique<Accelerator>(machine.simulation()));
  };
  World world({number_new_bridge}, config);
  world.run();
  CHECK(world.completed(0));
}

namespace {

// The measured host t05-hotplug: firmware left room behind each port.
void build_hotplug_host(host::Machine& machine) {
  std::ifstream file(testing::source_dir() + "/scenarios/hosts/hotplug.lspci");
  std::stringstream text;
  text << file.rdbuf();
  const auto dump = pci::parse_lspci(text.str());
  REQUIRE(dump.has_value());
  REQUIRE(pci::import_topology(machine.simulation(), machine.fabric(), *dump).has_value());
}

Co<> renumber(LuoKernel& kernel) {
  Pci pci(kernel);
  pci.core.set_assign_busses(true);
  co_await pci.core.enumerate();
  co_await pci.core.assign_resources();
  CHECK(pci.core.find({0, Bdf(1, 0, 0)}) != nullptr);
  CHECK(pci.core.find({0, Bdf(9, 0, 0)}) == nullptr);
  const PciDev& nvme = pci.at({0, Bdf(3, 0, 0)});  // was 09:00.0 [measured 6.1]
  CHECK(nvme.class_code == 0x010802);
  CHECK(nvme.upstream_bridge() == &pci.at({0, Bdf(0, 5, 0)}));
}

}  // namespace

TEST_CASE("pci=assign-busses clears the numbers of all bridges first, then gives new ones") {
  Seen seen;
  WorldConfig config;
  config.iommu = false;
  config.build = build_hotplug_host;
  World world({renumber}, config);
  record_writes(world.machine(), seen);
  const pci::Function* nvme = world.machine().fabric().find({0, Bdf(9, 0, 0)});
  REQUIRE(nvme != nullptr);
  CHECK(nvme->requester_id() == Bdf(9, 0, 0));
  world.run();
  CHECK(world.completed(0));
  CHECK(nvme->requester_id() == Bdf(3, 0, 0));
  std::vector<std::string> writes;
  for (const host::ConfigAccess& access : seen.writes) {
    const bool numbers = access.offset >= 0x18 && access.offset < 0x1B;
    const unsigned device = access.address.bdf.device();
    if (!numbers || access.address.bdf.bus() != 0 || device < 3 || device > 6) continue;
    writes.push_back(fmt::format("{} {:x}={:x}", device, access.offset, access.value));
  }
  const std::vector<std::string> expected = {"3 18=0",      "4 18=0", "5 18=0",      "6 18=0",
                                             "3 18=ff0100", "3 1a=1", "4 18=ff0200", "4 1a=2",
                                             "5 18=ff0300", "5 1a=3", "6 18=ff0400", "6 1a=4"};
  CHECK(writes == expected);
}
