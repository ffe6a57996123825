#include "model/pci/bus.h"

#include "model/pci/bridge.h"
#include "model/pci/fabric.h"
#include "sim/check.h"

namespace baton::pci {

Bus::Bus(std::uint32_t segment, std::uint8_t first, std::uint8_t last, Decoder& decoder)
    : segment_(segment), first_(first), last_(last), decoder_(&decoder) {
  order_ = decoder_->add(*this);
}

Bus::Bus(Bridge& bridge)
    : bridge_(&bridge), own_decoder_(std::make_unique<Decoder>()), decoder_(own_decoder_.get()) {
  order_ = decoder_->add(*this);
}

const Bridge& Bus::bridge_at(unsigned devfn) const {
  return static_cast<const Bridge&>(*slots_[devfn]);
}

void Bus::routing_changed(Function& function, Routing what) {
  if (what == Routing::kClaims) {
    decoder_->changed(function);
  } else {
    fabric_->routes_.changed();
  }
}

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
  fabric_ = &fabric;
  const unsigned devfn = slot->devfn();
  present_[devfn / 64] |= std::uint64_t{1} << (devfn % 64);
  if (dynamic_cast<const Bridge*>(slot.get()) != nullptr) {
    bridges_[devfn / 64] |= std::uint64_t{1} << (devfn % 64);
  }
  routing_changed(*slot, Routing::kClaims);
  routing_changed(*slot, Routing::kNumbers);
  return *slot;
}

std::unique_ptr<Function> Bus::detach(Function& function) {
  auto& slot = slots_[function.device_ << 3 | function.function_];
  BATON_CHECK(slot.get() == &function, "a function that is not on this bus");
  BATON_CHECK(!function.config().is_bridge(), "a bridge and what is below it");
  decoder_->forget(function);
  fabric_->routes_.changed();
  const unsigned devfn = function.devfn();
  present_[devfn / 64] &= ~(std::uint64_t{1} << (devfn % 64));
  function.fabric_ = nullptr;
  function.bus_ = nullptr;
  return std::move(slot);
}

void Bus::renumber(Function& function, unsigned device, unsigned number) {
  const unsigned from = function.devfn();
  const unsigned to = device << 3 | number;
  BATON_CHECK(slots_[from].get() == &function && slots_[to] == nullptr, "a slot that is not free");
  decoder_->forget(function);
  for (Slots* slots : {&present_, &bridges_}) {
    const std::uint64_t bit = (*slots)[from / 64] >> (from % 64) & 1;
    (*slots)[from / 64] &= ~(std::uint64_t{1} << (from % 64));
    (*slots)[to / 64] |= bit << (to % 64);
  }
  slots_[to] = std::move(slots_[from]);
  function.device_ = device;
  function.function_ = number;
  routing_changed(function, Routing::kClaims);
  routing_changed(function, Routing::kNumbers);
}

}  // namespace baton::pci
