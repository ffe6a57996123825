// BAR sizing [linux drivers/pci/probe.c: __pci_size_bars, __pci_read_base, pci_read_bases]: in one
// batch as 7.x does it, each register in a window of its own as 6.1 does it, or from the folio that
// the previous kernel left, without a write.
#include "model/linux/pci/function_shapes.h"
#include "model/linux/pci/pci_liveupdate.h"
#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr const char* kSizeBars = "__pci_size_bars";
constexpr const char* kReadBase = "__pci_read_base";
constexpr std::uint32_t kRomMask = 0xFFFFF800;
constexpr std::uint32_t kClassHostBridge = 0x0600;
constexpr unsigned kRomIndex = 6;

// pci_size: the lowest address bit that took a one.
std::uint64_t decoded_size(std::uint64_t mask) { return mask & (~mask + 1); }

std::uint16_t bar_offset(unsigned index) {
  return static_cast<std::uint16_t>(regs::kBar0 + 4 * index);
}

// A host bridge decodes always: switching it off would cut memory from the CPU (mmio_always_on).
bool decodes_always(const PciDev& dev) { return dev.class_code >> 8 == kClassHostBridge; }

// What a BAR's two or one registers say, before and while they hold all ones.
Resource decode(std::uint64_t base, std::uint64_t mask) {
  Resource resource;
  const auto low = static_cast<std::uint32_t>(base);
  std::uint64_t bits = 0;
  if ((low & 1) != 0) {
    resource.memory = false;
    base &= ~std::uint64_t{3};
    bits = mask & 0xFFFC;
  } else {
    resource.prefetchable = (low & 8) != 0;
    resource.is_64bit = (low & 6) == 4;
    base &= ~std::uint64_t{0xF};
    bits = mask & ~std::uint64_t{0xF};
  }
  if (bits == 0) return resource;
  resource.start = PhysAddr(base);
  resource.size = decoded_size(bits);
  return resource;
}

Resource decode_rom(std::uint32_t base, std::uint32_t mask) {
  Resource resource;
  if ((mask & kRomMask) == 0) return resource;
  resource.start = PhysAddr(base & kRomMask);
  resource.size = decoded_size(mask & kRomMask);
  resource.prefetchable = true;  // as the kernel marks ROMs
  return resource;
}

}  // namespace

Co<> PciCore::State::read_bases(PciDev& dev, unsigned count, std::uint16_t rom) {
  if (dev.incoming() && live_update_ != nullptr && !services_.has(Defect::kPciSizeBars)) {
    if (const FunctionShape* shape = live_update_->shape_of(dev)) {
      adopt_bases(dev, count, rom, *shape);
      return let_time_pass();
    }
  }
  return is_6_1() ? size_one_by_one(dev, count, rom) : size_in_one_batch(dev, count, rom);
}

Co<> PciCore::State::size_in_one_batch(PciDev& dev, unsigned count, std::uint16_t rom) {
  const std::uint32_t command = read(dev, regs::kCommand, 2, "pci_read_bases");
  const std::uint32_t decode_bits = command & (regs::kCommandIo | regs::kCommandMemory);
  const bool off = !decodes_always(dev) && decode_bits != 0;
  if (off) co_await write(dev, regs::kCommand, 2, command & ~decode_bits, "pci_read_bases");
  std::array<std::uint32_t, 7> sizes{};
  for (unsigned index = 0; index <= count; ++index) {
    const bool is_rom = index == count;
    const std::uint16_t offset = is_rom ? rom : bar_offset(index);
    const std::uint32_t old = read(dev, offset, 4, kSizeBars);
    co_await write(dev, offset, 4, old | (is_rom ? kRomMask : 0xFFFFFFFF), kSizeBars);
    sizes[is_rom ? kRomIndex : index] = read(dev, offset, 4, kSizeBars);
    co_await write(dev, offset, 4, old, kSizeBars);
  }
  if (off) co_await write(dev, regs::kCommand, 2, command, "pci_read_bases");
  for (unsigned index = 0; index < count; ++index) {
    std::uint64_t base = read(dev, bar_offset(index), 4, kReadBase);
    if (sizes[index] == 0xFFFFFFFF) continue;  // no answer
    std::uint64_t mask = sizes[index];
    const unsigned first = index;
    if ((base & 7) == 4 && index + 1 < count) {
      ++index;
      base |= std::uint64_t{read(dev, bar_offset(index), 4, kReadBase)} << 32;
      mask |= std::uint64_t{sizes[index]} << 32;
    }
    dev.resources[first] = decode(base, mask);
  }
  dev.resources[kRomIndex] = decode_rom(read(dev, rom, 4, kReadBase), sizes[kRomIndex]);
}

Co<> PciCore::State::size_one_by_one(PciDev& dev, unsigned count, std::uint16_t rom) {
  for (unsigned index = 0; index < count;) {
    index += co_await read_base(dev, bar_offset(index), dev.resources[index], index + 1 == count);
  }
  constexpr const char* kRom = "__pci_read_base";
  const std::uint32_t command = read(dev, regs::kCommand, 2, kRom);
  const std::uint32_t decode_bits = command & (regs::kCommandIo | regs::kCommandMemory);
  const bool off = !decodes_always(dev) && decode_bits != 0;
  if (off) co_await write(dev, regs::kCommand, 2, command & ~decode_bits, kRom);
  const std::uint32_t old = read(dev, rom, 4, kRom);
  co_await write(dev, rom, 4, old | kRomMask, kRom);
  const std::uint32_t size = read(dev, rom, 4, kRom);
  co_await write(dev, rom, 4, old, kRom);
  if (off) co_await write(dev, regs::kCommand, 2, command, kRom);
  dev.resources[kRomIndex] = decode_rom(old, size);
}

Co<unsigned> PciCore::State::read_base(PciDev& dev, std::uint16_t offset, Resource& resource,
                                       bool last) {
  const std::uint32_t command = read(dev, regs::kCommand, 2, kReadBase);
  const std::uint32_t decode_bits = command & (regs::kCommandIo | regs::kCommandMemory);
  const bool off = !decodes_always(dev) && decode_bits != 0;
  if (off) co_await write(dev, regs::kCommand, 2, command & ~decode_bits, kReadBase);
  unsigned registers = 1;
  std::uint64_t base = read(dev, offset, 4, kReadBase);
  co_await write(dev, offset, 4, 0xFFFFFFFF, kReadBase);
  std::uint64_t mask = read(dev, offset, 4, kReadBase);
  co_await write(dev, offset, 4, static_cast<std::uint32_t>(base), kReadBase);
  if ((base & 7) == 4 && !last && mask != 0xFFFFFFFF) {
    registers = 2;
    const std::uint32_t high = read(dev, offset + 4U, 4, kReadBase);
    co_await write(dev, offset + 4U, 4, 0xFFFFFFFF, kReadBase);
    mask |= std::uint64_t{read(dev, offset + 4U, 4, kReadBase)} << 32;
    co_await write(dev, offset + 4U, 4, high, kReadBase);
    base |= std::uint64_t{high} << 32;
  }
  if (off) co_await write(dev, regs::kCommand, 2, command, kReadBase);
  if (mask != 0xFFFFFFFF) resource = decode(base, mask);
  co_return registers;
}

// Sizes from the folio of the previous kernel, addresses from the registers: no write at all.
void PciCore::State::adopt_bases(PciDev& dev, unsigned count, std::uint16_t rom,
                                 const FunctionShape& shape) {
  for (unsigned index = 0; index < count; ++index) {
    const std::uint64_t size = shape.bar_sizes[index];
    if (size == 0) continue;
    const unsigned first = index;
    std::uint64_t base = read(dev, bar_offset(index), 4, kReadBase);
    if ((base & 7) == 4 && index + 1 < count && shape.bar_sizes[index + 1] == 0) {
      ++index;
      base |= std::uint64_t{read(dev, bar_offset(index), 4, kReadBase)} << 32;
    }
    dev.resources[first] = decode(base, ~(size - 1));
  }
  if (shape.rom_size == 0) return;
  dev.resources[kRomIndex] =
      decode_rom(read(dev, rom, 4, kReadBase), static_cast<std::uint32_t>(~(shape.rom_size - 1)));
}

}  // namespace baton::linux::pci
