// What is read of each function [linux drivers/pci/probe.c: pci_setup_device and its parts].
#include "model/linux/pci/pci_liveupdate.h"
#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr const char* kPortType = "set_pcie_port_type";
constexpr const char* kSetup = "pci_setup_device";
constexpr std::uint32_t kClassHostBridge = 0x0600;

}  // namespace

void PciCore::State::set_pcie_port_type(PciDev& dev) {
  dev.pcie_cap = find_capability(dev, regs::kCapExpress, kPortType);
  if (dev.pcie_cap == 0) return;
  const std::uint32_t flags = read(dev, dev.pcie_cap + regs::kExpFlags, 2, kPortType);
  dev.pcie_version = flags & 0xF;
  dev.pcie_type = flags >> 4 & 0xF;
  if (dev.pcie_type == regs::kRootPort) {
    constexpr const char* kRrs = "pci_enable_rrs_sv";
    const std::uint32_t root = read(dev, dev.pcie_cap + regs::kExpRtCap, 2, kRrs);
    if ((root & 1) != 0) change(dev, regs::kExpRtCtl, 0, regs::kRtCtlRrsVisible, kRrs);
  }
  const std::uint32_t capabilities = read(dev, dev.pcie_cap + regs::kExpDevCap, 4, kPortType);
  dev.mps_supported = capabilities & 7;
  dev.has_flr = (capabilities & regs::kDevCapFlr) != 0;
  for (const unsigned offset : {regs::kExpLnkCap, regs::kExpLnkCap2}) {
    if (has_pcie_register(dev, offset)) read(dev, dev.pcie_cap + offset, 4, kPortType);
  }
}

// 4096 bytes where the first extended header answers [pci_cfg_space_size].
void PciCore::State::read_config_size(PciDev& dev) {
  constexpr const char* kSize = "pci_cfg_space_size_ext";
  dev.config_size = 256;
  if (dev.pcie_cap == 0 && dev.class_code >> 8 != kClassHostBridge) return;
  const std::uint32_t first = read(dev, 0x100, 4, kSize);
  if (first == 0xFFFFFFFF) return;
  // The space below mirrored above is no extended space [pci_ext_cfg_is_aliased].
  bool aliased = true;
  for (unsigned offset = 0x100; aliased && offset < 0x1000; offset += 0x100) {
    aliased = read(dev, offset, 4, "pci_ext_cfg_is_aliased") ==
              (dev.vendor | static_cast<std::uint32_t>(dev.device) << 16);
  }
  if (!aliased) dev.config_size = 4096;
}

// Whether Command.Interrupt Disable is a flip-flop. Not asked of a function that must keep running:
// its answer is not needed before its driver's finish [policy three-stage-from-folio].
void PciCore::State::toggle_intx(PciDev& dev) {
  if (dev.incoming) return;
  constexpr const char* kToggle = "pci_intx_mask_broken";
  const std::uint32_t command = read(dev, regs::kCommand, 2, kToggle);
  write(dev, regs::kCommand, 2, command ^ regs::kCommandIntxDisable, kToggle);
  read(dev, regs::kCommand, 2, kToggle);
  write(dev, regs::kCommand, 2, command, kToggle);
}

void PciCore::State::read_header(PciDev& dev) {
  dev.interrupt_pin = static_cast<std::uint8_t>(read(dev, regs::kInterruptPin, 1, "pci_read_irq"));
  if (dev.interrupt_pin != 0) read(dev, regs::kInterruptLine, 1, "pci_read_irq");
  if (dev.is_bridge()) {
    read_bases(dev, 2, regs::kRomBridge);
    read_bridge_windows(dev);
    if (has_pcie_register(dev, regs::kExpSltCap)) {
      read(dev, dev.pcie_cap + regs::kExpSltCap, 4, "set_pcie_hotplug_bridge");
    }
    const std::uint8_t ids = find_capability(dev, regs::kCapBridgeSubsystem, kSetup);
    if (ids != 0) {
      dev.subsystem_vendor = static_cast<std::uint16_t>(read(dev, ids + 4U, 2, kSetup));
      dev.subsystem_device = static_cast<std::uint16_t>(read(dev, ids + 6U, 2, kSetup));
    }
    return;
  }
  read_bases(dev, 6, regs::kRom);
  dev.subsystem_vendor = static_cast<std::uint16_t>(read(dev, regs::kSubsystemVendor, 2, kSetup));
  dev.subsystem_device = static_cast<std::uint16_t>(read(dev, regs::kSubsystemId, 2, kSetup));
}

}  // namespace baton::linux::pci
