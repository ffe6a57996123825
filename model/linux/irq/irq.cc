#include "model/linux/irq/irq.h"

#include <array>
#include <bit>
#include <optional>
#include <utility>

namespace baton::linux::irq {

namespace {

constexpr std::uint32_t kBootCpuApicId = 0;
constexpr std::uint64_t kMessageBase = 0xFEE0'0000;  // [Intel SDM 3, 11.11.1]

// Remappable format, one message: subhandle 0, valid [VT-d 5.1.5.2].
IrqCore::Message remappable(std::uint16_t index) {
  constexpr std::uint64_t kRemappable = 1 << 4;
  constexpr std::uint64_t kSubhandleValid = 1 << 3;
  const std::uint64_t low = std::uint64_t{index} & 0x7FFF;
  const std::uint64_t high = std::uint64_t{index} >> 15;
  return {.address = kMessageBase | low << 5 | kRemappable | kSubhandleValid | high << 2,
          .data = 0};
}

// The entry that a message names; nullopt in compatibility format.
std::optional<std::uint16_t> entry_of(const IrqCore::Message& message) {
  if ((message.address & 1 << 4) == 0) return std::nullopt;
  const std::uint64_t handle = (message.address >> 5 & 0x7FFF) | (message.address >> 2 & 1) << 15;
  const std::uint32_t subhandle = (message.address & 1 << 3) != 0 ? message.data & 0xFFFF : 0;
  return static_cast<std::uint16_t>(handle + subhandle);
}

bool is_for_devices(unsigned vector) {
  const bool legacy = vector >= kFirstLegacyVector && vector <= kLastLegacyVector;
  return !legacy && vector != kSystemCallVector;
}

}  // namespace

class IrqCore::State {
 public:
  explicit State(KernelServices& services)
      : services_(services), entered_(services.port().simulation().topic<InterruptEntered>()) {
    noting_ = services.config().policies.interrupts == InterruptPolicy::kRemember;
  }

  struct Slot {
    std::function<void()> handler;
    const pci::PciDev* dev = nullptr;  // with an entry of the remapping table
    std::uint16_t entry = 0;
    std::uint16_t padding = 0;  // entries behind it that fill the row up
    bool held = false;
    Vector successor;    // of a vector of an earlier kernel: whose handler this one borrows
    bool noted = false;  // [policy remember]
  };

  // common_interrupt(): a vector without descriptor is counted and acknowledged.
  void interrupt(Vector vector) {
    std::function<void()>& handler = slots_[vector.value()].handler;
    if (entered_.active()) {
      entered_.publish({services_.generation(), vector, static_cast<bool>(handler)});
    }
    if (!handler) {
      ++spurious_;
      note(vector);
      services_.print(sim::LogLevel::kWarning, "common_interrupt: No irq handler for vector {:#x}",
                      vector.value());
      return;
    }
    try {
      handler();
    } catch (const Panic&) {
      // The machine has been told and halts this kernel.
    }
  }

  void note(Vector vector) {
    if (!noting_) return;
    slots_[vector.value()].noted = true;
    publish(InterruptNoted{services_.generation(), vector});
  }

  bool take_noted(Slot& slot) {
    return std::exchange(slot.noted, false) && !services_.has(Defect::kIrqForgetNoted);
  }

  template <class Observation>
  void publish(const Observation& observation) {
    auto& topic = services_.port().simulation().topic<Observation>();
    if (topic.active()) topic.publish(observation);
  }

  // Vectors of the earlier kernel that borrow this one's handler.
  void end_borrowing(Vector vector) {
    for (Slot& slot : slots_) {
      if (slot.held && slot.successor == vector) slot.handler = nullptr;
    }
  }

  std::optional<Vector> free_vector() const {
    for (unsigned vector = kFirstExternalVector; vector < kFirstSystemVector; ++vector) {
      if (is_for_devices(vector) && !slots_[vector].handler && !slots_[vector].held) {
        return Vector(static_cast<std::uint8_t>(vector));
      }
    }
    return std::nullopt;
  }

  KernelServices& services_;
  const sim::Topic<InterruptEntered>& entered_;
  std::array<Slot, 256> slots_;
  Remapper* remapper_ = nullptr;
  std::uint64_t spurious_ = 0;
  bool noting_ = false;
};

IrqCore::IrqCore(KernelServices& services) : state_(std::make_unique<State>(services)) {}
IrqCore::~IrqCore() = default;

void IrqCore::init() {
  state_->services_.port().set_interrupt_handler(
      [this](Vector vector) { state_->interrupt(vector); });
}

void IrqCore::set_remapper(Remapper& remapper) { state_->remapper_ = &remapper; }

Result<IrqCore::Irq> IrqCore::request(std::function<void()> handler) {
  const std::optional<Vector> vector = state_->free_vector();
  if (!vector) {
    return fail(Errno::kNoSpc);
  }
  state_->slots_[vector->value()].handler = std::move(handler);
  return Irq{.vector = *vector,
             .message = {.address = kMessageBase | kBootCpuApicId << 12, .data = vector->value()}};
}

Result<IrqCore::Irq> IrqCore::request(std::function<void()> handler, const pci::PciDev& dev) {
  std::vector<std::function<void()>> one;
  one.push_back(std::move(handler));
  const Result<Block> block = request_block(std::move(one), dev);
  if (!block) {
    return fail(block.error());
  }
  return Irq{.vector = block->vectors.front(), .message = block->message};
}

Result<IrqCore::Block> IrqCore::request_block(std::vector<std::function<void()>> handlers,
                                              const pci::PciDev& dev) {
  const bool remapped = state_->remapper_ != nullptr && state_->remapper_->remaps(dev);
  if (handlers.size() > 1 && !remapped) {
    return fail(Errno::kOpNotSupp);
  }
  Block block;
  std::vector<Target> targets;
  const auto give_up = [&](Errno error) {
    for (const Vector vector : block.vectors) free(vector);
    return fail(error);
  };
  for (std::function<void()>& handler : handlers) {
    const Result<Irq> irq = request(std::move(handler));
    if (!irq) {
      return give_up(irq.error());
    }
    block.vectors.push_back(irq->vector);
    block.message = irq->message;
    targets.push_back({.cpu = kBootCpuApicId, .vector = irq->vector});
  }
  if (!remapped) {
    return block;
  }
  const Result<std::uint16_t> first = state_->remapper_->allocate(dev, targets);
  if (!first) {
    return give_up(first.error());
  }
  for (std::size_t i = 0; i < block.vectors.size(); ++i) {
    State::Slot& slot = state_->slots_[block.vectors[i].value()];
    slot.dev = &dev;
    slot.entry = static_cast<std::uint16_t>(*first + i);
  }
  state_->slots_[block.vectors.back().value()].padding =
      static_cast<std::uint16_t>(std::bit_ceil(targets.size()) - targets.size());
  block.message = remappable(*first);
  return block;
}

void IrqCore::free(Vector vector) {
  state_->end_borrowing(vector);
  const State::Slot slot = std::exchange(state_->slots_[vector.value()], State::Slot{});
  if (slot.dev == nullptr) return;
  for (unsigned i = 0; i <= slot.padding; ++i) {
    state_->remapper_->free(*slot.dev, static_cast<std::uint16_t>(slot.entry + i));
  }
}

void IrqCore::hold(Vector vector) { state_->slots_[vector.value()].held = true; }

void IrqCore::release(Vector vector) {
  State::Slot& slot = state_->slots_[vector.value()];
  if (slot.held && slot.dev == nullptr) slot.handler = nullptr;  // borrowed
  slot.held = false;
}

// Live update.

Result<> IrqCore::drop(Vector vector) {
  const State::Slot& slot = state_->slots_[vector.value()];
  if (slot.dev == nullptr) return fail(Errno::kOpNotSupp);
  return state_->remapper_->drop(*slot.dev, slot.entry);
}

Result<> IrqCore::capture(Vector vector, unsigned request) {
  const State::Slot& slot = state_->slots_[vector.value()];
  if (slot.dev == nullptr) return fail(Errno::kOpNotSupp);
  return state_->remapper_->capture(*slot.dev, slot.entry, request);
}

void IrqCore::restore(Vector vector) {
  const State::Slot& slot = state_->slots_[vector.value()];
  if (slot.dev != nullptr) state_->remapper_->restore(*slot.dev, slot.entry);
}

bool IrqCore::take_captured(Vector vector, unsigned request) {
  const State::Slot& slot = state_->slots_[vector.value()];
  return slot.dev != nullptr && state_->remapper_->take_captured(*slot.dev, slot.entry, request);
}

std::optional<InterruptOrigin> IrqCore::take_inherited(const pci::PciDev& dev,
                                                       const Message& message, unsigned request,
                                                       Vector successor) {
  State& state = *state_;
  Vector vector(static_cast<std::uint8_t>(message.data));
  if (const std::optional<std::uint16_t> entry = entry_of(message)) {
    if (state.remapper_ == nullptr) return std::nullopt;
    const Result<std::optional<Vector>> leads = state.remapper_->inherited(dev, *entry);
    if (!leads) return std::nullopt;
    if (state.remapper_->take_captured(dev, *entry, request)) return InterruptOrigin::kCaptured;
    if (!*leads) return std::nullopt;
    vector = **leads;
  }
  State::Slot& slot = state.slots_[vector.value()];
  if (state.noting_ && slot.held && !slot.handler) {
    slot.handler = state.slots_[successor.value()].handler;
    slot.successor = successor;
  }
  return state.take_noted(slot) ? std::optional(InterruptOrigin::kNoted) : std::nullopt;
}

Result<IrqCore::Adopted> IrqCore::adopt(std::function<void()> handler, const pci::PciDev& dev,
                                        const Message& message, unsigned request) {
  State& state = *state_;
  const std::optional<std::uint16_t> entry = entry_of(message);
  if (!entry || state.remapper_ == nullptr || !state.remapper_->remaps(dev)) {
    return fail(Errno::kInval);
  }
  const Result<std::optional<Vector>> leads = state.remapper_->inherited(dev, *entry);
  if (!leads) {
    return fail(leads.error());
  }
  // The entry comes from memory that another kernel wrote.
  const bool usable = *leads && (*leads)->value() >= kFirstExternalVector &&
                      (*leads)->value() < kFirstSystemVector && is_for_devices((*leads)->value());
  const std::optional<Vector> vector = usable ? *leads : state.free_vector();
  if (!vector) {
    return fail(Errno::kNoSpc);
  }
  State::Slot& slot = state.slots_[vector->value()];
  if (slot.handler) {
    return fail(Errno::kBusy);
  }
  const bool noted = state.take_noted(slot);
  slot = State::Slot{};
  slot.handler = std::move(handler);
  slot.dev = &dev;
  slot.entry = *entry;
  state.remapper_->adopt(dev, *entry, {.cpu = kBootCpuApicId, .vector = *vector});
  Adopted adopted{*vector, std::nullopt};
  if (noted) adopted.missed = InterruptOrigin::kNoted;
  // From now on nothing is captured any more.
  if (state.remapper_->take_captured(dev, *entry, request)) {
    adopted.missed = InterruptOrigin::kCaptured;
  }
  return adopted;
}

void IrqCore::replay_noted() {
  State& state = *state_;
  for (unsigned number = 0; number < state.slots_.size(); ++number) {
    if (!std::exchange(state.slots_[number].noted, false)) continue;
    const Vector vector(static_cast<std::uint8_t>(number));
    state.services_.print(sim::LogLevel::kWarning,
                          "replay of vector {:#x} before the IOMMU: no device has a handler yet",
                          number);
    state.publish(InterruptReplayed{state.services_.generation(), vector});
  }
  state.noting_ = false;
}

std::uint64_t IrqCore::spurious() const { return state_->spurious_; }

}  // namespace baton::linux::irq
