// BAR sizing in its batched form of 7.x, and bridge window probing [linux drivers/pci/probe.c:
// __pci_size_bars, __pci_read_base, pci_read_bases, pci_read_bridge_windows].
#include "model/linux/pci/function_shapes.h"
#include "model/linux/pci/pci_liveupdate.h"
#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr const char* kSizeBars = "__pci_size_bars";
constexpr const char* kReadBase = "__pci_read_base";
constexpr const char* kWindows = "pci_read_bridge_windows";
constexpr std::uint32_t kRomMask = 0xFFFFF800;
constexpr std::uint32_t kClassHostBridge = 0x0600;
constexpr unsigned kRomIndex = 6;

// pci_size: the lowest address bit that took a one.
std::uint64_t decoded_size(std::uint64_t mask) { return mask & (~mask + 1); }

std::uint16_t bar_offset(unsigned index) {
  return static_cast<std::uint16_t>(regs::kBar0 + 4 * index);
}

}  // namespace

void PciCore::State::read_bases(PciDev& dev, unsigned count, std::uint16_t rom) {
  if (dev.incoming && live_update_ != nullptr && !services_.has(Defect::kPciSizeBars)) {
    if (const FunctionShape* shape = live_update_->shape_of(dev)) {
      adopt_bases(dev, count, rom, *shape);
      return;
    }
  }
  // A host bridge decodes always: switching it off would cut memory from the CPU.
  const bool always_on = dev.class_code >> 8 == kClassHostBridge;
  const std::uint32_t command = read(dev, regs::kCommand, 2, "pci_read_bases");
  const std::uint32_t decode = command & (regs::kCommandIo | regs::kCommandMemory);
  const bool off = !always_on && decode != 0;
  if (off) write(dev, regs::kCommand, 2, command & ~decode, "pci_read_bases");
  std::array<std::uint32_t, 7> sizes{};
  const auto size = [&](unsigned index, std::uint16_t offset, std::uint32_t mask) {
    const std::uint32_t old = read(dev, offset, 4, kSizeBars);
    write(dev, offset, 4, old | mask, kSizeBars);
    sizes[index] = read(dev, offset, 4, kSizeBars);
    write(dev, offset, 4, old, kSizeBars);
  };
  for (unsigned index = 0; index < count; ++index) size(index, bar_offset(index), 0xFFFFFFFF);
  size(kRomIndex, rom, kRomMask);
  if (off) write(dev, regs::kCommand, 2, command, "pci_read_bases");
  for (unsigned index = 0; index < count;) {
    unsigned next = index + 1;
    read_resource(dev, index, bar_offset(index), next, sizes);
    index = next;
  }
  const std::uint32_t base = read(dev, rom, 4, kReadBase);
  const std::uint64_t mask = sizes[kRomIndex] & kRomMask;
  if (mask == 0) return;
  dev.resources[kRomIndex] = {PhysAddr(base & kRomMask), decoded_size(mask), true, false, false};
}

void PciCore::State::read_resource(PciDev& dev, unsigned index, std::uint16_t offset,
                                   unsigned& next, const std::array<std::uint32_t, 7>& sizes) {
  const std::uint32_t low = read(dev, offset, 4, kReadBase);
  Resource resource;
  std::uint64_t base = 0;
  std::uint64_t mask = 0;
  if (sizes[index] == 0xFFFFFFFF) return;  // no answer
  if ((low & 1) != 0) {
    resource.memory = false;
    base = low & ~3U;
    mask = sizes[index] & 0xFFFC;
  } else {
    resource.prefetchable = (low & 8) != 0;
    base = low & ~0xFU;
    mask = sizes[index] & ~0xFU;
    if ((low & 6) == 4 && index < 5) {
      resource.is_64bit = true;
      base |= static_cast<std::uint64_t>(read(dev, offset + 4U, 4, kReadBase)) << 32;
      mask |= static_cast<std::uint64_t>(sizes[index + 1]) << 32;
      next = index + 2;
    }
  }
  if (mask == 0) return;
  resource.start = PhysAddr(base);
  resource.size = decoded_size(mask);
  dev.resources[index] = resource;
}

// Sizes from the folio of the previous kernel, addresses from the registers: no write at all.
void PciCore::State::adopt_bases(PciDev& dev, unsigned count, std::uint16_t rom,
                                 const FunctionShape& shape) {
  std::array<std::uint32_t, 7> sizes{};
  for (unsigned index = 0; index < count; ++index) {
    const std::uint64_t size = shape.bar_sizes[index];
    if (size == 0) continue;
    sizes[index] = static_cast<std::uint32_t>(~(size - 1));
    if (index + 1 < count && shape.bar_sizes[index + 1] == 0) {
      sizes[index + 1] = static_cast<std::uint32_t>(~(size - 1) >> 32);
    }
  }
  for (unsigned index = 0; index < count;) {
    unsigned next = index + 1;
    if (shape.bar_sizes[index] != 0) read_resource(dev, index, bar_offset(index), next, sizes);
    index = next;
  }
  if (shape.rom_size == 0) return;
  const std::uint32_t base = read(dev, rom, 4, kReadBase);
  dev.resources[kRomIndex] = {PhysAddr(base & kRomMask), shape.rom_size, true, false, false};
}

void PciCore::State::read_bridge_windows(PciDev& dev) {
  if (dev.incoming && live_update_ != nullptr && !services_.has(Defect::kPciProbeWindows)) {
    if (const FunctionShape* shape = live_update_->shape_of(dev)) {
      dev.io_window = (shape->windows & kShapeIoWindow) != 0;
      dev.pref_window = (shape->windows & kShapePrefWindow) != 0;
      dev.pref_64_window = (shape->windows & kShapePref64Window) != 0;
      return;
    }
  }
  read(dev, regs::kPrimaryBus, 4, kWindows);
  // A register pair that reads as zero is tried with a closed window.
  const auto probe = [&](std::uint16_t offset, unsigned width, std::uint32_t test) {
    std::uint32_t value = read(dev, offset, width, kWindows);
    if (value != 0) return true;
    write(dev, offset, width, test, kWindows);
    value = read(dev, offset, width, kWindows);
    write(dev, offset, width, 0, kWindows);
    return value != 0;
  };
  dev.io_window = probe(regs::kIoBase, 2, 0xE0F0);
  dev.pref_window = probe(regs::kPrefBase, 4, 0xFFE0FFF0);
  if (!dev.pref_window) return;
  if ((read(dev, regs::kPrefBase, 4, kWindows) & 0xF) != 1) return;
  const std::uint32_t upper = read(dev, regs::kPrefBaseUpper, 4, kWindows);
  write(dev, regs::kPrefBaseUpper, 4, 0xFFFFFFFF, kWindows);
  dev.pref_64_window = read(dev, regs::kPrefBaseUpper, 4, kWindows) != 0;
  write(dev, regs::kPrefBaseUpper, 4, upper, kWindows);
}

}  // namespace baton::linux::pci
