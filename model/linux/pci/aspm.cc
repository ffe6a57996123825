// The link below a port, once its slot has been scanned [linux drivers/pci/pcie/aspm.c:
// pcie_aspm_init_link_state], with the policy "default": what firmware enabled stays.
//
// A link with a function below that has no PCI Express capability, or is older than 1.1, is never
// put to sleep. Otherwise both ends get one clock configuration, and the link is trained again:
// traffic pauses.
//
// Not modelled: exit latencies, L1 substates, the policies powersave and performance.
#include <algorithm>

#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr const char* kClock = "pcie_aspm_configure_common_clock";

// pcie_aspm_sanity_check.
bool is_blacklisted(const PciBus& bus, const std::vector<std::uint32_t>& capabilities) {
  for (std::size_t i = 0; i < bus.devices.size(); ++i) {
    if (bus.devices[i]->pcie_cap == 0) return true;
    if ((capabilities[i] & regs::kDevCapErrorReporting) == 0) return true;
  }
  return false;
}

}  // namespace

Co<> PciCore::State::init_link(PciDev& port) {
  if (!port.is_downstream_port() || port.link_configured || port.subordinate == nullptr) co_return;
  if (port.pcie_type == regs::kRootPort && port.upstream_bridge() != nullptr) co_return;
  if (port.subordinate->devices.empty()) co_return;
  port.link_configured = true;
  constexpr const char* kInit = "pcie_aspm_cap_init";
  const PciBus& link = *port.subordinate;
  std::vector<std::uint32_t> capabilities;
  for (const auto& dev : link.devices) {
    capabilities.push_back(dev->pcie_cap == 0 ? 0
                                              : read(*dev, dev->pcie_cap + regs::kExpDevCap, 4,
                                                     "pcie_aspm_sanity_check"));
  }
  if (is_blacklisted(link, capabilities)) {
    co_await set_link_states(port, 0);
    co_return;
  }
  PciDev& child = *link.devices.front();
  const auto supported = [&](const PciDev& dev) {
    return has_pcie_register(dev, regs::kExpLnkCap)
               ? read(dev, dev.pcie_cap + regs::kExpLnkCap, 4, kInit)
               : 0;
  };
  const std::uint32_t above = supported(port);
  if ((above & supported(child) & regs::kLnkCapAspm) == 0) co_return;
  co_await configure_common_clock(port);
  for (const PciDev* end : {&port, &child}) {
    read(*end, end->pcie_cap + regs::kExpLnkCap, 4, kInit);
    read(*end, end->pcie_cap + regs::kExpLnkCtl, 2, kInit);
  }
}

Co<> PciCore::State::configure_common_clock(PciDev& port) {
  // A link that carries traffic of a function that was handed over is not trained again
  // [policy three-stage-from-folio].
  if (spares(port)) co_return;
  const PciBus& link = *port.subordinate;
  const auto get = [&](const PciDev& dev, unsigned offset) {
    return read(dev, dev.pcie_cap + offset, 2, kClock);
  };
  bool same = (get(*link.devices.front(), regs::kExpLnkSta) & regs::kLnkStaSlotClock) != 0;
  if ((get(port, regs::kExpLnkSta) & regs::kLnkStaSlotClock) == 0) same = false;
  const bool above = (get(port, regs::kExpLnkCtl) & regs::kLnkCtlCommonClock) != 0;
  if (same && above) {
    const bool consistent = std::ranges::all_of(link.devices, [&](const auto& dev) {
      return (get(*dev, regs::kExpLnkCtl) & regs::kLnkCtlCommonClock) != 0;
    });
    if (consistent) co_return;
  }
  const std::uint32_t set = same ? regs::kLnkCtlCommonClock : 0U;
  for (std::size_t i = 0; i < link.devices.size(); ++i) {
    const PciDev& dev = *link.devices[i];
    co_await write(
        dev, dev.pcie_cap + regs::kExpLnkCtl, 2,
        (get(dev, regs::kExpLnkCtl) & ~static_cast<std::uint32_t>(regs::kLnkCtlCommonClock)) | set,
        kClock);
  }
  co_await write(
      port, port.pcie_cap + regs::kExpLnkCtl, 2,
      (get(port, regs::kExpLnkCtl) & ~static_cast<std::uint32_t>(regs::kLnkCtlCommonClock)) | set,
      kClock);
  constexpr const char* kRetrain = "pcie_retrain_link";
  const std::uint32_t control = read(port, port.pcie_cap + regs::kExpLnkCtl, 2, kRetrain);
  co_await write(port, port.pcie_cap + regs::kExpLnkCtl, 2, control | regs::kLnkCtlRetrain,
                 kRetrain);
  for (unsigned poll = 0; poll < 1000; ++poll) {
    const std::uint32_t status = read(port, port.pcie_cap + regs::kExpLnkSta, 2, kRetrain);
    if ((status & regs::kLnkStaTraining) == 0) co_return;
    co_await services_.spend(sim::Duration::milliseconds(1));
  }
  services_.print(sim::LogLevel::kError, "pci {}: link training does not end",
                  to_string(port.address));
}

// pcie_config_aspm_link to `states`: the port last, unless L1 is switched on.
Co<> PciCore::State::set_link_states(PciDev& port, std::uint32_t states) {
  constexpr const char* kConfig = "pcie_config_aspm_dev";
  const PciBus& link = *port.subordinate;
  for (std::size_t i = 0; i < link.devices.size(); ++i) {
    if (has_pcie_register(*link.devices[i], regs::kExpLnkCtl)) {
      co_await change(*link.devices[i], regs::kExpLnkCtl, regs::kLnkCtlAspm, states, kConfig);
    }
  }
  co_await change(port, regs::kExpLnkCtl, regs::kLnkCtlAspm, states, kConfig);
}

}  // namespace baton::linux::pci
