// What a 7.x kernel writes to the capabilities of each function it finds [linux
// drivers/pci/probe.c: pci_configure_device, pci_init_capabilities; drivers/pci/msi/msi.c,
// pcie/aer.c, pcie/ptm.c].
//
// Not modelled: ASPM (as booted with pcie_aspm=off), ACS translation blocking, SR-IOV, VPD, DOE, L1
// substates, _HPX parameters.
#include <algorithm>

#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

PciDev* root_port_of(PciDev& dev) {
  PciDev* bridge = dev.upstream_bridge();
  while (bridge != nullptr && bridge->upstream_bridge() != nullptr) {
    bridge = bridge->upstream_bridge();
  }
  return bridge != nullptr && bridge->pcie_type == regs::kRootPort ? bridge : nullptr;
}

}  // namespace

void PciCore::State::configure(PciDev& dev) {
  configure_mps(dev);
  if (dev.pcie_cap != 0) {
    constexpr const char* kTags = "pci_configure_extended_tags";
    const std::uint32_t capabilities = read(dev, dev.pcie_cap + regs::kExpDevCap, 4, kTags);
    const std::uint32_t control = read(dev, dev.pcie_cap + regs::kExpDevCtl, 2, kTags);
    if ((capabilities & regs::kDevCapExtTag) != 0 && (control & regs::kDevCtlExtTag) == 0) {
      write(dev, dev.pcie_cap + regs::kExpDevCtl, 2, control | regs::kDevCtlExtTag, kTags);
    }
  }
  configure_ltr(dev);
  if (dev.is_bridge()) {
    constexpr const char* kSerr = "pci_configure_serr";
    const std::uint32_t control = read(dev, regs::kBridgeControl, 2, kSerr);
    dev.bridge_control = static_cast<std::uint16_t>(control | regs::kBridgeControlSerr);
    if (control != dev.bridge_control) {
      write(dev, regs::kBridgeControl, 2, dev.bridge_control, kSerr);
    }
  }
  configure_rcb(dev);
}

void PciCore::State::configure_mps(PciDev& dev) {
  if (dev.pcie_cap == 0) return;
  constexpr const char* kMps = "pci_configure_mps";
  const std::uint32_t control = read(dev, dev.pcie_cap + regs::kExpDevCtl, 2, kMps);
  const auto with = [](std::uint32_t old, unsigned mps) {
    return (old & ~std::uint32_t{regs::kDevCtlMps}) | mps << 5;
  };
  if (dev.pcie_type == regs::kIntegratedEndpoint) {
    update(dev, dev.pcie_cap + regs::kExpDevCtl, 2, control, with(control, dev.mps_supported),
           kMps);
    return;
  }
  PciDev* bridge = dev.upstream_bridge();
  if (bridge == nullptr || bridge->pcie_cap == 0) return;
  const std::uint32_t above = read(*bridge, bridge->pcie_cap + regs::kExpDevCtl, 2, kMps);
  unsigned mps = (above & regs::kDevCtlMps) >> 5;
  if (mps == (control & regs::kDevCtlMps) >> 5) return;
  if (dev.mps_supported < mps && bridge->pcie_type == regs::kRootPort) {
    mps = dev.mps_supported;
    write(*bridge, bridge->pcie_cap + regs::kExpDevCtl, 2, with(above, mps), kMps);
  }
  if (mps > dev.mps_supported) {
    services_.print(sim::LogLevel::kWarning, "pci {}: can't set Max Payload Size to {}",
                    to_string(dev.address), 128U << mps);
    return;
  }
  write(dev, dev.pcie_cap + regs::kExpDevCtl, 2, with(control, mps), kMps);
}

void PciCore::State::configure_ltr(PciDev& dev) {
  if (!has_pcie_register(dev, regs::kExpDevCap2)) return;
  constexpr const char* kLtr = "pci_configure_ltr";
  const std::uint32_t capabilities = read(dev, dev.pcie_cap + regs::kExpDevCap2, 4, kLtr);
  if ((capabilities & regs::kDevCap2Ltr) == 0) return;
  const PciDev* bridge = dev.upstream_bridge();
  const bool path = dev.pcie_type == regs::kRootPort || (bridge != nullptr && bridge->ltr_path);
  const std::uint32_t control = read(dev, dev.pcie_cap + regs::kExpDevCtl2, 2, kLtr);
  if (!path) return;
  dev.ltr_path = true;
  if ((control & regs::kDevCtl2Ltr) != 0) return;
  write(dev, dev.pcie_cap + regs::kExpDevCtl2, 2, control | regs::kDevCtl2Ltr, kLtr);
}

// The root port's Read Completion Boundary, copied to what is below it.
void PciCore::State::configure_rcb(PciDev& dev) {
  const bool kind = dev.pcie_cap != 0 &&
                    (dev.pcie_type == regs::kEndpoint || dev.pcie_type == regs::kLegacyEndpoint ||
                     dev.pcie_type == regs::kPcieToPci);
  PciDev* root = kind ? root_port_of(dev) : nullptr;
  if (root == nullptr) return;
  constexpr const char* kRcb = "pci_configure_rcb";
  const std::uint32_t above = read(*root, root->pcie_cap + regs::kExpLnkCtl, 2, kRcb);
  change(dev, regs::kExpLnkCtl, regs::kLnkCtlRcb, above & regs::kLnkCtlRcb, kRcb);
}

void PciCore::State::init_capabilities(PciDev& dev) {
  init_msi(dev);
  init_pm(dev);
  configure_ari(dev);
  init_ptm(dev);
  init_aer(dev);
  dev.acs_cap = find_extended(dev, regs::kExtAcs, "pci_acs_init");
}

// pci_enable_acs, asked for by an IOMMU driver: requests and completions between peers take the way
// through the root complex, and a port checks the source of what comes from its link. A function
// that was handed over keeps what it has for as long as this kernel runs [posted pci v9].
void PciCore::State::enable_acs(PciDev& dev) {
  if (dev.acs_cap == 0) return;
  if (dev.was_incoming && services_.config().policies.acs == AcsPolicy::kAdopt) return;
  constexpr const char* kAcs = "pci_enable_acs";
  const std::uint32_t capabilities = read(dev, dev.acs_cap + 4U, 2, kAcs);
  const std::uint32_t control = read(dev, dev.acs_cap + 6U, 2, kAcs);
  write(dev, dev.acs_cap + 6U, 2, control | (capabilities & regs::kAcsIsolation), kAcs);
}

void PciCore::State::init_msi(PciDev& dev) {
  dev.msi_cap = find_capability(dev, regs::kCapMsi, "pci_msi_init");
  if (dev.msi_cap != 0) {
    const std::uint32_t control = read(dev, dev.msi_cap + 2U, 2, "pci_msi_init");
    if ((control & regs::kMsiEnable) != 0) {
      write(dev, dev.msi_cap + 2U, 2, control & ~std::uint32_t{regs::kMsiEnable}, "pci_msi_init");
    }
  }
  dev.msix_cap = find_capability(dev, regs::kCapMsix, "pci_msix_init");
  if (dev.msix_cap != 0) {
    const std::uint32_t control = read(dev, dev.msix_cap + 2U, 2, "pci_msix_init");
    if ((control & regs::kMsixEnable) != 0) {
      write(dev, dev.msix_cap + 2U, 2, control & ~std::uint32_t{regs::kMsixEnable},
            "pci_msix_init");
    }
  }
}

// Since 6.16 a function's power state is known, and D0, from here on.
void PciCore::State::init_pm(PciDev& dev) {
  constexpr const char* kPm = "pci_pm_init";
  dev.pm_cap = find_capability(dev, regs::kCapPm, kPm);
  dev.current_state = PowerState::kD0;
  if (dev.pm_cap == 0) return;
  const std::uint32_t capabilities = read(dev, dev.pm_cap + 2U, 2, kPm);
  std::uint32_t control = read(dev, dev.pm_cap + 4U, 2, kPm);
  if (capabilities >> 11 != 0) {  // PME from some state: status cleared, enable off
    const std::uint32_t quiet = (control | regs::kPmPmeStatus) & ~std::uint32_t{regs::kPmPmeEnable};
    if (!dev.incoming || (control & (regs::kPmPmeStatus | regs::kPmPmeEnable)) != 0) {
      write(dev, dev.pm_cap + 4U, 2, quiet, "__pci_pme_active");
    }
    control = quiet & ~std::uint32_t{regs::kPmPmeStatus};
  }
  if ((control & regs::kPmState) != 0) {
    write(dev, dev.pm_cap + 4U, 2, control & ~std::uint32_t{regs::kPmState}, "pci_power_up");
  }
}

// ARI forwarding of the port above, decided by its function 0. A port that was handed over keeps
// what it has [linux drivers/pci/liveupdate.c, v9].
void PciCore::State::configure_ari(PciDev& dev) {
  PciDev* port = dev.upstream_bridge();
  if (dev.pcie_cap == 0 || dev.address.bdf.devfn() != 0 || port == nullptr) return;
  if (!has_pcie_register(*port, regs::kExpDevCap2)) return;
  constexpr const char* kAri = "pci_configure_ari";
  const std::uint32_t capabilities = read(*port, port->pcie_cap + regs::kExpDevCap2, 4, kAri);
  if ((capabilities & regs::kDevCap2Ari) == 0) return;
  if (port->incoming) {
    const std::uint32_t control = read(*port, port->pcie_cap + regs::kExpDevCtl2, 2, kAri);
    port->ari_enabled = (control & regs::kDevCtl2Ari) != 0;
    return;
  }
  port->ari_enabled = find_extended(dev, regs::kExtAri, kAri) != 0;
  change(*port, regs::kExpDevCtl2, regs::kDevCtl2Ari, port->ari_enabled ? regs::kDevCtl2Ari : 0,
         kAri);
}

void PciCore::State::init_ptm(PciDev& dev) {
  constexpr const char* kPtm = "pci_ptm_init";
  if (dev.pcie_cap == 0) return;
  const std::uint16_t ptm = find_extended(dev, regs::kExtPtm, kPtm);
  if (ptm == 0) return;
  const std::uint32_t capabilities = read(dev, ptm + 4U, 4, kPtm);
  if (dev.pcie_type != regs::kRootPort && dev.pcie_type != regs::kUpstream) return;
  const std::uint32_t control = read(dev, ptm + 8U, 4, kPtm);
  const std::uint32_t root = (capabilities & 4) != 0 ? 2U : 0U;
  update(dev, ptm + 8U, 4, control, control | 1U | root, kPtm);
}

void PciCore::State::init_aer(PciDev& dev) {
  if (dev.pcie_cap == 0) return;
  constexpr const char* kClear = "pci_aer_raw_clear_status";
  dev.aer_cap = find_extended(dev, regs::kExtAer, "pci_aer_init");
  if (dev.aer_cap == 0) return;
  const auto clear = [&](unsigned offset) {
    const std::uint32_t status = read(dev, dev.aer_cap + offset, 4, kClear);
    if (!dev.incoming || status != 0) write(dev, dev.aer_cap + offset, 4, status, kClear);
  };
  if (dev.pcie_type == regs::kRootPort || dev.pcie_type == regs::kEventCollector) clear(0x30);
  clear(0x10);
  clear(0x04);
  change(dev, regs::kExpDevCtl, 0, regs::kDevCtlErrors, "pci_enable_pcie_error_reporting");
}

}  // namespace baton::linux::pci
