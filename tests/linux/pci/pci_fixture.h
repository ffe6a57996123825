// Kernels with a PCI core on a measured host (t03-switch: two root ports, a switch below a switch)
// to which an integrated endpoint on its own root bus 6a is added.
#pragma once

#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "model/host/observations.h"
#include "model/linux/pci/bus_type.h"
#include "model/linux/pci/pci_liveupdate.h"
#include "model/linux/pci/pcieport.h"
#include "model/linux/uapi/liveupdate.h"
#include "model/pci/topology.h"
#include "tests/support/source_dir.h"
#include "tests/support/two_kernels.h"

namespace baton::test {

using linux::Errno;
using linux::pci::PciCore;
using linux::pci::PciDev;
using linux::pci::PciLiveUpdate;

inline pci::ConfigSpace accelerator_config() {
  pci::ConfigSpace config = pci::ConfigSpace::type0(
      {.vendor = 0x8086, .device = 0x0B25, .class_code = 0x088000, .command_writable = 0x0146});
  config.bar64(0, 0x10000, true).bar64(2, 0x20000, true);
  config.add_capability(0x40, pci::CapabilityId::kExpress,
                        {{2, 2, 0x0092}, {4, 4, 0x10008022}, {8, 2, 0x2910}});
  config.add_capability(0x80, pci::CapabilityId::kMsix,
                        {{2, 2, 8}, {4, 4, 0x2000}, {8, 4, 0x3000}});
  config.add_capability(0x90, pci::CapabilityId::kPowerManagement, {{2, 2, 3}, {4, 2, 8}});
  config.add_extended_capability(0x100, pci::ExtendedCapabilityId::kAer, 2, {{8, 4, 0x00400000}});
  return config;
}

class Accelerator final : public pci::Function {
 public:
  explicit Accelerator(sim::Simulation& simulation)
      : Function(simulation, "accelerator", accelerator_config()) {}
  pci::Completion dma(std::uint64_t address) {
    const std::array<std::byte, 4> bytes{};
    return write(address, bytes);
  }
};

inline const Sbdf kAccelerator{0, Bdf(0x6A, 1, 0)};
inline const Sbdf kVirtio{0, Bdf(7, 0, 0)};  // 00:03.0 01:00.0 02:01.0 04:00.0 05:01.0 above it
inline const Sbdf kNvme{0, Bdf(8, 0, 0)};
inline const std::vector<Sbdf> kVirtioPath = {{0, Bdf(7, 0, 0)}, {0, Bdf(5, 1, 0)},
                                              {0, Bdf(4, 0, 0)}, {0, Bdf(2, 1, 0)},
                                              {0, Bdf(1, 0, 0)}, {0, Bdf(0, 3, 0)}};

inline void build_switch_host(host::Machine& machine) {
  std::ifstream file(testing::source_dir() + "/tests/pci/data/t03-switch.vv.lspci");
  std::stringstream text;
  text << file.rdbuf();
  const auto dump = pci::parse_lspci(text.str());
  REQUIRE(dump.has_value());
  REQUIRE(pci::import_topology(machine.simulation(), machine.fabric(), *dump).has_value());
  pci::Bus& bus = machine.fabric().add_root_bus(0, 0x6A, 0x6A);
  machine.fabric().add(bus, 1, 0, std::make_unique<Accelerator>(machine.simulation()));
}

inline WorldConfig switch_world() {
  WorldConfig config;
  config.iommu = false;
  config.build = build_switch_host;
  return config;
}

using World = TwoKernels<LuoKernel>;

// A kernel's PCI part, a local of the test's body.
struct Pci {
  explicit Pci(LuoKernel& kernel)
      : core(kernel.services), live(kernel.services, kernel.kho, kernel.luo, core) {}
  PciDev& at(Sbdf address) {
    PciDev* dev = core.find(address);
    BATON_CHECK(dev != nullptr, "no such function");
    return *dev;
  }
  PciCore core;
  PciLiveUpdate live;
};

inline std::uint32_t config_of(LuoKernel& kernel, Sbdf address, std::uint16_t offset,
                               unsigned width) {
  return kernel.port.config_read(address, offset, width, "test");
}

}  // namespace baton::test
