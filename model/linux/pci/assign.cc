// Addresses for what has none, and the windows of all bridges [linux drivers/pci/setup-bus.c:
// pci_assign_unassigned_root_bus_resources, __pci_bus_assign_resources, __assign_resources_sorted,
// pci_setup_bridge; drivers/pci/setup-res.c: pci_std_update_resource; drivers/pci/iov.c:
// pci_iov_update_resource].
//
// A need is met first together with everything optional; if that does not fit, alone, and the
// optional part is tried afterwards. With pci=realloc, or when a VF BAR has no address, the
// optional part counts as a need until the last round.
//
// Not modelled: moving windows of bridges that firmware had placed, to make room below them.
#include <algorithm>

#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr std::uint64_t kLowestPort = 0x1000;  // PCIBIOS_MIN_IO
constexpr std::uint64_t k4GiB = std::uint64_t{1} << 32;
constexpr std::uint32_t kClassUndefined = 0x0000;
constexpr std::uint32_t kClassHostBridge = 0x0600;

unsigned depth_of(const PciBus& bus) {
  unsigned depth = 0;
  for (const auto& child : bus.children) depth = std::max(depth, 1 + depth_of(*child));
  return depth;
}

}  // namespace

// pci_realloc_detect: CONFIG_PCI_REALLOC_ENABLE_AUTO.
bool PciCore::State::iov_unassigned(const PciBus& bus) const {
  for (const auto& dev : bus.devices) {
    for (const Resource& bar : dev->vf_bars) {
      if (bar.size != 0 && !bar.claimed) return true;
    }
  }
  return std::ranges::any_of(bus.children,
                             [this](const auto& child) { return iov_unassigned(*child); });
}

Co<> PciCore::State::assign_root(PciBus& root) {
  const unsigned rounds = realloc_ || iov_unassigned(root) ? depth_of(root) + 1 : 1;
  for (unsigned round = 1; round <= rounds; ++round) {
    const bool optional = round == rounds;
    extras_.clear();
    size_windows(root, optional);
    const bool complete = co_await assign_bus(root);
    if (complete) break;
  }
}

// All that wants an address on this bus, by alignment, largest first: pdev_sort_resources.
std::vector<PciCore::State::Wanted> PciCore::State::unassigned(PciBus& bus) {
  std::vector<Wanted> list;
  for (const auto& dev : bus.devices) {
    const std::uint32_t kind = dev->class_code >> 8;
    if (kind == kClassUndefined || kind == kClassHostBridge) continue;
    for (std::size_t i = 0; i < dev->resources.size(); ++i) {
      Resource& bar = dev->resources[i];
      if (bar.size == 0 || bar.claimed) continue;
      bar.alignment = bar.size;
      const std::size_t offset = i < 6 ? regs::kBar0 + 4 * i : 0;
      list.push_back({dev.get(), &bar, static_cast<std::uint16_t>(offset)});
    }
    for (std::size_t i = 0; i < dev->vf_bars.size(); ++i) {
      Resource& bar = dev->vf_bars[i];
      if (bar.size == 0 || bar.claimed) continue;
      const std::size_t offset = dev->sriov_cap + 0x24U + 4 * i;
      list.push_back({dev.get(), &bar, static_cast<std::uint16_t>(offset)});
    }
    for (Resource& window : dev->windows) {
      if (window.wanted && !window.claimed) list.push_back({dev.get(), &window, 0});
    }
  }
  std::ranges::stable_sort(list, std::ranges::greater(),
                           [](const Wanted& each) { return each.resource->alignment; });
  return list;
}

// pci_assign_resource without its register write.
bool PciCore::State::place(const Wanted& wanted, std::uint64_t size) {
  Resource& resource = *wanted.resource;
  if (size == 0) return true;
  const std::uint64_t gap = services_.port().memory_map().ecam_base.value();
  for (AddressSpace* space : spaces_of(*wanted.dev->bus, resource)) {
    const bool root = space == &memory_ || space == &ports_;
    std::uint64_t from = space->start();
    if (root) from = resource.memory ? gap : kLowestPort;
    std::optional<std::uint64_t> start;
    if (resource.is_64bit) {
      start = space->allocate(size, resource.alignment, std::max(from, k4GiB), UINT64_MAX);
    }
    if (!start) start = space->allocate(size, resource.alignment, from, k4GiB);
    if (!start) continue;
    resource.start = PhysAddr(*start);
    resource.size = size;
    resource.claimed = true;
    return true;
  }
  return false;
}

void PciCore::State::take_back(const Wanted& wanted) {
  Resource& resource = *wanted.resource;
  if (!resource.claimed) return;
  for (AddressSpace* space : spaces_of(*wanted.dev->bus, resource)) {
    if (space->contains(resource.start.value(), resource.size)) {
      space->release(resource.start.value());
      break;
    }
  }
  resource.start = PhysAddr();
  resource.claimed = false;
}

// True: nothing that is a need went without.
Co<bool> PciCore::State::assign_functions(PciBus& bus) {
  const std::vector<Wanted> list = unassigned(bus);
  std::vector<std::uint64_t> sizes;
  for (const Wanted& each : list) {
    const bool optional_vf =
        each.resource->alignment != 0 && each.offset >= 0x100 && extra_size(*each.resource) != 0;
    sizes.push_back(optional_vf ? 0 : each.resource->size);
  }
  bool all = true;
  for (std::size_t i = 0; i < list.size() && all; ++i) {
    all = place(list[i], sizes[i] + extra_size(*list[i].resource));
  }
  bool complete = true;
  if (!all) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      take_back(list[i]);
      list[i].resource->size = sizes[i];
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      const bool rom = list[i].offset == 0 && !list[i].resource->wanted;
      if (!place(list[i], sizes[i]) && !rom) complete = false;
    }
    // reassign_resources_sorted: the optional part, one by one; what is placed stays.
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::uint64_t extra = extra_size(*list[i].resource);
      if (extra == 0 || list[i].resource->claimed) continue;
      static_cast<void>(place(list[i], sizes[i] + extra));
    }
  }
  for (const Wanted& each : list) {
    if (!each.resource->claimed) {
      if (each.resource->wanted) each.resource->size = 0;  // reset_resource: closed
      continue;
    }
    co_await update_resource(each);
    for (const BridgeWindow kind : {kIoWindow, kMemoryWindow, kPrefetchWindow}) {
      if (&each.dev->windows[kind] == each.resource) open_space(*each.dev, kind);
    }
  }
  co_return complete;
}

// Children after their bus has its addresses, a bridge's registers after all below it.
Co<bool> PciCore::State::assign_bus(PciBus& bus) {
  bool complete = co_await assign_functions(bus);
  for (const auto& dev : bus.devices) {
    if (dev->subordinate == nullptr) continue;
    const bool below = co_await assign_bus(*dev->subordinate);
    complete = complete && below;
    if (dev->enable_count == 0) co_await setup_bridge(*dev);
  }
  co_return complete;
}

// A 64-bit BAR is written with memory decode off, so that it never holds half an address. The VF
// BARs of a physical function decode nothing yet.
Co<> PciCore::State::update_resource(const Wanted& wanted) {
  if (wanted.offset == 0) co_return;
  constexpr const char* kUpdate = "pci_std_update_resource";
  PciDev& dev = *wanted.dev;
  const Resource& bar = *wanted.resource;
  const bool iov = wanted.offset >= 0x100;
  const char* by = iov ? "pci_iov_update_resource" : kUpdate;
  const bool off = bar.is_64bit && !iov;
  const std::uint32_t command = off ? read(dev, regs::kCommand, 2, by) : 0;
  if (off) co_await write(dev, regs::kCommand, 2, command & ~2U, by);
  std::uint32_t low = static_cast<std::uint32_t>(bar.start.value());
  if (!bar.memory) low |= 1;
  if (bar.prefetchable) low |= 8;
  if (bar.is_64bit) low |= 4;
  co_await write(dev, wanted.offset, 4, low, by);
  if (!iov) read(dev, wanted.offset, 4, by);
  if (bar.is_64bit) {
    const auto high = static_cast<std::uint32_t>(bar.start.value() >> 32);
    co_await write(dev, wanted.offset + 4U, 4, high, by);
    if (!iov) read(dev, wanted.offset + 4U, 4, by);
  }
  if (off) co_await write(dev, regs::kCommand, 2, command, by);
}

// Every bridge that is not enabled yet is rewritten, with the same values too.
Co<> PciCore::State::setup_bridge(PciDev& bridge) {
  // The values would be those that are there [policy three-stage-from-folio].
  if (spares(bridge)) co_return;
  const auto open = [](const Resource& window) { return window.claimed && window.size != 0; };
  const Resource& ports = bridge.windows[kIoWindow];
  const std::uint64_t first = ports.start.value();
  const std::uint64_t last = ports.end() - 1;
  constexpr const char* kIo = "pci_setup_bridge_io";
  read(bridge, regs::kIoBase, 2, kIo);
  std::uint32_t value = 0x00F0;
  std::uint32_t upper = 0;
  if (open(ports)) {
    value =
        static_cast<std::uint32_t>(first >> 8 & 0xF0) | static_cast<std::uint32_t>(last & 0xF000);
    upper = static_cast<std::uint32_t>(first >> 16) | static_cast<std::uint32_t>(last & 0xFFFF0000);
  }
  co_await write(bridge, regs::kIoBaseUpper, 4, 0x0000FFFF, kIo);
  co_await write(bridge, regs::kIoBase, 2, value, kIo);
  co_await write(bridge, regs::kIoBaseUpper, 4, upper, kIo);
  const auto pair = [](const Resource& window) {
    const std::uint64_t end = window.end() - 1;
    return static_cast<std::uint32_t>(window.start.value() >> 16 & 0xFFF0) |
           static_cast<std::uint32_t>(end & 0xFFF00000);
  };
  const Resource& memory = bridge.windows[kMemoryWindow];
  co_await write(bridge, regs::kMemoryBase, 4, open(memory) ? pair(memory) : 0x0000FFF0,
                 "pci_setup_bridge_mmio");
  constexpr const char* kPref = "pci_setup_bridge_mmio_pref";
  const Resource& pref = bridge.windows[kPrefetchWindow];
  const bool wide = open(pref) && pref.is_64bit;
  const auto base = wide ? static_cast<std::uint32_t>(pref.start.value() >> 32) : 0;
  const auto limit = wide ? static_cast<std::uint32_t>((pref.end() - 1) >> 32) : 0;
  co_await write(bridge, regs::kPrefLimitUpper, 4, 0, kPref);
  co_await write(bridge, regs::kPrefBase, 4, open(pref) ? pair(pref) : 0x0000FFF0, kPref);
  co_await write(bridge, regs::kPrefBaseUpper, 4, base, kPref);
  co_await write(bridge, regs::kPrefLimitUpper, 4, limit, kPref);
  co_await write(bridge, regs::kBridgeControl, 2, bridge.bridge_control, "__pci_setup_bridge");
}

}  // namespace baton::linux::pci
