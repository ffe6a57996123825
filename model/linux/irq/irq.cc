#include "model/linux/irq/irq.h"

#include <array>
#include <utility>

#include "model/linux/base/observations.h"

namespace baton::linux::irq {

namespace {

constexpr std::uint32_t kBootCpuApicId = 0;
constexpr std::uint64_t kMessageBase = 0xFEE0'0000;  // [Intel SDM 3, 11.11.1]

bool is_for_devices(unsigned vector) {
  const bool legacy = vector >= kFirstLegacyVector && vector <= kLastLegacyVector;
  return !legacy && vector != kSystemCallVector;
}

}  // namespace

class IrqCore::State {
 public:
  explicit State(KernelServices& services)
      : services_(services), entered_(services.port().simulation().topic<InterruptEntered>()) {}

  // common_interrupt(): a vector without descriptor is counted and acknowledged.
  void interrupt(Vector vector) {
    std::function<void()>& handler = handlers_[vector.value()];
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

  KernelServices& services_;
  const sim::Topic<InterruptEntered>& entered_;
  std::array<std::function<void()>, 256> handlers_;
  std::uint64_t spurious_ = 0;
};

IrqCore::IrqCore(KernelServices& services) : state_(std::make_unique<State>(services)) {}
IrqCore::~IrqCore() = default;

void IrqCore::init() {
  state_->services_.port().set_interrupt_handler(
      [this](Vector vector) { state_->interrupt(vector); });
}

Result<IrqCore::Irq> IrqCore::request(std::function<void()> handler) {
  for (unsigned vector = kFirstExternalVector; vector < kFirstSystemVector; ++vector) {
    if (is_for_devices(vector) && !state_->handlers_[vector]) {
      state_->handlers_[vector] = std::move(handler);
      return Irq{.vector = Vector(static_cast<std::uint8_t>(vector)),
                 .message = {.address = kMessageBase | kBootCpuApicId << 12, .data = vector}};
    }
  }
  return fail(Errno::kNoSpc);
}

void IrqCore::free(Vector vector) { state_->handlers_[vector.value()] = nullptr; }

std::uint64_t IrqCore::spurious() const { return state_->spurious_; }

}  // namespace baton::linux::irq
