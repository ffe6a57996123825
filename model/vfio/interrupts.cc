#include "model/vfio/interrupts.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "model/linux/uapi/vfio.h"

namespace baton::vfio {

namespace {

using linux::Errno;
namespace uapi = linux::uapi;

constexpr std::uint32_t kDataTypes =
    uapi::kVfioIrqSetDataNone | uapi::kVfioIrqSetDataBool | uapi::kVfioIrqSetDataEventfd;
constexpr std::uint32_t kActions =
    uapi::kVfioIrqSetActionMask | uapi::kVfioIrqSetActionUnmask | uapi::kVfioIrqSetActionTrigger;

// vfio_set_irqs_validate_and_prepare(): the size of one element of data. What is to be done with
// it is looked at later.
linux::Result<std::size_t> validate(const uapi::VfioIrqSet& set, std::uint32_t vectors) {
  const std::uint32_t data_type = set.flags & kDataTypes;
  if (set.argsz < sizeof(set) || set.index >= uapi::kVfioPciNumIrqs ||
      set.count >= UINT32_MAX - set.start || (set.flags & ~(kDataTypes | kActions)) != 0 ||
      set.start >= vectors || set.start + set.count > vectors) {
    return linux::fail(Errno::kInval);
  }
  if (!std::has_single_bit(data_type)) {
    return linux::fail(Errno::kInval);
  }
  const std::size_t size = data_type == uapi::kVfioIrqSetDataEventfd ? sizeof(std::int32_t)
                           : data_type == uapi::kVfioIrqSetDataBool  ? 1
                                                                     : 0;
  if (set.argsz - sizeof(set) < set.count * size) {
    return linux::fail(Errno::kInval);
  }
  return size;
}

}  // namespace

std::uint32_t Interrupts::count(std::uint32_t index) const {
  switch (index) {
    case uapi::kVfioPciMsiIrqIndex:
      return core_.msi_vector_count(dev_);
    case uapi::kVfioPciMsixIrqIndex:
      return core_.msix_table_size(dev_);
    default:
      return 0;
  }
}

// vfio_pci_set_irqs_ioctl(), vfio_pci_set_msi_trigger().
Co<linux::Result<std::int64_t>> Interrupts::set(linux::Process& process,
                                                std::span<const std::byte> argument) {
  using Answer = linux::Result<std::int64_t>;
  uapi::VfioIrqSet request;
  if (argument.size() < sizeof(request)) {
    co_return linux::fail(Errno::kFault);
  }
  std::memcpy(&request, argument.data(), sizeof(request));
  const auto size = validate(request, count(request.index));
  if (!size) {
    co_return linux::fail(size.error());
  }
  const std::size_t data_bytes = request.count * *size;
  if (argument.size() - sizeof(request) < data_bytes) {
    co_return linux::fail(Errno::kFault);
  }
  if ((request.flags & kActions) != uapi::kVfioIrqSetActionTrigger) {
    co_return linux::fail(Errno::kNoTty);  // messages have no mask and unmask
  }
  const bool none = (request.flags & uapi::kVfioIrqSetDataNone) != 0;
  const bool on = is_on(request.index);
  if (on && none && request.count == 0) {
    co_await disable();
    told_of(0);
    co_return Answer(0);
  }
  if (!on && !vectors_.empty()) {
    co_return linux::fail(Errno::kInval);  // of the other kind
  }
  const auto data = argument.subspan(sizeof(request), data_bytes);
  if ((request.flags & uapi::kVfioIrqSetDataEventfd) != 0) {
    std::vector<std::int32_t> descriptors(request.count);
    std::ranges::copy(data, std::as_writable_bytes(std::span(descriptors)).begin());
    co_return co_await set_eventfds(process, request.index, request.start, descriptors);
  }
  if (!on || request.start + request.count > enabled()) {
    co_return linux::fail(Errno::kInval);
  }
  trigger(request.start, request.count, data);
  co_return Answer(0);
}

Co<linux::Result<std::int64_t>> Interrupts::set_eventfds(
    linux::Process& process, std::uint32_t index, std::uint32_t start,
    std::span<const std::int32_t> descriptors) {
  const bool first = vectors_.empty();
  if (first) {
    const auto on = enable(index, start + descriptors.size());
    if (!on || *on != 0) {
      co_return on;
    }
  }
  const auto done = co_await set_triggers(process, start, descriptors);
  if (!done && first) {
    co_await disable();
  }
  if (!done) {
    co_return linux::fail(done.error());
  }
  if (first) {
    told_of(enabled());
    signal_missed();
  }
  co_return linux::Result<std::int64_t>(0);
}

// From software: each, or with DATA_BOOL those whose byte is set.
void Interrupts::trigger(std::uint32_t start, std::uint32_t count,
                         std::span<const std::byte> flags) {
  for (std::uint32_t i = 0; i < count; ++i) {
    linux::EventFd* eventfd = vectors_[start + i]->trigger;
    if (eventfd != nullptr && (flags.empty() || flags[i] != std::byte{0})) {
      eventfd->signal();
    }
  }
}

void Interrupts::signal(VectorState& state, unsigned index, linux::InterruptOrigin origin) {
  auto& topic = services_.port().simulation().topic<linux::InterruptForwarded>();
  if (topic.active()) {
    topic.publish({services_.generation(), dev_.address, index, origin, state.trigger != nullptr});
  }
  if (state.trigger != nullptr) {
    state.trigger->signal();
  }
}

std::function<void()> Interrupts::handler_of(VectorState& state, unsigned index) {
  return [this, &state, index] { signal(state, index, linux::InterruptOrigin::kHandler); };
}

// vfio_msi_enable(): every vector gets a message and is unmasked.
linux::Result<std::int64_t> Interrupts::enable(std::uint32_t index, std::size_t count) {
  if (count == 0) {
    return linux::fail(Errno::kRange);
  }
  index_ = index;
  const auto done = is_msi() ? enable_msi(count) : enable_msix(count);
  // pci_alloc_irq_vectors() gives one vector then, which the caller gives back.
  if (!done && is_msi() && done.error() == Errno::kOpNotSupp) {
    return 1;
  }
  return done ? linux::Result<std::int64_t>(0) : linux::fail(done.error());
}

// The vectors of one message, which the device tells apart by its low bits.
linux::Result<> Interrupts::enable_msi(std::size_t count) {
  std::vector<linux::pci::PciCore::MsiMessage> before;
  if (inherits()) {
    before = core_.inherited_msi(dev_, count).messages;
  }
  std::vector<std::unique_ptr<VectorState>> vectors;
  std::vector<std::function<void()>> handlers;
  for (std::size_t i = 0; i < count; ++i) {
    vectors.push_back(std::make_unique<VectorState>());
    handlers.push_back(handler_of(*vectors.back(), static_cast<unsigned>(i)));
  }
  const auto block = irqs_.request_block(std::move(handlers), dev_);
  if (!block) {
    return linux::fail(block.error());
  }
  for (std::size_t i = 0; i < count; ++i) {
    vectors[i]->vector = block->vectors[i];
  }
  const linux::pci::PciCore::MsiMessage message{block->message.address, block->message.data};
  if (const auto on = core_.enable_msi(dev_, message, static_cast<unsigned>(count)); !on) {
    for (const linux::CpuVector vector : block->vectors) {
      irqs_.free(vector);
    }
    return on;
  }
  vectors_ = std::move(vectors);
  find_missed(before);
  return {};
}

linux::Result<> Interrupts::enable_msix(std::size_t count) {
  std::vector<linux::pci::PciCore::MsiMessage> before;
  if (inherits()) {
    if (services_.config().policies.msi_at_boot == linux::MsiAtBoot::kAdopt && adopt(count)) {
      return {};
    }
    before = core_.inherited_msix(dev_, count).messages;
  }
  std::vector<std::unique_ptr<VectorState>> vectors;
  std::vector<linux::pci::PciCore::MsiMessage> messages;
  const auto give_back = [&] {
    for (const auto& state : vectors) {
      irqs_.free(state->vector);
    }
  };
  for (std::size_t i = 0; i < count; ++i) {
    auto state = std::make_unique<VectorState>();
    const auto irq = irqs_.request(handler_of(*state, static_cast<unsigned>(i)), dev_);
    if (!irq) {
      give_back();
      return linux::fail(irq.error());
    }
    state->vector = irq->vector;
    messages.push_back({irq->message.address, irq->message.data});
    vectors.push_back(std::move(state));
  }
  if (const auto on = core_.enable_msix(dev_, messages); !on) {
    give_back();
    return on;
  }
  vectors_ = std::move(vectors);
  find_missed(before);
  return {};
}

Co<linux::Result<>> Interrupts::set_triggers(linux::Process& process, std::uint32_t start,
                                             std::span<const std::int32_t> descriptors) {
  if (start + descriptors.size() > vectors_.size()) {
    co_return linux::fail(Errno::kInval);
  }
  for (std::size_t i = 0; i < descriptors.size(); ++i) {
    linux::EventFd* trigger = nullptr;
    Errno error{};
    if (descriptors[i] >= 0) {
      const auto file = process.file(descriptors[i]);
      trigger = file ? linux::EventFd::from_file(**file) : nullptr;
      error = !file ? file.error() : trigger == nullptr ? Errno::kInval : Errno{};
    }
    if (error != Errno{}) {
      while (i > 0) {
        co_await set_trigger(*vectors_[start + --i], nullptr);
      }
      co_return linux::fail(error);
    }
    if (services_.has(linux::Defect::kVfioSkipTrigger)) trigger = nullptr;
    co_await set_trigger(*vectors_[start + i], trigger);
  }
  co_return linux::Result<>();
}

Co<> Interrupts::set_trigger(VectorState& state, linux::EventFd* trigger) {
  linux::EventFd* old = std::exchange(state.trigger, trigger);
  if (trigger != nullptr) {
    services_.files().get(*trigger);
  }
  if (old != nullptr) {
    co_await services_.files().put(*old);
  }
}

Co<> Interrupts::disable() {
  if (vectors_.empty()) {
    co_return;
  }
  if (is_msi()) {
    core_.disable_msi(dev_);
  } else {
    core_.disable_msix(dev_);
  }
  for (const auto& state : vectors_) {
    irqs_.free(state->vector);
    co_await set_trigger(*state, nullptr);
  }
  vectors_.clear();
}

}  // namespace baton::vfio
