#include "model/pci/bus.h"

#include "model/pci/bridge.h"
#include "sim/check.h"

namespace baton::pci {

Bus::Bus(std::uint32_t segment, std::uint8_t first, std::uint8_t last)
    : segment_(segment), first_(first), last_(last) {}

Bus::Bus(Bridge& bridge) : bridge_(&bridge) {}

std::uint32_t Bus::segment() const {
  return bridge_ == nullptr ? segment_ : bridge_->bus()->segment();
}

std::uint8_t Bus::number() const { return bridge_ == nullptr ? first_ : bridge_->secondary(); }

std::uint8_t Bus::last() const { return bridge_ == nullptr ? last_ : bridge_->subordinate(); }

void Bus::reset(ResetKind kind) {
  for_each([kind](Function& function) { function.reset(kind); });
}

Function& Bus::attach(Fabric& fabric, unsigned device, unsigned function,
                      std::unique_ptr<Function> owned) {
  BATON_CHECK(device < 32 && function < 8 && owned != nullptr, "a slot outside the bus");
  auto& slot = slots_[device << 3 | function];
  BATON_CHECK(slot == nullptr, "two functions in one slot");
  slot = std::move(owned);
  slot->fabric_ = &fabric;
  slot->bus_ = this;
  slot->device_ = device;
  slot->function_ = function;
  return *slot;
}

std::unique_ptr<Function> Bus::detach(Function& function) {
  auto& slot = slots_[function.device_ << 3 | function.function_];
  BATON_CHECK(slot.get() == &function, "a function that is not on this bus");
  BATON_CHECK(!function.config().is_bridge(), "a bridge and what is below it");
  function.fabric_ = nullptr;
  function.bus_ = nullptr;
  return std::move(slot);
}

}  // namespace baton::pci
