// The configuration space of a function: real bytes, and for each bit what a write and a reset do
// to it [PCIe 7.5, 7.7 to 7.9]. 256 bytes, or 4096 for a function with extended capabilities.
//
// Built as a device's specification describes it:
//
//   ConfigSpace config = ConfigSpace::type0({.vendor = 0x8086, .device = 0x0B25,
//                                            .class_code = 0x088000, .command_writable = 0x0146});
//   config.bar64(0, 64 * 1024, true).bar64(2, 128 * 1024, true);
//   config.add_capability(0x40, CapabilityId::kExpress, {{2, 2, 0x0092}, {4, 4, 0x10008022}});
//   config.add_extended_capability(0x220, ExtendedCapabilityId::kAts, 1, {{4, 2, 0x0060}});
//
// Values given at building are the power-on values. Write masks come from the field rows of the
// capability's id (capability_fields.h); set_writable() narrows or widens one register. A structure
// of unknown id is read only. Capabilities are linked in the order in which they are added.
//
// Not modelled: the side effects of a write, which belong to the function (function.h, bridge.h).
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "model/pci/capability_fields.h"
#include "model/pci/field.h"
#include "sim/check.h"

namespace baton::pci {

enum class ResetKind : std::uint8_t { kFunctionLevel, kHot, kPowerOn };

inline constexpr std::uint16_t kConfigSize = 256;
inline constexpr std::uint16_t kExtendedConfigSize = 4096;

struct Type0Header {
  std::uint16_t vendor = 0xFFFF;
  std::uint16_t device = 0;
  std::uint32_t class_code = 0;  // 24 bits: base class, subclass, interface
  std::uint8_t revision = 0;
  std::uint16_t subsystem_vendor = 0;
  std::uint16_t subsystem_device = 0;
  std::uint8_t interrupt_pin = 0;  // 0 none, 1..4 INTA..INTD
  bool multi_function = false;
  std::uint16_t command_writable = 0x0547;  // Command bits that are flip-flops
};

struct Type1Header {
  std::uint16_t vendor = 0xFFFF;
  std::uint16_t device = 0;
  std::uint8_t revision = 0;
  std::uint8_t interrupt_pin = 0;
  bool multi_function = false;
  bool io_window = true;
  bool prefetch_window = true;  // always with 64-bit addresses
};

// One register of a capability that does not power on as zero; the offset counts from the
// capability's header.
struct RegisterValue {
  std::uint16_t offset;
  std::uint8_t bytes;
  std::uint32_t value;
};

enum class BarKind : std::uint8_t { kNone, kIo, kMemory32, kMemory64, kUpperHalf };

struct Bar {
  BarKind kind = BarKind::kNone;
  bool prefetchable = false;
  bool assumed = false;  // size inferred, not known
  std::uint64_t size = 0;
  friend bool operator==(const Bar&, const Bar&) = default;
};

inline constexpr unsigned kRomBar = 6;

// A register of 1, 2 or 4 bytes, little-endian as the hosts that baton runs on.
static_assert(std::endian::native == std::endian::little);
inline std::uint32_t load_register(const std::byte* at, unsigned bytes) {
  std::uint32_t value = 0;
  if (bytes == 4) {
    std::memcpy(&value, at, 4);
  } else if (bytes == 2) {
    std::memcpy(&value, at, 2);
  } else {
    std::memcpy(&value, at, bytes);
  }
  return value;
}

// What changes with a register by which requests are routed: the memory addresses that a function
// claims, or the way of configuration requests.
enum class Routing : std::uint8_t { kClaims, kNumbers };

class RoutingListener {
 public:
  virtual void routing_changed(Routing what) = 0;

 protected:
  ~RoutingListener() = default;
};

class ConfigSpace {
 public:
  static ConfigSpace type0(const Type0Header& header);
  static ConfigSpace type1(const Type1Header& header);
  // Of a virtual function of the function with this configuration space [PCIe 9.3.4]: ids that read
  // as all ones, BARs that are the physical function's VF BARs, reset of its own.
  static ConfigSpace virtual_function(const ConfigSpace& physical);
  // The bytes as a dump of a running host shows them, 256 or 4096 of them, with masks and reset
  // values from the field rows. BARs have no size until bar32() and its like give them one.
  static ConfigSpace recorded(std::span<const std::byte> bytes);

  // As recorded(), but with the bits that software can write and clear as they were measured on the
  // function, so that registers which the field rows do not know behave too. All of one size.
  // measured_masks() comes last, after the BARs have their sizes.
  ConfigSpace& measured_masks(std::span<const std::byte> writable,
                              std::span<const std::byte> write_one_to_clear);

  // Building. Sizes are powers of two. `assumed` sizes are marked as such for reports.
  ConfigSpace& bar32(unsigned index, std::uint64_t size, bool prefetchable, bool assumed = false);
  ConfigSpace& bar64(unsigned index, std::uint64_t size, bool prefetchable, bool assumed = false);
  ConfigSpace& bar_io(unsigned index, std::uint64_t size, bool assumed = false);
  ConfigSpace& rom(std::uint64_t size, bool assumed = false);
  // `length` 0: what the id's rows cover.
  ConfigSpace& add_capability(std::uint16_t offset, CapabilityId id,
                              std::initializer_list<RegisterValue> values,
                              std::uint16_t length = 0);
  ConfigSpace& add_extended_capability(std::uint16_t offset, ExtendedCapabilityId id,
                                       unsigned version,
                                       std::initializer_list<RegisterValue> values,
                                       std::uint16_t length = 0);
  // A BAR of each virtual function; the register is in the SR-IOV capability, which is there.
  ConfigSpace& vf_bar64(unsigned index, std::uint64_t size, bool prefetchable);
  // The bits of a register that software can write become exactly `mask`.
  ConfigSpace& set_writable(std::uint16_t offset, unsigned bytes, std::uint32_t mask);
  // A register's value now, at power-on and after reset.
  ConfigSpace& set_initial(std::uint16_t offset, unsigned bytes, std::uint32_t value);

  std::uint16_t size() const { return static_cast<std::uint16_t>(bytes_.size()); }
  std::span<const std::byte> bytes() const { return bytes_; }

  // A software access, naturally aligned, 1, 2 or 4 bytes. Beyond size(): reads all ones [a
  // function without extended space answers Unsupported Request], writes vanish.
  std::uint32_t read(std::uint16_t offset, unsigned bytes) const;
  void write(std::uint16_t offset, unsigned bytes, std::uint32_t value);

  // The hardware's own access: every bit, no side effect, inside size().
  std::uint32_t get(std::uint16_t offset, unsigned bytes) const {
    BATON_CHECK(offset + bytes <= bytes_.size(), "a register outside configuration space");
    return load_register(bytes_.data() + offset, bytes);
  }
  void set(std::uint16_t offset, unsigned bytes, std::uint32_t value);
  std::uint32_t writable(std::uint16_t offset, unsigned bytes) const;

  void reset(ResetKind kind);
  // What firmware programmed: remembered once, given back after a power-on reset.
  void remember_firmware();
  void restore_firmware();  // nothing if none was remembered

  // BARs 0..5 and the ROM (kRomBar).
  const Bar& bar(unsigned index) const { return bars_[index]; }
  // Of a virtual function of this function.
  const Bar& vf_bar(unsigned index) const { return vf_bars_[index]; }
  // The address it holds now, type bits removed.
  std::uint64_t bar_address(unsigned index) const;

  bool is_bridge() const { return (get(0x0E, 1) & 0x7F) == 1; }
  // Offset of the capability in the list that the bytes form now; 0 if there is none.
  std::uint16_t find(CapabilityId id) const;
  std::uint16_t find(ExtendedCapabilityId id) const;

  // Tells the listener when Command.MSE, the power state, a BAR, a bus number, a window or what
  // takes a bridge's link down changes, by whatever way.
  void tell(RoutingListener* listener);

  // The field row's register name at an offset, "" for none: "Command", "Message Control".
  std::string_view register_name(std::uint16_t offset) const;

 private:
  // Not part of what a copy copies.
  struct Listener {
    Listener() = default;
    Listener(const Listener&) {}
    Listener& operator=(const Listener&) { return *this; }  // NOLINT(bugprone-unhandled-self-*)
    RoutingListener* to = nullptr;
    std::uint16_t power = 0;  // where the power state is; 0: nowhere
    std::uint16_t link = 0;   // of a bridge, Link Control
  };
  struct Structure {
    std::uint16_t offset;
    std::span<const Field> rows;
  };

  explicit ConfigSpace(std::uint16_t size);
  void extend();
  void apply_rows(std::uint16_t base, std::span<const Field> rows);
  void tell_change(std::uint16_t offset, unsigned bytes, std::uint32_t changed);
  void tell_all();
  void adopt_reset_values();
  void adopt_lists();
  bool has_root_registers() const;  // a root port or root complex event collector
  void set_bar_mask(unsigned index, std::uint64_t size, std::uint32_t type_bits, unsigned dwords);

  std::vector<std::byte> bytes_;
  std::vector<std::byte> initial_;   // after reset
  std::vector<std::byte> firmware_;  // empty: none remembered
  std::vector<std::byte> rw_;
  std::vector<std::byte> w1c_;
  std::vector<std::byte> keeps_flr_;
  std::vector<std::byte> keeps_hot_;
  std::array<Bar, 7> bars_{};
  std::array<Bar, 6> vf_bars_{};
  std::vector<Structure> structures_;
  std::uint16_t last_capability_ = 0;
  std::uint16_t last_extended_ = 0;
  Listener listener_;
};

}  // namespace baton::pci
