// How large the windows of a bridge have to be [linux drivers/pci/setup-bus.c:
// __pci_bus_size_bridges, pbus_size_io, pbus_size_mem].
//
// A window that has its place already is neither moved nor resized. What a hotplug port gets beyond
// its need is optional, unless pci=realloc makes it a need first.
#include <algorithm>
#include <bit>

#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr std::uint64_t kHotplugIo = 256;            // pci_hotplug_io_size
constexpr std::uint64_t kHotplugMemory = 0x20'0000;  // pci_hotplug_mmio_size and ..._pref_size
constexpr std::uint64_t kIoAlignment = 0x1000;
constexpr std::uint64_t kMemoryAlignment = 0x10'0000;

std::uint64_t round_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

// What one pass over the functions of a bus finds.
struct Need {
  std::uint64_t size = 0;
  std::uint64_t optional = 0;
};

// calculate_mem_align: the smallest alignment from which all the sizes can be packed.
std::uint64_t packed_alignment(const std::array<std::uint64_t, 44>& by_order, unsigned most) {
  std::uint64_t align = 0;
  std::uint64_t least = 0;
  for (unsigned order = 0; order <= most; ++order) {
    const std::uint64_t one = std::uint64_t{1} << (order + 20);
    if (align == 0) {
      least = one;
    } else if (round_up(align + least, least) < one) {
      least = one >> 1;
    }
    align += by_order[order];
  }
  return least;
}

}  // namespace

std::uint64_t PciCore::State::extra_size(const Resource& resource) const {
  const auto found = std::ranges::find(extras_, &resource, &Extra::resource);
  return found == extras_.end() ? 0 : found->size;
}

void PciCore::State::size_windows(PciBus& bus, bool optional) {
  for (const auto& child : bus.children) size_windows(*child, optional);
  if (bus.bridge == nullptr || spares(*bus.bridge)) return;
  for (const BridgeWindow kind : {kIoWindow, kPrefetchWindow, kMemoryWindow}) {
    const bool exists = kind == kMemoryWindow ||
                        (kind == kIoWindow ? bus.bridge->io_window : bus.bridge->pref_window);
    if (exists && !bus.bridge->windows[kind].claimed) size_window(bus, kind, optional);
  }
}

void PciCore::State::size_window(PciBus& bus, BridgeWindow kind, bool optional) {
  PciDev& bridge = *bus.bridge;
  Resource& window = bridge.windows[kind];
  const bool io = kind == kIoWindow;
  // Into which window a resource goes: the prefetchable one takes what is prefetchable, and with
  // 64-bit addresses only what can have them; the rest goes to the memory window.
  const auto is_here = [&](const Resource& resource) {
    if (resource.memory == io) return false;
    if (io) return true;
    const bool pref = bridge.pref_window && resource.prefetchable &&
                      (!bridge.pref_64_window || resource.is_64bit);
    return pref == (kind == kPrefetchWindow);
  };
  Need need;
  std::array<std::uint64_t, 44> by_order{};
  unsigned most = 0;
  const auto add = [&](Resource& resource, std::uint64_t alignment) {
    if (!is_here(resource) || resource.claimed) return;
    need.optional += extra_size(resource);
    need.size += io ? resource.size : std::max(resource.size, alignment);
    if (io || resource.size > alignment || resource.size == 0) return;
    const unsigned order =
        alignment < kMemoryAlignment ? 0 : static_cast<unsigned>(std::countr_zero(alignment)) - 20;
    by_order[order] += alignment;
    most = std::max(most, order);
  };
  for (const auto& dev : bus.devices) {
    for (Resource& bar : dev->resources) {
      if (bar.size != 0) add(bar, bar.size);
    }
    for (Resource& bar : dev->vf_bars) {
      if (bar.size == 0) continue;
      if (optional && !bar.claimed && is_here(bar)) {
        extras_.push_back({&bar, bar.size});
        need.optional += bar.size;
      } else {
        add(bar, bar.alignment);
      }
    }
    for (Resource& below : dev->windows) {
      if (below.wanted) add(below, below.alignment);
    }
  }
  const std::uint64_t extra =
      bridge.is_hotplug_bridge ? (io ? kHotplugIo : kHotplugMemory) : std::uint64_t{0};
  const std::uint64_t least = optional ? 0 : extra;
  std::uint64_t alignment = io ? kIoAlignment : kMemoryAlignment;
  if (!io) alignment = std::max(alignment, packed_alignment(by_order, most));
  const std::uint64_t size = round_up(std::max(need.size, least), alignment);
  const bool has_optional = optional && (extra != 0 || need.optional != 0);
  const std::uint64_t full =
      has_optional ? round_up(std::max({need.size, least, extra}) + need.optional, alignment)
                   : size;
  window.memory = !io;
  window.prefetchable = kind == kPrefetchWindow;
  window.is_64bit = kind == kPrefetchWindow && bridge.pref_64_window;
  window.start = PhysAddr();
  window.size = size;
  window.alignment = alignment;
  window.wanted = size != 0 || full != 0;
  if (window.wanted && full > size) extras_.push_back({&window, full - size});
}

}  // namespace baton::linux::pci
