// How a function is set up for its place in the tree [linux drivers/pci/probe.c:
// pci_configure_device]: payload size, tags, LTR, error forwarding, completion boundary.
//
// Not modelled: relaxed ordering quirks, L1 substates, _HPX parameters.
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

Co<> PciCore::State::configure(PciDev& dev) {
  co_await configure_mps(dev);
  // The bit is reserved in VFs, which kernels heed since 6.16.
  const bool has_tags = is_6_1() || !dev.is_virtual();
  if (dev.pcie_cap != 0 && has_tags) {
    constexpr const char* kTags = "pci_configure_extended_tags";
    const std::uint32_t capabilities = read(dev, dev.pcie_cap + regs::kExpDevCap, 4, kTags);
    const std::uint32_t control = read(dev, dev.pcie_cap + regs::kExpDevCtl, 2, kTags);
    if ((capabilities & regs::kDevCapExtTag) != 0 && (control & regs::kDevCtlExtTag) == 0) {
      co_await write(dev, dev.pcie_cap + regs::kExpDevCtl, 2, control | regs::kDevCtlExtTag, kTags);
    }
  }
  co_await configure_ltr(dev);
  if (dev.is_bridge()) {
    constexpr const char* kSerr = "pci_configure_serr";
    const std::uint32_t control = read(dev, regs::kBridgeControl, 2, kSerr);
    dev.bridge_control = static_cast<std::uint16_t>(control | regs::kBridgeControlSerr);
    if (control != dev.bridge_control) {
      co_await write(dev, regs::kBridgeControl, 2, dev.bridge_control, kSerr);
    }
  }
  co_await configure_rcb(dev);
}

Co<> PciCore::State::configure_mps(PciDev& dev) {
  if (dev.pcie_cap == 0 || dev.is_virtual()) co_return;
  constexpr const char* kMps = "pci_configure_mps";
  const std::uint32_t control = read(dev, dev.pcie_cap + regs::kExpDevCtl, 2, kMps);
  const auto with = [](std::uint32_t old, unsigned mps) {
    return (old & ~static_cast<std::uint32_t>(regs::kDevCtlMps)) | mps << 5;
  };
  if (dev.pcie_type == regs::kIntegratedEndpoint) {
    co_await update(dev, dev.pcie_cap + regs::kExpDevCtl, 2, control,
                    with(control, dev.mps_supported), kMps);
    co_return;
  }
  PciDev* bridge = dev.upstream_bridge();
  if (bridge == nullptr || bridge->pcie_cap == 0) co_return;
  const std::uint32_t above = read(*bridge, bridge->pcie_cap + regs::kExpDevCtl, 2, kMps);
  unsigned mps = (above & regs::kDevCtlMps) >> 5;
  if (mps == (control & regs::kDevCtlMps) >> 5) co_return;
  if (dev.mps_supported < mps && bridge->pcie_type == regs::kRootPort) {
    mps = dev.mps_supported;
    co_await write(*bridge, bridge->pcie_cap + regs::kExpDevCtl, 2, with(above, mps), kMps);
  }
  if (mps > dev.mps_supported) {
    services_.print(sim::LogLevel::kWarning, "pci {}: can't set Max Payload Size to {}",
                    to_string(dev.address), 128U << mps);
    co_return;
  }
  co_await write(dev, dev.pcie_cap + regs::kExpDevCtl, 2, with(control, mps), kMps);
}

Co<> PciCore::State::configure_ltr(PciDev& dev) {
  if (!has_pcie_register(dev, regs::kExpDevCap2)) co_return;
  constexpr const char* kLtr = "pci_configure_ltr";
  const std::uint32_t capabilities = read(dev, dev.pcie_cap + regs::kExpDevCap2, 4, kLtr);
  if ((capabilities & regs::kDevCap2Ltr) == 0) co_return;
  const PciDev* bridge = dev.upstream_bridge();
  const bool path = dev.pcie_type == regs::kRootPort || (bridge != nullptr && bridge->ltr_path);
  const std::uint32_t control = read(dev, dev.pcie_cap + regs::kExpDevCtl2, 2, kLtr);
  if (!path) co_return;
  dev.ltr_path = true;
  if ((control & regs::kDevCtl2Ltr) != 0) co_return;
  co_await write(dev, dev.pcie_cap + regs::kExpDevCtl2, 2, control | regs::kDevCtl2Ltr, kLtr);
}

// The root port's Read Completion Boundary, copied to what is below it.
Co<> PciCore::State::configure_rcb(PciDev& dev) {
  const bool kind = dev.pcie_cap != 0 &&
                    (dev.pcie_type == regs::kEndpoint || dev.pcie_type == regs::kLegacyEndpoint ||
                     dev.pcie_type == regs::kPcieToPci);
  PciDev* root = kind ? root_port_of(dev) : nullptr;
  if (root == nullptr) co_return;
  constexpr const char* kRcb = "pci_configure_rcb";
  const std::uint32_t above = read(*root, root->pcie_cap + regs::kExpLnkCtl, 2, kRcb);
  co_await change(dev, regs::kExpLnkCtl, regs::kLnkCtlRcb, above & regs::kLnkCtlRcb, kRcb);
}

}  // namespace baton::linux::pci
