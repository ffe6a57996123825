// What firmware has assigned keeps its place in the kernel's resource tree, as far as it fits
// [linux arch/x86/pci/i386.c: pcibios_resource_survey; drivers/pci/setup-res.c:
// pci_claim_resource].
//
// Not modelled: transparent (subtractive) bridges, fixed and legacy resources.
#include "model/linux/pci/state.h"

namespace baton::linux::pci {

// The bus resources that can hold it, best first: __pci_assign_resource tries a 64-bit prefetchable
// window, any prefetchable one, then the memory window; pci_find_parent_resource takes what
// contains it. What is not prefetchable must not lie in a prefetchable window.
std::vector<AddressSpace*> PciCore::State::spaces_of(PciBus& bus, const Resource& resource) {
  std::vector<AddressSpace*> spaces;
  if (bus.bridge == nullptr) {
    if (resource.memory) {
      spaces.push_back(&memory_);
    } else if (bus.host.io_aperture) {
      spaces.push_back(&ports_);
    }
    return spaces;
  }
  const auto add = [&](BridgeWindow kind) {
    if (bus.spaces[kind]) spaces.push_back(&*bus.spaces[kind]);
  };
  if (!resource.memory) {
    add(kIoWindow);
    return spaces;
  }
  if (resource.prefetchable) add(kPrefetchWindow);
  add(kMemoryWindow);
  return spaces;
}

// The window is in its place: the bus below can use it.
void PciCore::State::open_space(PciDev& bridge, BridgeWindow kind) {
  const Resource& window = bridge.windows[kind];
  if (bridge.subordinate == nullptr) return;
  bridge.subordinate->spaces[kind].emplace(window.start.value(), window.end());
}

// pcibios_allocate_bus_resources: windows from the top down. One that does not fit is closed, so
// that nothing below it is taken for decoded.
void PciCore::State::claim_bus(PciBus& bus) {
  for (const auto& dev : bus.devices) {
    if (dev->subordinate == nullptr) continue;
    for (const BridgeWindow kind : {kIoWindow, kMemoryWindow, kPrefetchWindow}) {
      Resource& window = dev->windows[kind];
      if (window.size == 0 || window.claimed) continue;
      if (window.start.value() != 0) {
        for (AddressSpace* space : spaces_of(bus, window)) {
          window.claimed = space->request(window.start.value(), window.size);
          if (window.claimed) break;
        }
      }
      if (window.claimed) {
        open_space(*dev, kind);
      } else {
        window.start = PhysAddr();
        window.size = 0;
      }
    }
    claim_bus(*dev->subordinate);
  }
}

// pcibios_allocate_resources: functions that decode first. A BAR that does not fit gets a new
// address later.
void PciCore::State::claim_functions(PciBus& bus, bool enabled) {
  for (const auto& dev : bus.devices) {
    const std::uint32_t command = read(*dev, regs::kCommand, 2, "pcibios_allocate_dev_resources");
    for (std::size_t i = 0; i < 6; ++i) {
      Resource& bar = dev->resources[i];
      if (bar.size == 0 || bar.claimed || bar.start.value() == 0) continue;
      const std::uint32_t decode = bar.memory ? regs::kCommandMemory : regs::kCommandIo;
      if (((command & decode) != 0) != enabled) continue;
      for (AddressSpace* space : spaces_of(bus, bar)) {
        bar.claimed = space->request(bar.start.value(), bar.size);
        if (bar.claimed) break;
      }
      if (bar.claimed) continue;
      services_.print(sim::LogLevel::kInfo, "pci {}: BAR {} at {:#x} can't be claimed",
                      to_string(dev->address), i, bar.start.value());
      bar.start = PhysAddr();
    }
    for (Resource& bar : dev->vf_bars) {
      if (bar.size == 0 || bar.claimed || bar.start.value() == 0 || !enabled) continue;
      for (AddressSpace* space : spaces_of(bus, bar)) {
        bar.claimed = space->request(bar.start.value(), bar.size);
        if (bar.claimed) break;
      }
      if (!bar.claimed) bar.start = PhysAddr();
    }
  }
  for (const auto& child : bus.children) claim_functions(*child, enabled);
}

// pcibios_allocate_rom_resources, by pcibios_assign_resources.
void PciCore::State::claim_roms(PciBus& bus) {
  constexpr std::size_t kRomIndex = 6;
  for (const auto& dev : bus.devices) {
    Resource& rom = dev->resources[kRomIndex];
    if (rom.size == 0 || rom.claimed || rom.start.value() == 0) continue;
    for (AddressSpace* space : spaces_of(bus, rom)) {
      rom.claimed = space->request(rom.start.value(), rom.size);
      if (rom.claimed) break;
    }
    if (!rom.claimed) rom.start = PhysAddr();
  }
  for (const auto& child : bus.children) claim_roms(*child);
}

}  // namespace baton::linux::pci
