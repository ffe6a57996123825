// The measured host with a physical function that can have three virtual ones.
#pragma once

#include "tests/linux/pci/pci_fixture.h"

namespace baton::test {

inline const Sbdf kPhysical{0, Bdf(0x6A, 2, 0)};
inline const Sbdf kFirst{0, Bdf(0x6A, 2, 1)};
inline const Sbdf kSecond{0, Bdf(0x6A, 2, 2)};
inline constexpr std::uint64_t kVfBars = 0xF900'0000;

inline pci::ConfigSpace physical_config() {
  pci::ConfigSpace config =
      pci::ConfigSpace::type0({.vendor = 0x8086, .device = 0x1520, .class_code = 0x020000});
  config.add_capability(0x40, pci::CapabilityId::kExpress,
                        {{2, 2, 0x0092}, {4, 4, 0x10008022}, {8, 2, 0x2910}});
  config.add_extended_capability(0x100, pci::ExtendedCapabilityId::kSriov, 1,
                                 {{0x0C, 2, 3},
                                  {0x0E, 2, 3},
                                  {0x14, 2, 1},
                                  {0x16, 2, 1},
                                  {0x1A, 2, 0x1521},
                                  {0x1C, 4, 0x553},
                                  {0x20, 4, 1}},
                                 0x40);
  config.vf_bar64(0, 0x4000, false);
  return config;
}

inline WorldConfig sriov_world() {
  WorldConfig config = switch_world();
  config.build = [](host::Machine& machine) {
    build_switch_host(machine);
    pci::Bus& bus = *machine.fabric().find(kAccelerator)->bus();
    machine.fabric().add(
        bus, 2, 0, std::make_unique<pci::Function>(machine.simulation(), "pf", physical_config()));
    machine.fabric().config_write(kPhysical, 0x124, 4, kVfBars);
  };
  return config;
}

inline Co<> bring_up(Pci& pci) {
  co_await pci.live.begin_enumeration();
  co_await pci.core.enumerate();
  co_await pci.core.assign_resources();
}

}  // namespace baton::test
