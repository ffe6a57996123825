#include "model/linux/irq/irq.h"

#include <array>
#include <optional>
#include <utility>

#include "model/linux/base/observations.h"

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

bool is_for_devices(unsigned vector) {
  const bool legacy = vector >= kFirstLegacyVector && vector <= kLastLegacyVector;
  return !legacy && vector != kSystemCallVector;
}

}  // namespace

class IrqCore::State {
 public:
  explicit State(KernelServices& services)
      : services_(services), entered_(services.port().simulation().topic<InterruptEntered>()) {}

  struct Slot {
    std::function<void()> handler;
    const pci::PciDev* dev = nullptr;  // with an entry of the remapping table
    std::uint16_t entry = 0;
    bool held = false;
  };

  // common_interrupt(): a vector without descriptor is counted and acknowledged.
  void interrupt(Vector vector) {
    std::function<void()>& handler = slots_[vector.value()].handler;
    if (entered_.active()) {
      entered_.publish({services_.generation(), vector, static_cast<bool>(handler)});
    }
    if (!handler) {
      ++spurious_;
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
  Result<Irq> irq = request(std::move(handler));
  if (!irq || state_->remapper_ == nullptr || !state_->remapper_->remaps(dev)) {
    return irq;
  }
  const Result<std::uint16_t> entry =
      state_->remapper_->allocate(dev, {.cpu = kBootCpuApicId, .vector = irq->vector});
  if (!entry) {
    free(irq->vector);
    return fail(entry.error());
  }
  State::Slot& slot = state_->slots_[irq->vector.value()];
  slot.dev = &dev;
  slot.entry = *entry;
  irq->message = remappable(*entry);
  return irq;
}

void IrqCore::free(Vector vector) {
  const State::Slot slot = std::exchange(state_->slots_[vector.value()], State::Slot{});
  if (slot.dev != nullptr) {
    state_->remapper_->free(*slot.dev, slot.entry);
  }
}

void IrqCore::hold(Vector vector) { state_->slots_[vector.value()].held = true; }

void IrqCore::release(Vector vector) { state_->slots_[vector.value()].held = false; }

std::uint64_t IrqCore::spurious() const { return state_->spurious_; }

}  // namespace baton::linux::irq
