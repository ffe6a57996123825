// Which windows a bridge has, and what they hold [linux drivers/pci/probe.c:
// pci_read_bridge_windows, pci_read_bridge_bases].
#include "model/linux/pci/function_shapes.h"
#include "model/linux/pci/pci_liveupdate.h"
#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr const char* kWindows = "pci_read_bridge_windows";

Resource window_of(std::uint64_t base, std::uint64_t limit, bool memory) {
  Resource window;
  window.memory = memory;
  if (base > limit) return window;
  window.start = PhysAddr(base);
  window.size = limit - base + 1;
  return window;
}

}  // namespace

// A register pair that reads as zero is tried with a closed window; the upper half of the
// prefetchable base always.
Co<> PciCore::State::read_bridge_windows(PciDev& dev) {
  if (dev.incoming() && live_update_ != nullptr && !services_.has(Defect::kPciProbeWindows)) {
    if (const FunctionShape* shape = live_update_->shape_of(dev)) {
      dev.io_window = (shape->windows & kShapeIoWindow) != 0;
      dev.pref_window = (shape->windows & kShapePrefWindow) != 0;
      dev.pref_64_window = (shape->windows & kShapePref64Window) != 0;
      co_return;
    }
  }
  read(dev, regs::kPrimaryBus, 4, kWindows);
  std::uint32_t value = read(dev, regs::kIoBase, 2, kWindows);
  if (value == 0) {
    co_await write(dev, regs::kIoBase, 2, 0xE0F0, kWindows);
    value = read(dev, regs::kIoBase, 2, kWindows);
    co_await write(dev, regs::kIoBase, 2, 0, kWindows);
  }
  dev.io_window = value != 0;
  value = read(dev, regs::kPrefBase, 4, kWindows);
  if (value == 0) {
    co_await write(dev, regs::kPrefBase, 4, 0xFFE0FFF0, kWindows);
    value = read(dev, regs::kPrefBase, 4, kWindows);
    co_await write(dev, regs::kPrefBase, 4, 0, kWindows);
  }
  dev.pref_window = value != 0;
  if ((value & 0xF) != 1) co_return;
  const std::uint32_t upper = read(dev, regs::kPrefBaseUpper, 4, kWindows);
  co_await write(dev, regs::kPrefBaseUpper, 4, 0xFFFFFFFF, kWindows);
  dev.pref_64_window = read(dev, regs::kPrefBaseUpper, 4, kWindows) != 0;
  co_await write(dev, regs::kPrefBaseUpper, 4, upper, kWindows);
}

void PciCore::State::read_bridge_bases(PciDev& bridge) {
  constexpr const char* kBases = "pci_read_bridge_bases";
  const auto get = [&](unsigned offset, unsigned width) -> std::uint64_t {
    return read(bridge, offset, width, kBases);
  };
  if (bridge.io_window) {
    const std::uint64_t low = get(regs::kIoBase, 1);
    const std::uint64_t high = get(regs::kIoBase + 1U, 1);
    std::uint64_t base = (low & 0xF0) << 8;
    std::uint64_t limit = (high & 0xF0) << 8 | 0xFFF;
    if ((low & 0xF) == 1) {  // 32-bit addresses
      base |= get(regs::kIoBaseUpper, 2) << 16;
      limit |= get(regs::kIoBaseUpper + 2U, 2) << 16;
    }
    bridge.windows[kIoWindow] = window_of(base, limit, false);
  }
  bridge.windows[kMemoryWindow] =
      window_of((get(regs::kMemoryBase, 2) & 0xFFF0) << 16,
                (get(regs::kMemoryBase + 2U, 2) & 0xFFF0) << 16 | 0xFFFFF, true);
  if (!bridge.pref_window) return;
  std::uint64_t base = get(regs::kPrefBase, 2);
  std::uint64_t limit = get(regs::kPrefBase + 2U, 2);
  const bool wide = (base & 0xF) == 1;
  base = (base & 0xFFF0) << 16;
  limit = (limit & 0xFFF0) << 16 | 0xFFFFF;
  if (wide) {
    base |= get(regs::kPrefBaseUpper, 4) << 32;
    limit |= get(regs::kPrefLimitUpper, 4) << 32;
  }
  bridge.windows[kPrefetchWindow] = window_of(base, limit, true);
  bridge.windows[kPrefetchWindow].prefetchable = true;
  bridge.windows[kPrefetchWindow].is_64bit = wide;
}

}  // namespace baton::linux::pci
