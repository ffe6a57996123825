#include "model/vfio/config_view.h"

#include <cstring>

namespace baton::vfio {

namespace {

constexpr std::uint16_t kCommand = 0x04;
constexpr std::uint16_t kFirstBar = 0x10;
constexpr std::uint16_t kBarsEnd = 0x28;
constexpr std::uint16_t kRom = 0x30;
constexpr std::uint16_t kInterruptLine = 0x3C;
constexpr unsigned kRomIndex = 6;

constexpr std::uint16_t kCommandMemory = 0x0002;
constexpr std::uint16_t kCommandIntxDisable = 0x0400;
// I/O, memory, bus master, parity, SERR: forwarded.
constexpr std::uint16_t kCommandForwarded = 0x0147;

constexpr std::uint16_t kDeviceControl = 8;  // in the PCI Express capability
constexpr std::uint32_t kDeviceControlFlr = 0x8000;

constexpr std::uint16_t kPmControl = 4;  // in the power management capability
constexpr std::uint32_t kPmState = 0x3;

constexpr std::uint32_t kBarIs64Bit = 0x4;
constexpr std::uint32_t kBarPrefetchable = 0x8;

// Bytes of the header whose every bit is virtual.
struct Field {
  std::uint16_t offset;
  std::uint16_t length;
};
constexpr Field kVirtualFields[] = {
    {0x00, 4},                          // vendor and device id
    {kFirstBar, kBarsEnd - kFirstBar},  // BAR 0 to 5
    {kRom, 4},                          // expansion ROM
    {0x34, 1},                          // capability pointer
    {kInterruptLine, 2},                // interrupt line and pin
};

std::uint32_t mask_of(unsigned width) {
  return width == 4 ? ~std::uint32_t{0} : (std::uint32_t{1} << width * 8) - 1;
}

}  // namespace

void ConfigView::init() {
  for (std::uint16_t offset = 0; offset < kHeaderBytes; offset += 4) {
    const std::uint32_t value = core_.read(dev_, offset, 4, "vfio_config_init");
    std::memcpy(header_.data() + offset, &value, sizeof(value));
  }
  if (dev_.is_virtual()) init_virtual_function();
  // INTx is not offered.
  header_[kInterruptLine + 1] = 0;
  header_[kCommand + 1] &= static_cast<std::uint8_t>(~(kCommandIntxDisable >> 8));
}

// A VF has no ids, BARs and memory enable of its own in hardware: its owner sees those of the
// capability of its physical function, and memory that is always on (no_command_memory).
void ConfigView::init_virtual_function() {
  const auto put = [this](std::uint16_t offset, std::uint32_t value) {
    std::memcpy(header_.data() + offset, &value, sizeof(value));
  };
  put(0, dev_.vendor | static_cast<std::uint32_t>(dev_.device) << 16);
  header_[kCommand] |= static_cast<std::uint8_t>(kCommandMemory);
  for (unsigned i = 0; i < kRomIndex; ++i) {
    const linux::pci::Resource& bar = dev_.resources[i];
    if (bar.size == 0) continue;
    put(static_cast<std::uint16_t>(kFirstBar + 4 * i),
        (bar.is_64bit ? kBarIs64Bit : 0) | (bar.prefetchable ? kBarPrefetchable : 0));
  }
}

std::uint32_t ConfigView::from_header(std::uint16_t offset, unsigned width) const {
  std::uint32_t value = 0;
  std::memcpy(&value, header_.data() + offset, width);
  return value;
}

bool ConfigView::memory_enabled() const {
  if (dev_.pm_cap != 0 && dev_.current_state >= linux::pci::PowerState::kD3Hot &&
      dev_.current_state != linux::pci::PowerState::kUnknown) {
    return false;
  }
  return dev_.is_virtual() || (from_header(kCommand, 2) & kCommandMemory) != 0;
}

// Which bits of an access come from vconfig.
std::uint32_t ConfigView::virtual_bits(std::uint16_t offset, unsigned width) const {
  std::uint32_t bits = 0;
  for (unsigned i = 0; i < width; ++i) {
    const unsigned byte = offset + i;
    for (const Field& field : kVirtualFields) {
      if (byte >= field.offset && byte < static_cast<unsigned>(field.offset + field.length)) {
        bits |= std::uint32_t{0xFF} << i * 8;
      }
    }
    if (byte == kCommand && dev_.is_virtual()) {
      bits |= std::uint32_t{kCommandMemory} << i * 8;
    }
    if (byte == kCommand + 1U) {
      bits |= std::uint32_t{kCommandIntxDisable >> 8} << i * 8;
    }
  }
  return bits;
}

std::uint32_t ConfigView::read(std::uint16_t offset, unsigned width) const {
  const std::uint32_t bits = offset < kHeaderBytes ? virtual_bits(offset, width) : 0;
  std::uint32_t value = 0;
  if (bits != mask_of(width)) {
    value = core_.read(dev_, offset, width, "vfio_user_config_read");
  }
  if (bits != 0) {
    value = (value & ~bits) | (from_header(offset, width) & bits);
  }
  return value & mask_of(width);
}

// vfio_bar_restore().
void ConfigView::restore_bars() {
  constexpr const char* kRestore = "vfio_bar_restore";
  for (unsigned i = 0; i < kRomIndex; ++i) {
    core_.write(dev_, static_cast<std::uint16_t>(kFirstBar + 4 * i), 4, real_bars_[i], kRestore);
  }
  core_.write(dev_, kRom, 4, real_bars_[kRomIndex], kRestore);
}

void ConfigView::write_command(std::uint16_t value) {
  const auto seen = static_cast<std::uint16_t>(from_header(kCommand, 2));
  std::memcpy(header_.data() + kCommand, &value, sizeof(value));
  const auto old =
      static_cast<std::uint16_t>(core_.read(dev_, kCommand, 2, "vfio_basic_config_write"));
  // On for the owner, before and after, and off in hardware: somebody has reset the function.
  if ((value & seen & ~old & kCommandMemory) != 0 && !dev_.is_virtual()) restore_bars();
  const auto forwarded =
      static_cast<std::uint16_t>((old & ~kCommandForwarded) | (value & kCommandForwarded));
  core_.write(dev_, kCommand, 2, forwarded, "vfio_basic_config_write");
}

// Sizing in software: the bits that the BAR does not decode stay zero, its type bits stay as read.
void ConfigView::write_bar(unsigned index, std::uint32_t value, std::uint32_t mask) {
  const auto at = static_cast<std::uint16_t>(index == kRomIndex ? kRom : kFirstBar + 4 * index);
  const auto& resources = dev_.resources;
  const bool upper = index > 0 && index < kRomIndex && resources[index - 1].is_64bit &&
                     resources[index - 1].size != 0;
  const linux::pci::Resource& bar = resources[upper ? index - 1 : index];
  const std::uint64_t decoded = bar.size == 0 ? 0 : ~(bar.size - 1);
  const std::uint32_t type_bits = upper || index == kRomIndex ? 0 : bar.memory ? 0xF : 0x3;
  const auto writable =
      static_cast<std::uint32_t>(upper ? decoded >> 32 : decoded) & ~type_bits & mask;
  const std::uint32_t result = (from_header(at, 4) & ~writable) | (value & writable);
  std::memcpy(header_.data() + at, &result, sizeof(result));
}

ConfigRequest ConfigView::write(std::uint16_t offset, unsigned width, std::uint32_t value) {
  ConfigRequest request;
  const auto aligned = static_cast<std::uint16_t>(offset & ~3);
  const unsigned shift = (offset - aligned) * 8U;
  const std::uint32_t mask = mask_of(width) << shift;
  value <<= shift;
  if (aligned == kCommand && (mask & 0xFFFF) != 0) {
    const std::uint32_t old = from_header(kCommand, 2);
    write_command(static_cast<std::uint16_t>((old & ~mask) | (value & mask)));
  } else if (aligned >= kFirstBar && aligned < kBarsEnd) {
    write_bar((aligned - kFirstBar) / 4U, value, mask);
  } else if (aligned == kRom) {
    write_bar(kRomIndex, value, mask);
  } else if (aligned == kInterruptLine && (mask & 0xFF) != 0) {
    header_[kInterruptLine] = static_cast<std::uint8_t>(value);
  } else if (dev_.pcie_cap != 0 && aligned == dev_.pcie_cap + kDeviceControl) {
    request.reset = (value & mask & kDeviceControlFlr) != 0;
  } else if (dev_.pm_cap != 0 && aligned == dev_.pm_cap + kPmControl && (mask & kPmState) != 0) {
    request.power = static_cast<linux::pci::PowerState>(value & kPmState);
  }
  return request;
}

}  // namespace baton::vfio
