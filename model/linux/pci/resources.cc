// Bridge windows after enumeration [linux drivers/pci/setup-bus.c: pci_setup_bridge and its parts].
// Every bridge that is not enabled yet is rewritten, children first, with the windows that it has.
//
// Not modelled: assignment of resources that firmware left without an address, resizing of windows.
#include "model/linux/pci/state.h"

namespace baton::linux::pci {

void PciCore::State::assign_resources(PciBus& bus) {
  for (const auto& dev : bus.devices) {
    if (dev->subordinate == nullptr) continue;
    assign_resources(*dev->subordinate);
    if (dev->enable_count == 0) setup_bridge(*dev);
  }
}

void PciCore::State::setup_bridge(PciDev& bridge) {
  // The values would be those that are there [policy three-stage-from-folio].
  if (bridge.incoming) return;
  if (bridge.io_window) {
    constexpr const char* kIo = "pci_setup_bridge_io";
    const std::uint32_t window = read(bridge, regs::kIoBase, 2, kIo);
    const std::uint32_t upper = read(bridge, regs::kIoBaseUpper, 4, kIo);
    const bool closed = (window & 0xF0) > (window >> 8 & 0xF0);
    write(bridge, regs::kIoBaseUpper, 4, 0x0000FFFF, kIo);
    write(bridge, regs::kIoBase, 2, closed ? 0x00F0 : window & 0xF0F0, kIo);
    write(bridge, regs::kIoBaseUpper, 4, closed ? 0 : upper, kIo);
  }
  constexpr const char* kMemory = "pci_setup_bridge_mmio";
  const std::uint32_t memory = read(bridge, regs::kMemoryBase, 4, kMemory);
  const bool closed = (memory & 0xFFF0) > (memory >> 16 & 0xFFF0);
  write(bridge, regs::kMemoryBase, 4, closed ? 0x0000FFF0 : memory & 0xFFF0FFF0, kMemory);
  if (bridge.pref_window) {
    constexpr const char* kPref = "pci_setup_bridge_mmio_pref";
    const std::uint32_t window = read(bridge, regs::kPrefBase, 4, kPref);
    const std::uint32_t base = read(bridge, regs::kPrefBaseUpper, 4, kPref);
    const std::uint32_t limit = read(bridge, regs::kPrefLimitUpper, 4, kPref);
    const std::uint64_t low = static_cast<std::uint64_t>(base) << 32 | (window & 0xFFF0) << 16;
    const std::uint64_t high = static_cast<std::uint64_t>(limit) << 32 | (window & 0xFFF00000);
    const bool shut = low > high;
    write(bridge, regs::kPrefLimitUpper, 4, 0, kPref);
    write(bridge, regs::kPrefBase, 4, shut ? 0x0000FFF0 : window & 0xFFF0FFF0, kPref);
    write(bridge, regs::kPrefBaseUpper, 4, shut ? 0 : base, kPref);
    write(bridge, regs::kPrefLimitUpper, 4, shut ? 0 : limit, kPref);
  }
  write(bridge, regs::kBridgeControl, 2, bridge.bridge_control, "__pci_setup_bridge");
}

}  // namespace baton::linux::pci
