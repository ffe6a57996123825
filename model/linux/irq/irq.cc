#include "model/linux/irq/irq.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

namespace baton::linux::irq {

namespace {

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

constexpr bool is_for_devices(unsigned vector) {
  const bool legacy = vector >= kFirstLegacyVector && vector <= kLastLegacyVector;
  return vector >= kFirstExternalVector && vector < kFirstSystemVector && !legacy &&
         vector != kSystemCallVector;
}

// In the order in which they are given out.
constexpr auto kDeviceVectors = [] {
  constexpr unsigned kLegacy = kLastLegacyVector - kFirstLegacyVector + 1;
  std::array<std::uint8_t, kFirstSystemVector - kFirstExternalVector - kLegacy - 1> vectors{};
  std::size_t used = 0;
  for (unsigned vector = 0; vector < 256; ++vector) {
    if (is_for_devices(vector)) vectors[used++] = static_cast<std::uint8_t>(vector);
  }
  return vectors;
}();

}  // namespace

class IrqCore::State {
 public:
  explicit State(KernelServices& services)
      : services_(services), entered_(services.port().simulation().topic<InterruptEntered>()) {
    noting_ = services.config().policies.interrupts == InterruptPolicy::kRemember;
    cpus_.resize(services.port().cpus());
  }

  struct Slot {
    std::function<void()> handler;
    const pci::PciDev* dev = nullptr;  // with an entry of the remapping table
    std::uint16_t entry = 0;
    std::uint16_t padding = 0;  // entries behind it that fill the row up
    bool held = false;
    CpuVector successor;  // of a vector of an earlier kernel: whose handler this one borrows
    bool noted = false;   // [policy remember]
  };

  // common_interrupt(): a vector without descriptor is counted and acknowledged.
  void interrupt(CpuVector at) {
    std::function<void()>& handler = slot(at).handler;
    if (entered_.active()) {
      entered_.publish({services_.generation(), at.vector, static_cast<bool>(handler), at.cpu});
    }
    if (!handler) {
      ++spurious_;
      note(at);
      services_.print(sim::LogLevel::kWarning,
                      "common_interrupt: No irq handler for vector {:#x}{}", at.vector.value(),
                      at.cpu == 0 ? std::string() : fmt::format(" of CPU {}", at.cpu));
      return;
    }
    try {
      handler();
    } catch (const Panic&) {
      // The machine has been told and halts this kernel.
    }
  }

  void note(CpuVector at) {
    if (!noting_) return;
    slot(at).noted = true;
    publish(InterruptNoted{services_.generation(), at.vector, at.cpu});
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
  void end_borrowing(CpuVector vector) {
    for (Cpu& cpu : cpus_) {
      for (Slot& slot : cpu.slots) {
        if (slot.held && slot.handler && slot.successor == vector) slot.handler = nullptr;
      }
    }
  }

  bool exists(CpuVector at) const { return at.cpu < cpus_.size(); }
  Slot& slot(CpuVector at) { return cpus_.at(at.cpu).slots[at.vector.value()]; }
  // A slot of this CPU was given out or came back.
  void changed(std::uint32_t cpu) { cpus_.at(cpu).counted = false; }

  std::optional<CpuVector> free_vector() {
    Cpu* best = nullptr;
    for (Cpu& cpu : cpus_) {
      if (!cpu.counted) count(cpu);
      if (cpu.available > (best == nullptr ? 0 : best->available)) best = &cpu;
    }
    if (best == nullptr) return std::nullopt;
    const auto free = std::ranges::find_if(
        kDeviceVectors, [best](std::uint8_t vector) { return is_free(best->slots[vector]); });
    return CpuVector(Vector(*free), static_cast<std::uint32_t>(best - cpus_.data()));
  }

  struct Cpu {
    std::array<Slot, 256> slots{};
    std::size_t available = 0;  // vectors for devices, when they are counted
    bool counted = false;
  };
  static bool is_free(const Slot& slot) { return !slot.handler && !slot.held; }
  static void count(Cpu& cpu) {
    cpu.available = static_cast<std::size_t>(std::ranges::count_if(
        kDeviceVectors, [&cpu](std::uint8_t vector) { return is_free(cpu.slots[vector]); }));
    cpu.counted = true;
  }

  KernelServices& services_;
  const sim::Topic<InterruptEntered>& entered_;
  std::vector<Cpu> cpus_;
  Remapper* remapper_ = nullptr;
  std::uint64_t spurious_ = 0;
  bool noting_ = false;
};

IrqCore::IrqCore(KernelServices& services) : state_(std::make_unique<State>(services)) {}
IrqCore::~IrqCore() = default;

void IrqCore::init() {
  state_->services_.port().set_interrupt_handler(
      [this](std::uint32_t cpu, Vector vector) { state_->interrupt(CpuVector(vector, cpu)); });
}

void IrqCore::set_remapper(Remapper& remapper) { state_->remapper_ = &remapper; }

Result<IrqCore::Irq> IrqCore::request(std::function<void()> handler) {
  const std::optional<CpuVector> free = state_->free_vector();
  if (!free) {
    return fail(Errno::kNoSpc);
  }
  state_->slot(*free).handler = std::move(handler);
  state_->changed(free->cpu);
  return Irq{.vector = *free,
             .message = {.address = kMessageBase | std::uint64_t{free->cpu} << 12,
                         .data = free->vector.value()}};
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
  std::vector<CpuVector> targets;
  const auto give_up = [&](Errno error) {
    for (const CpuVector vector : block.vectors) free(vector);
    return fail(error);
  };
  for (std::function<void()>& handler : handlers) {
    const Result<Irq> irq = request(std::move(handler));
    if (!irq) {
      return give_up(irq.error());
    }
    block.vectors.push_back(irq->vector);
    block.message = irq->message;
    targets.push_back(irq->vector);
  }
  if (!remapped) {
    return block;
  }
  const Result<std::uint16_t> first = state_->remapper_->allocate(dev, targets);
  if (!first) {
    return give_up(first.error());
  }
  for (std::size_t i = 0; i < block.vectors.size(); ++i) {
    State::Slot& slot = state_->slot(block.vectors[i]);
    slot.dev = &dev;
    slot.entry = static_cast<std::uint16_t>(*first + i);
  }
  state_->slot(block.vectors.back()).padding =
      static_cast<std::uint16_t>(std::bit_ceil(targets.size()) - targets.size());
  block.message = remappable(*first);
  return block;
}

void IrqCore::free(CpuVector vector) {
  state_->end_borrowing(vector);
  const State::Slot slot = std::exchange(state_->slot(vector), State::Slot{});
  state_->changed(vector.cpu);
  if (slot.dev == nullptr) return;
  for (unsigned i = 0; i <= slot.padding; ++i) {
    state_->remapper_->free(*slot.dev, static_cast<std::uint16_t>(slot.entry + i));
  }
}

// An entry that another kernel wrote may name a CPU that is not there: nothing comes from it.
void IrqCore::hold(CpuVector vector) {
  if (!state_->exists(vector)) return;
  state_->slot(vector).held = true;
  state_->changed(vector.cpu);
}

void IrqCore::release(CpuVector vector) {
  if (!state_->exists(vector)) return;
  State::Slot& slot = state_->slot(vector);
  if (slot.held && slot.dev == nullptr) slot.handler = nullptr;  // borrowed
  slot.held = false;
  state_->changed(vector.cpu);
}

// Live update.

Result<> IrqCore::drop(CpuVector vector) {
  const State::Slot& slot = state_->slot(vector);
  if (slot.dev == nullptr) return fail(Errno::kOpNotSupp);
  return state_->remapper_->drop(*slot.dev, slot.entry);
}

Result<> IrqCore::capture(CpuVector vector, unsigned request) {
  const State::Slot& slot = state_->slot(vector);
  if (slot.dev == nullptr) return fail(Errno::kOpNotSupp);
  return state_->remapper_->capture(*slot.dev, slot.entry, request);
}

void IrqCore::restore(CpuVector vector) {
  const State::Slot& slot = state_->slot(vector);
  if (slot.dev != nullptr) state_->remapper_->restore(*slot.dev, slot.entry);
}

bool IrqCore::take_captured(CpuVector vector, unsigned request) {
  const State::Slot& slot = state_->slot(vector);
  return slot.dev != nullptr && state_->remapper_->take_captured(*slot.dev, slot.entry, request);
}

std::optional<InterruptOrigin> IrqCore::take_inherited(const pci::PciDev& dev,
                                                       const Message& message, unsigned request,
                                                       CpuVector successor) {
  State& state = *state_;
  CpuVector vector(Vector(static_cast<std::uint8_t>(message.data)),
                   static_cast<std::uint32_t>(message.address >> 12 & 0xFF));
  if (const std::optional<std::uint16_t> entry = entry_of(message)) {
    if (state.remapper_ == nullptr) return std::nullopt;
    const Result<std::optional<CpuVector>> leads = state.remapper_->inherited(dev, *entry);
    if (!leads) return std::nullopt;
    if (state.remapper_->take_captured(dev, *entry, request)) return InterruptOrigin::kCaptured;
    if (!*leads) return std::nullopt;
    vector = **leads;
  }
  if (!state.exists(vector)) return std::nullopt;
  State::Slot& slot = state.slot(vector);
  if (state.noting_ && slot.held && !slot.handler) {
    slot.handler = state.slot(successor).handler;
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
  const Result<std::optional<CpuVector>> leads = state.remapper_->inherited(dev, *entry);
  if (!leads) {
    return fail(leads.error());
  }
  // The entry comes from memory that another kernel wrote.
  const bool usable = *leads && state.exists(**leads) && is_for_devices((*leads)->vector.value());
  const std::optional<CpuVector> vector = usable ? *leads : state.free_vector();
  if (!vector) {
    return fail(Errno::kNoSpc);
  }
  State::Slot& slot = state.slot(*vector);
  if (slot.handler) {
    return fail(Errno::kBusy);
  }
  const bool noted = state.take_noted(slot);
  slot = State::Slot{};
  slot.handler = std::move(handler);
  slot.dev = &dev;
  slot.entry = *entry;
  state.changed(vector->cpu);
  state.remapper_->adopt(dev, *entry, *vector);
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
  for (std::uint32_t cpu = 0; cpu < state.cpus_.size(); ++cpu) {
    for (unsigned number = 0; number < 256; ++number) {
      const CpuVector at(Vector(static_cast<std::uint8_t>(number)), cpu);
      if (!std::exchange(state.slot(at).noted, false)) continue;
      state.services_.print(sim::LogLevel::kWarning,
                            "replay of vector {:#x} before the IOMMU: no device has a handler yet",
                            number);
      state.publish(InterruptReplayed{state.services_.generation(), at.vector, cpu});
    }
  }
  state.noting_ = false;
}

std::uint64_t IrqCore::spurious() const { return state_->spurious_; }

}  // namespace baton::linux::irq
