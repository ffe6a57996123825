// What is read of each function [linux drivers/pci/probe.c: pci_setup_device and its parts].
#include "model/linux/pci/pci_liveupdate.h"
#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr const char* kPortType = "set_pcie_port_type";
constexpr const char* kSetup = "pci_setup_device";
constexpr std::uint32_t kClassHostBridge = 0x0600;

// pci_bus_generic_read_dev_vendor_id: nobody, or a device that is not there.
bool is_empty_slot(std::uint32_t id) {
  return id == 0xFFFFFFFF || id == 0 || id == 0x0000FFFF || id == 0xFFFF0000;
}

}  // namespace

Co<std::unique_ptr<PciDev>> PciCore::State::setup_device(PciBus& bus, unsigned devfn) {
  auto owned = std::make_unique<PciDev>();
  PciDev& dev = *owned;
  dev.bus = &bus;
  dev.address = {bus.segment, Bdf(bus.number, devfn >> 3, devfn & 7)};
  const std::uint32_t id = read(dev, regs::kVendorId, 4, "pci_bus_read_dev_vendor_id");
  if (is_empty_slot(id)) co_return nullptr;
  dev.vendor = static_cast<std::uint16_t>(id);
  dev.device = static_cast<std::uint16_t>(id >> 16);
  const std::uint32_t type = read(dev, regs::kHeaderType, 1, kSetup);
  dev.header_type = type & 0x7F;
  dev.multi_function = (type & 0x80) != 0;
  co_await set_pcie_port_type(dev);
  dev.class_code = read(dev, regs::kClassRevision, 4, kSetup) >> 8;
  if (live_update_ != nullptr) live_update_->setup_device(dev);
  read_config_size(dev);
  co_await toggle_intx(dev);
  co_await read_header(dev);
  co_return std::move(owned);
}

Co<> PciCore::State::set_pcie_port_type(PciDev& dev) {
  dev.pcie_cap = find_capability(dev, regs::kCapExpress, kPortType);
  if (dev.pcie_cap == 0) co_return;
  const std::uint32_t flags = read(dev, dev.pcie_cap + regs::kExpFlags, 2, kPortType);
  dev.pcie_version = flags & 0xF;
  dev.pcie_type = flags >> 4 & 0xF;
  const bool slot = (flags & regs::kFlagsSlot) != 0;
  if (dev.pcie_type == regs::kRootPort && !is_6_1()) co_await make_completions_visible(dev);
  const std::uint32_t capabilities = read(dev, dev.pcie_cap + regs::kExpDevCap, 4, kPortType);
  dev.mps_supported = capabilities & 7;
  dev.has_flr = (capabilities & regs::kDevCapFlr) != 0;
  for (const unsigned offset : {regs::kExpLnkCap, regs::kExpLnkCap2}) {
    if (has_pcie_register(dev, offset)) read(dev, dev.pcie_cap + offset, 4, kPortType);
  }
  if (!slot || !has_pcie_register(dev, regs::kExpSltCap)) co_return;
  dev.slot_capabilities = read(dev, dev.pcie_cap + regs::kExpSltCap, 4, "set_pcie_hotplug_bridge");
  dev.is_hotplug_bridge = (dev.slot_capabilities & regs::kSltCapHotplug) != 0;
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
Co<> PciCore::State::toggle_intx(PciDev& dev) {
  if (spares(dev)) co_return;
  constexpr const char* kToggle = "pci_intx_mask_broken";
  const std::uint32_t command = read(dev, regs::kCommand, 2, kToggle);
  co_await write(dev, regs::kCommand, 2, command ^ regs::kCommandIntxDisable, kToggle);
  read(dev, regs::kCommand, 2, kToggle);
  co_await write(dev, regs::kCommand, 2, command, kToggle);
}

Co<> PciCore::State::read_header(PciDev& dev) {
  dev.interrupt_pin = static_cast<std::uint8_t>(read(dev, regs::kInterruptPin, 1, "pci_read_irq"));
  if (dev.interrupt_pin != 0) read(dev, regs::kInterruptLine, 1, "pci_read_irq");
  if (dev.is_bridge()) {
    co_await read_bases(dev, 2, regs::kRomBridge);
    co_await read_bridge_windows(dev);
    const std::uint8_t ids = find_capability(dev, regs::kCapBridgeSubsystem, kSetup);
    if (ids != 0) {
      dev.subsystem_vendor = static_cast<std::uint16_t>(read(dev, ids + 4U, 2, kSetup));
      dev.subsystem_device = static_cast<std::uint16_t>(read(dev, ids + 6U, 2, kSetup));
    }
    co_return;
  }
  co_await read_bases(dev, 6, regs::kRom);
  dev.subsystem_vendor = static_cast<std::uint16_t>(read(dev, regs::kSubsystemVendor, 2, kSetup));
  dev.subsystem_device = static_cast<std::uint16_t>(read(dev, regs::kSubsystemId, 2, kSetup));
}

}  // namespace baton::linux::pci
