#include "model/pci/config_space.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "sim/check.h"

namespace baton::pci {
namespace {

constexpr std::uint16_t kCapabilityPointer = 0x34;
constexpr std::uint16_t kExtendedStart = 0x100;
constexpr unsigned kMaxHops = 48;           // [linux drivers/pci/pci.c, PCI_FIND_CAP_TTL]
constexpr unsigned kMaxExtendedHops = 480;  // (4096 - 256) / 8

std::uint32_t load(std::span<const std::byte> from, std::size_t offset, unsigned bytes) {
  return load_register(from.data() + offset, bytes);
}

void store(std::span<std::byte> to, std::size_t offset, unsigned bytes, std::uint32_t value) {
  std::memcpy(&to[offset], &value, bytes);
}

void set_bits(std::span<std::byte> mask, std::size_t offset, unsigned bytes, std::uint32_t bits) {
  store(mask, offset, bytes, load(mask, offset, bytes) | bits);
}

std::uint16_t rows_length(std::span<const Field> rows, std::uint16_t minimum) {
  std::uint16_t length = minimum;
  for (const Field& row : rows) {
    const auto end = static_cast<std::uint16_t>(row.offset + row.bytes);
    if (end > length) length = end;
  }
  return length;
}

std::uint16_t bar_offset(unsigned index, bool bridge) {
  if (index == kRomBar) return bridge ? 0x38 : 0x30;
  return static_cast<std::uint16_t>(0x10 + 4 * index);
}

}  // namespace

ConfigSpace::ConfigSpace(std::uint16_t size)
    : bytes_(size), initial_(size), rw_(size), w1c_(size), keeps_flr_(size), keeps_hot_(size) {}

void ConfigSpace::extend() {
  for (auto* part : {&bytes_, &initial_, &rw_, &w1c_, &keeps_flr_, &keeps_hot_}) {
    part->resize(kExtendedConfigSize);
  }
}

ConfigSpace ConfigSpace::type0(const Type0Header& header) {
  ConfigSpace config(kConfigSize);
  config.apply_rows(0, type0_fields());
  config.set_initial(0x00, 2, header.vendor).set_initial(0x02, 2, header.device);
  config.set_initial(0x08, 4, header.class_code << 8 | header.revision);
  config.set_initial(0x0E, 1, header.multi_function ? 0x80 : 0);
  config.set_initial(0x2C, 2, header.subsystem_vendor);
  config.set_initial(0x2E, 2, header.subsystem_device);
  config.set_initial(0x3D, 1, header.interrupt_pin);
  config.set_writable(0x04, 2, header.command_writable);
  return config;
}

ConfigSpace ConfigSpace::type1(const Type1Header& header) {
  ConfigSpace config(kConfigSize);
  config.apply_rows(0, type1_fields());
  config.set_initial(0x00, 2, header.vendor).set_initial(0x02, 2, header.device);
  config.set_initial(0x08, 4, 0x060400U << 8 | header.revision);
  config.set_initial(0x0E, 1, header.multi_function ? 0x81 : 0x01);
  config.set_initial(0x3D, 1, header.interrupt_pin);
  if (header.io_window) {
    config.set_initial(0x1C, 2, 0x0101);  // 32-bit I/O addressing
  } else {
    config.set_writable(0x1C, 2, 0).set_writable(0x30, 4, 0);
  }
  if (header.prefetch_window) {
    config.set_initial(0x24, 4, 0x00010001);
  } else {
    config.set_writable(0x24, 4, 0).set_writable(0x28, 4, 0).set_writable(0x2C, 4, 0);
  }
  return config;
}

ConfigSpace ConfigSpace::recorded(std::span<const std::byte> bytes) {
  BATON_CHECK(bytes.size() == kConfigSize || bytes.size() == kExtendedConfigSize,
              "a recorded configuration space has 256 or 4096 bytes");
  ConfigSpace config(static_cast<std::uint16_t>(bytes.size()));
  config.bytes_.assign(bytes.begin(), bytes.end());
  const bool bridge = config.is_bridge();
  config.apply_rows(0, bridge ? type1_fields() : type0_fields());
  if (bridge) {
    // A window that reads as nothing at all is one the bridge does not have.
    if (config.get(0x1C, 2) == 0) config.set_writable(0x1C, 2, 0).set_writable(0x30, 4, 0);
    if (config.get(0x24, 4) == 0 && config.get(0x28, 4) == 0 && config.get(0x2C, 4) == 0) {
      config.set_writable(0x24, 4, 0).set_writable(0x28, 4, 0).set_writable(0x2C, 4, 0);
    } else if ((config.get(0x24, 2) & 0xF) == 0) {
      config.set_writable(0x28, 4, 0).set_writable(0x2C, 4, 0);
    }
  } else if (config.get(0x3D, 1) == 0 && (config.get(0x04, 2) & 0x400) == 0) {
    config.set_writable(0x04, 2, 0x0147);  // no INTx, no INTx disable
  }
  config.adopt_lists();
  config.adopt_reset_values();
  return config;
}

ConfigSpace ConfigSpace::virtual_function(const ConfigSpace& physical) {
  constexpr std::uint32_t kFlr = 1U << 28;
  ConfigSpace config = type0({.vendor = 0xFFFF,
                              .device = 0xFFFF,
                              .class_code = physical.get(0x08, 4) >> 8,
                              .revision = static_cast<std::uint8_t>(physical.get(0x08, 1)),
                              .subsystem_vendor = static_cast<std::uint16_t>(physical.get(0x2C, 2)),
                              .subsystem_device = static_cast<std::uint16_t>(physical.get(0x2E, 2)),
                              .command_writable = 0x0004});
  // Memory Space Enable is the physical function's VF MSE; there is no INTx.
  config.bars_ = {};
  std::ranges::copy(physical.vf_bars_, config.bars_.begin());
  const std::uint16_t express = physical.find(CapabilityId::kExpress);
  if (express == 0 || express + 0x3C > kConfigSize) return config;
  const auto of = [&](unsigned at, unsigned bytes) {
    return physical.get(static_cast<std::uint16_t>(express + at), bytes);
  };
  config.add_capability(0x40, CapabilityId::kExpress,
                        {{0x02, 2, of(0x02, 2) & ~0x100U},
                         {0x04, 4, of(0x04, 4) | kFlr},
                         {0x0C, 4, of(0x0C, 4)},
                         {0x24, 4, of(0x24, 4)},
                         {0x2C, 4, of(0x2C, 4)}},
                        0x3C);
  // What the physical function's control governs reads as zero here [PCIe 9.3.5.4].
  config.set_writable(0x48, 2, 0x8000);
  config.set_initial(0x48, 2, 0);
  config.set_writable(0x50, 2, 0);
  return config;
}

ConfigSpace& ConfigSpace::measured_masks(std::span<const std::byte> writable,
                                         std::span<const std::byte> write_one_to_clear) {
  BATON_CHECK(writable.size() == bytes_.size() && write_one_to_clear.size() == bytes_.size(),
              "masks of another size than the configuration space");
  rw_.assign(writable.begin(), writable.end());
  w1c_.assign(write_one_to_clear.begin(), write_one_to_clear.end());
  adopt_reset_values();
  return *this;
}

void ConfigSpace::apply_rows(std::uint16_t base, std::span<const Field> rows) {
  if (rows.empty()) return;
  structures_.push_back({base, rows});
  for (const Field& row : rows) {
    const std::size_t at = static_cast<std::size_t>(base) + row.offset;
    if (at + row.bytes > bytes_.size()) continue;  // a recorded structure may be cut off
    if (row.access == Access::kRw) set_bits(rw_, at, row.bytes, row.mask());
    if (row.access == Access::kRw1c) set_bits(w1c_, at, row.bytes, row.mask());
    if (row.keeps != Keeps::kNothing) set_bits(keeps_flr_, at, row.bytes, row.mask());
    if (row.keeps == Keeps::kSticky) set_bits(keeps_hot_, at, row.bytes, row.mask());
  }
}

// A recording shows what software left. What a reset leaves: read-only bits as they are, writable
// ones as their row says.
void ConfigSpace::adopt_reset_values() {
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    initial_[i] = bytes_[i] & ~(rw_[i] | w1c_[i]);
  }
  for (const Structure& structure : structures_) {
    for (const Field& row : structure.rows) {
      const std::size_t at = static_cast<std::size_t>(structure.offset) + row.offset;
      if (row.reset == 0 || at + row.bytes > bytes_.size()) continue;
      const std::uint32_t bits = load(rw_, at, row.bytes) & row.mask();
      set_bits(initial_, at, row.bytes, row.reset & bits);
    }
  }
}

bool ConfigSpace::has_root_registers() const {
  const std::uint16_t express = find(CapabilityId::kExpress);
  if (express == 0 || express + 4 > size()) return false;
  const auto type =
      static_cast<PortType>(get(static_cast<std::uint16_t>(express + 2), 2) >> 4 & 0xF);
  return type == PortType::kRootPort || type == PortType::kRcEventCollector;
}

void ConfigSpace::adopt_lists() {
  const std::span<const std::byte> all(bytes_);
  std::uint16_t offset = 0;
  if ((get(0x06, 2) & 0x10) != 0) offset = static_cast<std::uint16_t>(get(kCapabilityPointer, 1));
  for (unsigned hops = 0; hops < kMaxHops; ++hops) {
    offset &= 0xFC;
    if (offset < 0x40) break;
    const std::uint32_t header = get(offset, 2);
    if ((header & 0xFF) == 0xFF) break;
    apply_rows(offset, fields_of(static_cast<CapabilityId>(header & 0xFF), all.subspan(offset)));
    last_capability_ = offset;
    offset = static_cast<std::uint16_t>(header >> 8);
  }
  if (size() <= kConfigSize) return;
  offset = kExtendedStart;
  for (unsigned hops = 0; hops < kMaxExtendedHops; ++hops) {
    if (offset < kExtendedStart) break;
    const std::uint32_t header = get(offset, 4);
    if (header == 0 || header == 0xFFFFFFFF) break;
    apply_rows(offset,
               fields_of(static_cast<ExtendedCapabilityId>(header & 0xFFFF), has_root_registers()));
    last_extended_ = offset;
    offset = static_cast<std::uint16_t>(header >> 20 & 0xFFC);
  }
}

ConfigSpace& ConfigSpace::set_initial(std::uint16_t offset, unsigned bytes, std::uint32_t value) {
  set(offset, bytes, value);
  store(initial_, offset, bytes, value);
  return *this;
}

ConfigSpace& ConfigSpace::set_writable(std::uint16_t offset, unsigned bytes, std::uint32_t mask) {
  BATON_CHECK(offset + bytes <= size(), "a register outside configuration space");
  store(rw_, offset, bytes, mask);
  tell_all();
  return *this;
}

ConfigSpace& ConfigSpace::add_capability(std::uint16_t offset, CapabilityId id,
                                         std::initializer_list<RegisterValue> values,
                                         std::uint16_t length) {
  BATON_CHECK(offset >= 0x40 && offset < kConfigSize && offset % 4 == 0,
              "a capability lies between the header and 0x100, on a dword");
  for (const RegisterValue& value : values) {
    set_initial(static_cast<std::uint16_t>(offset + value.offset), value.bytes, value.value);
  }
  const auto rows = fields_of(id, std::span<const std::byte>(bytes_).subspan(offset));
  const std::uint16_t end = length != 0 ? length : rows_length(rows, 4);
  BATON_CHECK(offset + end <= kConfigSize, "a capability crosses 0x100");
  apply_rows(offset, rows);
  set_initial(offset, 2, static_cast<std::uint32_t>(id));  // the last one of the list so far
  if (last_capability_ == 0) {
    set_initial(kCapabilityPointer, 1, offset);
    set_initial(0x06, 2, get(0x06, 2) | 0x10);
  } else {
    set_initial(static_cast<std::uint16_t>(last_capability_ + 1), 1, offset);
  }
  last_capability_ = offset;
  return *this;
}

ConfigSpace& ConfigSpace::add_extended_capability(std::uint16_t offset, ExtendedCapabilityId id,
                                                  unsigned version,
                                                  std::initializer_list<RegisterValue> values,
                                                  std::uint16_t length) {
  BATON_CHECK(last_extended_ != 0 || offset == kExtendedStart,
              "the first extended capability is at 0x100");
  BATON_CHECK(offset % 4 == 0 && offset + length <= kExtendedConfigSize,
              "an extended capability outside configuration space");
  if (size() == kConfigSize) extend();
  for (const RegisterValue& value : values) {
    set_initial(static_cast<std::uint16_t>(offset + value.offset), value.bytes, value.value);
  }
  apply_rows(offset, fields_of(id, has_root_registers()));
  set_initial(offset, 4, static_cast<std::uint32_t>(id) | version << 16);
  if (last_extended_ != 0) {
    set_initial(last_extended_, 4,
                (get(last_extended_, 4) & 0x000FFFFF) | static_cast<std::uint32_t>(offset) << 20);
  }
  last_extended_ = offset;
  return *this;
}

std::uint32_t ConfigSpace::read(std::uint16_t offset, unsigned bytes) const {
  BATON_CHECK((bytes == 1 || bytes == 2 || bytes == 4) && offset % bytes == 0,
              "configuration accesses are naturally aligned");
  if (offset + bytes > size()) return bytes == 4 ? 0xFFFFFFFF : (1U << (8 * bytes)) - 1;
  return get(offset, bytes);
}

void ConfigSpace::write(std::uint16_t offset, unsigned bytes, std::uint32_t value) {
  BATON_CHECK((bytes == 1 || bytes == 2 || bytes == 4) && offset % bytes == 0,
              "configuration accesses are naturally aligned");
  if (offset + bytes > size()) return;
  const std::uint32_t old = get(offset, bytes);
  const std::uint32_t rw = load(rw_, offset, bytes);
  const std::uint32_t w1c = load(w1c_, offset, bytes);
  set(offset, bytes, ((old & ~rw) | (value & rw)) & ~(value & w1c));
}

void ConfigSpace::set(std::uint16_t offset, unsigned bytes, std::uint32_t value) {
  BATON_CHECK(offset + bytes <= size(), "a register outside configuration space");
  const std::uint32_t old = load(bytes_, offset, bytes);
  store(bytes_, offset, bytes, value);
  if (listener_.to == nullptr) return;
  const std::uint32_t changed = old ^ load(bytes_, offset, bytes);
  if (changed != 0) tell_change(offset, bytes, changed);
}

void ConfigSpace::tell(RoutingListener* listener) {
  listener_.to = listener;
  const std::uint16_t power = find(CapabilityId::kPowerManagement);
  if (power != 0 && power + 8 <= size()) listener_.power = static_cast<std::uint16_t>(power + 4);
  const std::uint16_t express = is_bridge() ? find(CapabilityId::kExpress) : std::uint16_t{0};
  if (express != 0 && express + 0x12 <= size()) {
    listener_.link = static_cast<std::uint16_t>(express + 0x10);
  }
}

void ConfigSpace::tell_change(std::uint16_t offset, unsigned bytes, std::uint32_t changed) {
  // Whether bits of `mask`, of the register of `size` bytes at `at`, are among what changed.
  const auto touches = [&](std::uint16_t at, unsigned size, std::uint32_t mask) {
    if (offset >= at + size || at >= offset + bytes) return false;
    const std::uint64_t wide = changed;
    return ((offset >= at ? wide << 8 * (offset - at) : wide >> 8 * (at - offset)) & mask) != 0;
  };
  const auto touches_any = [&](std::uint16_t first, std::uint16_t end) {
    return offset < end && offset + bytes > first;
  };
  const bool bridge = is_bridge();
  if (touches(0x04, 2, 0x2) || touches_any(0x10, bridge ? 0x18 : 0x28) ||
      (bridge && touches_any(0x20, 0x30)) ||
      (listener_.power != 0 && touches(listener_.power, 2, 0x3))) {
    listener_.to->routing_changed(Routing::kClaims);
  }
  // Primary, secondary, subordinate; Secondary Bus Reset; Link Disable.
  if (bridge && (touches(0x18, 4, 0x00FFFFFF) || touches(0x3E, 2, 1U << 6) ||
                 (listener_.link != 0 && touches(listener_.link, 2, 1U << 4)))) {
    listener_.to->routing_changed(Routing::kNumbers);
  }
}

void ConfigSpace::tell_all() {
  if (listener_.to == nullptr) return;
  listener_.to->routing_changed(Routing::kClaims);
  listener_.to->routing_changed(Routing::kNumbers);
}

std::uint32_t ConfigSpace::writable(std::uint16_t offset, unsigned bytes) const {
  BATON_CHECK(offset + bytes <= size(), "a register outside configuration space");
  return load(rw_, offset, bytes);
}

void ConfigSpace::reset(ResetKind kind) {
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    std::byte kept{};
    if (kind == ResetKind::kFunctionLevel) kept = keeps_flr_[i];
    if (kind == ResetKind::kHot) kept = keeps_hot_[i];
    bytes_[i] = (bytes_[i] & kept) | (initial_[i] & ~kept);
  }
  tell_all();
}

void ConfigSpace::remember_firmware() { firmware_ = bytes_; }

void ConfigSpace::restore_firmware() {
  if (!firmware_.empty()) bytes_ = firmware_;
  tell_all();
}

void ConfigSpace::set_bar_mask(unsigned index, std::uint64_t size, std::uint32_t type_bits,
                               unsigned dwords) {
  const std::uint16_t offset = bar_offset(index, is_bridge());
  const std::uint64_t mask = ~(size - 1);
  const std::uint32_t low_floor = index == kRomBar       ? 0xFFFFF800
                                  : (type_bits & 1) != 0 ? ~3U
                                                         : ~0xFU;
  std::uint32_t low = static_cast<std::uint32_t>(mask) & low_floor;
  if (index == kRomBar) low |= 1;  // the enable bit
  set_writable(offset, 4, low);
  store(initial_, offset, 4, type_bits);
  set(offset, 4, (get(offset, 4) & low) | type_bits);
  if (dwords == 2) {
    const auto high = static_cast<std::uint32_t>(mask >> 32);
    set_writable(static_cast<std::uint16_t>(offset + 4), 4, high);
    store(initial_, static_cast<std::size_t>(offset) + 4, 4, 0);
  }
}

ConfigSpace& ConfigSpace::bar32(unsigned index, std::uint64_t size, bool prefetchable,
                                bool assumed) {
  BATON_CHECK(index < 6 && std::has_single_bit(size) && size >= 16 && size <= 0x80000000,
              "size of a 32-bit BAR");
  bars_[index] = {BarKind::kMemory32, prefetchable, assumed, size};
  set_bar_mask(index, size, prefetchable ? 0x8 : 0x0, 1);
  return *this;
}

ConfigSpace& ConfigSpace::bar64(unsigned index, std::uint64_t size, bool prefetchable,
                                bool assumed) {
  BATON_CHECK(index < 5 && std::has_single_bit(size) && size >= 16, "size of a 64-bit BAR");
  bars_[index] = {BarKind::kMemory64, prefetchable, assumed, size};
  bars_[index + 1] = {BarKind::kUpperHalf, prefetchable, assumed, 0};
  set_bar_mask(index, size, prefetchable ? 0xC : 0x4, 2);
  return *this;
}

ConfigSpace& ConfigSpace::vf_bar64(unsigned index, std::uint64_t size, bool prefetchable) {
  const std::uint16_t sriov = find(ExtendedCapabilityId::kSriov);
  BATON_CHECK(index < 5 && std::has_single_bit(size) && size >= 4096 && sriov != 0,
              "size of a 64-bit VF BAR");
  vf_bars_[index] = {BarKind::kMemory64, prefetchable, false, size};
  vf_bars_[index + 1] = {BarKind::kUpperHalf, prefetchable, false, 0};
  return set_initial(static_cast<std::uint16_t>(sriov + 0x24 + 4 * index), 4,
                     prefetchable ? 0xC : 0x4);
}

ConfigSpace& ConfigSpace::bar_io(unsigned index, std::uint64_t size, bool assumed) {
  BATON_CHECK(index < 6 && std::has_single_bit(size) && size >= 4 && size <= 0x80000000,
              "size of an I/O BAR");
  bars_[index] = {BarKind::kIo, false, assumed, size};
  set_bar_mask(index, size, 0x1, 1);
  return *this;
}

ConfigSpace& ConfigSpace::rom(std::uint64_t size, bool assumed) {
  BATON_CHECK(std::has_single_bit(size) && size >= 2048 && size <= 0x1000000, "size of a ROM");
  bars_[kRomBar] = {BarKind::kMemory32, false, assumed, size};
  set_bar_mask(kRomBar, size, 0, 1);
  return *this;
}

std::uint64_t ConfigSpace::bar_address(unsigned index) const {
  const std::uint16_t offset = bar_offset(index, is_bridge());
  const std::uint32_t low = get(offset, 4);
  if (index == kRomBar) return low & 0xFFFFF800;
  switch (bars_[index].kind) {
    case BarKind::kIo:
      return low & ~3U;
    case BarKind::kMemory32:
      return low & ~0xFU;
    case BarKind::kMemory64:
      return (low & ~0xFU) |
             static_cast<std::uint64_t>(get(static_cast<std::uint16_t>(offset + 4), 4)) << 32;
    case BarKind::kNone:
    case BarKind::kUpperHalf:
      break;
  }
  return 0;
}

std::uint16_t ConfigSpace::find(CapabilityId id) const {
  if ((get(0x06, 2) & 0x10) == 0) return 0;
  auto offset = static_cast<std::uint16_t>(get(kCapabilityPointer, 1) & 0xFC);
  for (unsigned hops = 0; hops < kMaxHops && offset >= 0x40; ++hops) {
    const std::uint32_t header = get(offset, 2);
    if ((header & 0xFF) == 0xFF) return 0;
    if ((header & 0xFF) == static_cast<std::uint32_t>(id)) return offset;
    offset = static_cast<std::uint16_t>(header >> 8 & 0xFC);
  }
  return 0;
}

std::uint16_t ConfigSpace::find(ExtendedCapabilityId id) const {
  if (size() <= kConfigSize) return 0;
  std::uint16_t offset = kExtendedStart;
  for (unsigned hops = 0; hops < kMaxExtendedHops && offset >= kExtendedStart; ++hops) {
    const std::uint32_t header = get(offset, 4);
    if (header == 0 || header == 0xFFFFFFFF) return 0;
    if ((header & 0xFFFF) == static_cast<std::uint32_t>(id)) return offset;
    offset = static_cast<std::uint16_t>(header >> 20 & 0xFFC);
  }
  return 0;
}

std::string_view ConfigSpace::register_name(std::uint16_t offset) const {
  for (const Structure& structure : structures_) {
    for (const Field& row : structure.rows) {
      const unsigned at = structure.offset + row.offset;
      if (offset >= at && offset < at + row.bytes) return row.register_name;
    }
  }
  if (offset >= 0x10 && offset < (is_bridge() ? 0x18 : 0x28)) return "Base Address Register";
  if ((offset & ~3U) == (is_bridge() ? 0x38U : 0x30U)) return "Expansion ROM Base Address";
  return {};
}

}  // namespace baton::pci
