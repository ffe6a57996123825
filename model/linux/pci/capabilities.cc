// What is written to the capabilities of each function found [linux drivers/pci/probe.c:
// pci_init_capabilities; drivers/pci/msi/msi.c, pcie/aer.c, pcie/ptm.c].
//
// Not modelled: ACS translation blocking, VPD, DOE.
#include <algorithm>

#include "model/linux/pci/state.h"

namespace baton::linux::pci {

Co<> PciCore::State::init_capabilities(PciDev& dev) {
  co_await init_msi(dev);
  co_await init_pm(dev);
  co_await configure_ari(dev);
  co_await init_iov(dev);
  dev.acs_cap = find_extended(dev, regs::kExtAcs, "pci_acs_init");
  if (is_6_1() && acs_requested_) co_await enable_acs(dev);
  co_await init_ptm(dev);
  co_await init_aer(dev);
  dev.dpc_cap = find_extended(dev, regs::kExtDpc, "pci_dpc_init");
}

// pci_enable_acs, asked for by an IOMMU driver: requests and completions between peers take the way
// through the root complex, and a port checks the source of what comes from its link. A function
// that was handed over keeps what it has for as long as this kernel runs [posted pci v9].
Co<> PciCore::State::enable_acs(PciDev& dev) {
  if (dev.acs_cap == 0) co_return;
  if (dev.was_incoming() && services_.config().policies.acs == AcsPolicy::kAdopt) co_return;
  constexpr const char* kAcs = "pci_enable_acs";
  const std::uint32_t capabilities = read(dev, dev.acs_cap + 4U, 2, kAcs);
  const std::uint32_t control = read(dev, dev.acs_cap + 6U, 2, kAcs);
  co_await write(dev, dev.acs_cap + 6U, 2, control | (capabilities & regs::kAcsIsolation), kAcs);
}

// Enable bits are found as the firmware or an earlier kernel left them, and cleared: the driver
// sets them up. A function that was handed over may be spared [policy msi_at_boot]; the ports above
// it are not, for this kernel sets their services up anew.
Co<> PciCore::State::init_msi(PciDev& dev) {
  const bool spared = dev.incoming() && !dev.is_bridge() &&
                      services_.config().policies.msi_at_boot != MsiAtBoot::kClear;
  dev.msi_cap = find_capability(dev, regs::kCapMsi, "pci_msi_init");
  if (dev.msi_cap != 0) {
    const std::uint32_t control = read(dev, dev.msi_cap + 2U, 2, "pci_msi_init");
    if ((control & regs::kMsiEnable) != 0 && !spared) {
      co_await write(dev, dev.msi_cap + 2U, 2,
                     control & ~static_cast<std::uint32_t>(regs::kMsiEnable), "pci_msi_init");
    }
  }
  dev.msix_cap = find_capability(dev, regs::kCapMsix, "pci_msix_init");
  if (dev.msix_cap != 0) {
    const std::uint32_t control = read(dev, dev.msix_cap + 2U, 2, "pci_msix_init");
    if ((control & regs::kMsixEnable) != 0 && !spared) {
      co_await write(dev, dev.msix_cap + 2U, 2,
                     control & ~static_cast<std::uint32_t>(regs::kMsixEnable), "pci_msix_init");
    }
  }
}

// Since 6.16 a function's power state is known, and D0, from here on.
Co<> PciCore::State::init_pm(PciDev& dev) {
  constexpr const char* kPm = "pci_pm_init";
  dev.pm_cap = find_capability(dev, regs::kCapPm, kPm);
  if (!is_6_1()) dev.current_state = PowerState::kD0;
  if (dev.pm_cap == 0) co_return;
  const std::uint32_t capabilities = read(dev, dev.pm_cap + 2U, 2, kPm);
  std::uint32_t control = read(dev, dev.pm_cap + 4U, 2, kPm);
  if (capabilities >> 11 != 0) {  // PME from some state: status cleared, enable off
    const std::uint32_t quiet =
        (control | regs::kPmPmeStatus) & ~static_cast<std::uint32_t>(regs::kPmPmeEnable);
    if (!spares(dev) || (control & (regs::kPmPmeStatus | regs::kPmPmeEnable)) != 0) {
      co_await write(dev, dev.pm_cap + 4U, 2, quiet, "__pci_pme_active");
    }
    control = quiet & ~static_cast<std::uint32_t>(regs::kPmPmeStatus);
  }
  // The way up makes most functions forget their registers, so one that was handed over is left in
  // D3hot, for its owner to wake (design target: posted pci v9 says nothing of power states).
  if (dev.incoming() && (control & regs::kPmState) != 0) {
    dev.current_state = static_cast<PowerState>(control & regs::kPmState);
    co_return;
  }
  if (!is_6_1() && (control & regs::kPmState) != 0) {
    co_await write(dev, dev.pm_cap + 4U, 2, control & ~static_cast<std::uint32_t>(regs::kPmState),
                   "pci_power_up");
  }
}

// ARI forwarding of the port above, decided by its function 0; pci=noari does without it. A port
// that was handed over keeps what it has [linux drivers/pci/liveupdate.c, v9]; policy ari: rewrite
// is a kernel without that rule.
Co<> PciCore::State::configure_ari(PciDev& dev) {
  PciDev* port = dev.upstream_bridge();
  if (dev.pcie_cap == 0 || dev.address.bdf.devfn() != 0 || port == nullptr) co_return;
  if (!has_pcie_register(*port, regs::kExpDevCap2)) co_return;
  constexpr const char* kAri = "pci_configure_ari";
  const std::uint32_t capabilities = read(*port, port->pcie_cap + regs::kExpDevCap2, 4, kAri);
  if ((capabilities & regs::kDevCap2Ari) == 0) co_return;
  const bool adopt = port->incoming() && services_.config().policies.ari == AriPolicy::kAdopt;
  if (no_ari_ && !adopt) co_return;
  if (adopt) {
    const std::uint32_t control = read(*port, port->pcie_cap + regs::kExpDevCtl2, 2, kAri);
    port->ari_enabled = (control & regs::kDevCtl2Ari) != 0;
    co_return;
  }
  port->ari_enabled = find_extended(dev, regs::kExtAri, kAri) != 0;
  co_await change(*port, regs::kExpDevCtl2, regs::kDevCtl2Ari,
                  port->ari_enabled ? regs::kDevCtl2Ari : 0, kAri);
}

Co<> PciCore::State::init_ptm(PciDev& dev) {
  constexpr const char* kPtm = "pci_ptm_init";
  if (dev.pcie_cap == 0) co_return;
  const std::uint16_t ptm = find_extended(dev, regs::kExtPtm, kPtm);
  if (ptm == 0) co_return;
  const std::uint32_t capabilities = read(dev, ptm + 4U, 4, kPtm);
  if (dev.pcie_type != regs::kRootPort && dev.pcie_type != regs::kUpstream) co_return;
  const std::uint32_t control = read(dev, ptm + 8U, 4, kPtm);
  const std::uint32_t root = (capabilities & 4) != 0 ? 2U : 0U;
  co_await update(dev, ptm + 8U, 4, control, control | 1U | root, kPtm);
}

Co<> PciCore::State::init_aer(PciDev& dev) {
  if (dev.pcie_cap == 0) co_return;
  constexpr const char* kClear = "pci_aer_raw_clear_status";
  dev.aer_cap = find_extended(dev, regs::kExtAer, "pci_aer_init");
  if (dev.aer_cap == 0) co_return;
  const bool root = dev.pcie_type == regs::kRootPort || dev.pcie_type == regs::kEventCollector;
  for (const unsigned offset : {0x30U, 0x10U, 0x04U}) {
    if (offset == 0x30 && !root) continue;
    const std::uint32_t status = read(dev, dev.aer_cap + offset, 4, kClear);
    if (spares(dev) && status == 0) continue;
    co_await write(dev, dev.aer_cap + offset, 4, status, kClear);
  }
  co_await change(dev, regs::kExpDevCtl, 0, regs::kDevCtlErrors, "pci_enable_pcie_error_reporting");
}

}  // namespace baton::linux::pci
