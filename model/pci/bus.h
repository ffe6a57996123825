// A bus: up to 32 devices of up to 8 functions, owned by it. A root bus has its number from the
// host bridge, every other one from the bridge above, which software may change at any time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "model/pci/function.h"

namespace baton::pci {

class Bridge;

class Bus {
 public:
  // A root bus: numbers [first, last] of the segment belong to its host bridge.
  Bus(std::uint32_t segment, std::uint8_t first, std::uint8_t last);
  // The secondary bus of a bridge.
  explicit Bus(Bridge& bridge);

  bool is_root() const { return bridge_ == nullptr; }
  Bridge* bridge() const { return bridge_; }
  std::uint32_t segment() const;
  std::uint8_t number() const;  // now
  // The last bus number of a root bus's host bridge, or the subordinate number of the bridge.
  std::uint8_t last() const;

  // Null: nothing there.
  Function* at(unsigned device, unsigned function) const {
    return slots_[device << 3 | function].get();
  }
  Function* at_devfn(unsigned devfn) const { return slots_[devfn].get(); }

  // The functions on it in order of device and function.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& slot : slots_) {
      if (slot != nullptr) visit(*slot);
    }
  }

  void reset(ResetKind kind);

 private:
  friend class Fabric;

  Function& attach(Fabric& fabric, unsigned device, unsigned function,
                   std::unique_ptr<Function> owned);
  std::unique_ptr<Function> detach(Function& function);

  Bridge* bridge_ = nullptr;
  std::uint32_t segment_ = 0;
  std::uint8_t first_ = 0;
  std::uint8_t last_ = 0;
  std::array<std::unique_ptr<Function>, 256> slots_;
};

}  // namespace baton::pci
