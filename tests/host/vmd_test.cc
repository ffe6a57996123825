// A VMD: the domain behind it, the way of configuration requests into it and of memory requests out
// of it.
#include "model/devices/vmd/vmd.h"

#include <cstring>

#include "model/host/machine.h"

namespace {

using namespace baton;
using devices::vmd::Vmd;

class Sender final : public pci::Function {
 public:
  explicit Sender(sim::Simulation& simulation)
      : Function(simulation, "sender",
                 pci::ConfigSpace::type0({.vendor = 0x1234, .device = 1, .class_code = 0xFF0000})) {
  }
  pci::Completion write_to(std::uint64_t address) {
    const std::array<std::byte, 4> bytes{};
    return write(address, bytes);
  }
};

struct Host {
  Host() : machine(simulation, config()) {
    pci::Bus& bus = machine.fabric().add_root_bus(0, 0x64, 0x64);
    auto owned = std::make_unique<Vmd>(simulation, "vmd0");
    vmd = owned.get();
    machine.fabric().add(bus, 5, 0, std::move(owned));
    vmd->add_domain(machine.fabric());
    auto* port = dynamic_cast<pci::Bridge*>(vmd->domain().at(1, 0));
    REQUIRE(port != nullptr);
    auto made = std::make_unique<Sender>(simulation);
    sender = made.get();
    machine.fabric().add(port->secondary_bus(), 0, 0, std::move(made));
    REQUIRE(machine.finish_firmware().has_value());
  }
  static host::MachineConfig config() {
    host::MachineConfig config;
    config.memory = 512 << 20;
    config.iommu = false;
    return config;
  }
  void set_command(Sbdf address, std::uint32_t command) {
    machine.fabric().config_write(address, 4, 2, command);
  }

  sim::Simulation simulation{1};
  host::Machine machine;
  Vmd* vmd = nullptr;
  Sender* sender = nullptr;
};

constexpr Sbdf kVmd{0, Bdf(0x64, 5, 0)};
constexpr Sbdf kPort{0x10000, Bdf(0, 1, 0)};
constexpr Sbdf kSender{0x10000, Bdf(1, 0, 0)};

}  // namespace

TEST_CASE("the first domain behind a VMD is number 0x10000") {
  Host host;
  CHECK(host.vmd->domain().segment() == 0x10000);
  CHECK(host.machine.fabric().find(kPort)->name() == "vmd0.port1");
}

TEST_CASE("configuration space behind a VMD is reached while its BAR is decoded") {
  Host host;
  pci::Fabric& fabric = host.machine.fabric();
  CHECK(fabric.config_read(kPort, 0, 4) == 0xFFFFFFFF);
  host.set_command(kVmd, 2);
  CHECK(fabric.config_read(kPort, 0, 4) == 0x20318086);
  fabric.config_write(kPort, 0x18, 4, 0x00010100);
  CHECK(fabric.config_read(kSender, 0, 4) == 0x00011234);
  host.set_command(kVmd, 0);
  fabric.config_write(kPort, 0x18, 4, 0);
  host.set_command(kVmd, 2);
  CHECK(fabric.config_read(kPort, 0x18, 4) == 0x00010100);
}

TEST_CASE("CFGBAR is laid out as ECAM is, one MiB for each bus") {
  Host host;
  host.set_command(kVmd, 2);
  const std::uint64_t base = host.vmd->config().bar_address(0);
  REQUIRE(base != 0);
  host.machine.cpu_write(PhysAddr(base + (1 << 15) + 0x18), 4, 0x00010100);
  CHECK(host.machine.cpu_read(PhysAddr(base + (1 << 15)), 4) == 0x20318086);
  CHECK(host.machine.cpu_read(PhysAddr(base + (1 << 20) + 2), 2) == 1);
  CHECK(host.machine.cpu_read(PhysAddr(base + (2 << 20)), 4) == 0xFFFFFFFF);
  CHECK(host.machine.cpu_read(PhysAddr(base + 1), 2) == 0);  // not aligned
}

TEST_CASE("requests from behind a VMD leave with its id, while it is a bus master") {
  Host host;
  host.set_command(kVmd, 2);
  host.machine.fabric().config_write(kPort, 0x18, 4, 0x00010100);
  host.machine.fabric().config_write(kPort, 0x20, 4, 0x0000FFF0);  // windows closed
  host.machine.fabric().config_write(kPort, 0x24, 4, 0x0000FFF0);
  host.set_command(kPort, 6);
  host.set_command(kSender, 6);
  CHECK(host.sender->write_to(0x1000).stopped_at == "owner-bus-master-off");
  host.set_command(kVmd, 6);
  CHECK(host.sender->write_to(0x1000).arrived());
}
