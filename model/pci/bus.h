// A bus: up to 32 devices of up to 8 functions, owned by it. A root bus has its number from the
// host bridge, every other one from the bridge above, which software may change at any time.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>

#include "model/pci/decoder.h"
#include "model/pci/function.h"

namespace baton::pci {

class Bridge;

// What firmware's namespace says of a host bridge beside its numbers [ACPI 6.5: _CRS, _OSC; PCI
// Firmware 3.3, 4.5].
struct HostBridgeTraits {
  bool io_aperture = true;     // I/O ports reach its bus
  bool native_hotplug = true;  // the operating system, not firmware, owns the slots below it
};

class Bus {
 public:
  // A root bus: numbers [first, last] of the segment belong to its host bridge.
  Bus(std::uint32_t segment, std::uint8_t first, std::uint8_t last, Decoder& decoder);
  // The secondary bus of a bridge.
  explicit Bus(Bridge& bridge);

  bool is_root() const { return bridge_ == nullptr; }
  Bridge* bridge() const { return bridge_; }
  // The function of another bus through which a root bus is reached; null: a host bridge.
  Function* owner() const { return owner_; }
  // Of a root bus: which host bridge it is, whatever its numbers. In the order of making.
  std::uint32_t uid() const { return uid_; }
  std::uint32_t segment() const;
  std::uint8_t number() const;  // now
  // The last bus number of a root bus's host bridge, or the subordinate number of the bridge.
  std::uint8_t last() const;

  // Of a root bus.
  const HostBridgeTraits& traits() const { return traits_; }
  void set_traits(const HostBridgeTraits& traits) { traits_ = traits; }

  // Null: nothing there.
  Function* at(unsigned device, unsigned function) const {
    return slots_[device << 3 | function].get();
  }
  Function* at_devfn(unsigned devfn) const { return slots_[devfn].get(); }

  // The functions on it in order of device and function.
  template <class Visit>
  void for_each(Visit&& visit) const {
    static_cast<void>(any_of(present_, [&](unsigned devfn) {
      visit(*slots_[devfn]);
      return false;
    }));
  }
  // The bridges on it, in the same order, until one visit returns true.
  template <class Visit>
  bool any_bridge(Visit&& visit) const {
    return any_of(bridges_, [&](unsigned devfn) { return visit(bridge_at(devfn)); });
  }

  // Memory requests from above: for a root bus those of all root buses.
  Decoder& decoder() const { return *decoder_; }
  unsigned order() const { return order_; }  // among the buses of its decoder

  void reset(ResetKind kind);

 private:
  friend class Fabric;
  friend class Function;

  using Slots = std::array<std::uint64_t, 4>;  // a bit for each

  // In order; slots may be filled and emptied meanwhile.
  template <class Visit>
  bool any_of(const Slots& slots, Visit&& visit) const {
    for (unsigned devfn = 0; devfn < 256; ++devfn) {
      const std::uint64_t rest = slots[devfn / 64] >> (devfn % 64);
      devfn += rest == 0 ? 63 - devfn % 64 : static_cast<unsigned>(std::countr_zero(rest));
      if (rest != 0 && visit(devfn)) return true;
    }
    return false;
  }
  const Bridge& bridge_at(unsigned devfn) const;
  void routing_changed(Function& function, Routing what);

  Function& attach(Fabric& fabric, unsigned device, unsigned function,
                   std::unique_ptr<Function> owned);
  std::unique_ptr<Function> detach(Function& function);
  void renumber(Function& function, unsigned device, unsigned number);

  Bridge* bridge_ = nullptr;
  Function* owner_ = nullptr;
  std::uint32_t segment_ = 0;
  std::uint32_t uid_ = 0;
  std::uint8_t first_ = 0;
  std::uint8_t last_ = 0;
  HostBridgeTraits traits_;
  std::array<std::unique_ptr<Function>, 256> slots_;
  Slots present_{};
  Slots bridges_{};
  Fabric* fabric_ = nullptr;              // null: nothing is on it yet
  std::unique_ptr<Decoder> own_decoder_;  // null for a root bus
  Decoder* decoder_ = nullptr;
  unsigned order_ = 0;
};

}  // namespace baton::pci
