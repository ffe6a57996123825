// Live update: what a device's interrupts do while nobody listens [policy interrupts], and how the
// next kernel takes them up [policy msi_at_boot]. Design targets but for require-disabled [posted
// vfio v1 to v5] and disable-in-freeze [first series of 2025].
#include "model/vfio/interrupts.h"

namespace baton::vfio {

namespace {

using linux::Errno;
using linux::InterruptOrigin;
using linux::InterruptPolicy;

constexpr std::uint32_t kMsiEnable = 0x0001;
constexpr std::uint32_t kMsixEnable = 0x8000;
constexpr std::size_t kRequests = 256;  // bits of a posted-interrupt descriptor

}  // namespace

bool refuses_gone(linux::KernelServices& services, const linux::pci::PciDev& dev, bool gone) {
  if ((!gone && !dev.disconnected) || services.has(linux::Defect::kVfioIgnoreGone)) return false;
  services.print(sim::LogLevel::kError, "vfio-pci {}: gone from its bus, cannot be handed over",
                 to_string(dev.address));
  return true;
}

linux::Result<> Interrupts::write_enable(bool on, const char* by) {
  const auto at = static_cast<std::uint16_t>((is_msi() ? dev_.msi_cap : dev_.msix_cap) + 2);
  const std::uint32_t enable = is_msi() ? kMsiEnable : kMsixEnable;
  const std::uint32_t control = core_.read(dev_, at, 2, by);
  if (refuses_gone(services_, dev_, control == 0xFFFF)) return linux::fail(Errno::kNoDev);
  core_.write(dev_, at, 2, on ? control | enable : control & ~enable, by);
  (is_msi() ? dev_.msi_enabled : dev_.msix_enabled) = on;
  return {};
}

linux::Result<> Interrupts::silence(std::size_t index) {
  const linux::CpuVector vector = vectors_[index]->vector;
  if (services_.config().policies.interrupts == InterruptPolicy::kIrteDrop) {
    return irqs_.drop(vector);
  }
  if (index >= kRequests) {
    return linux::fail(Errno::kRange);
  }
  return irqs_.capture(vector, static_cast<unsigned>(index));
}

// Remember and keep leave everything as it is: what they cost is seen in the next kernel.
linux::Result<> Interrupts::freeze() {
  if (vectors_.empty() || services_.has(linux::Defect::kVfioKeepInterrupts)) {
    return {};
  }
  switch (services_.config().policies.interrupts) {
    case InterruptPolicy::kDisableInFreeze:
    case InterruptPolicy::kRequireDisabled:
      return write_enable(false, "vfio_pci_liveupdate_freeze");
    case InterruptPolicy::kRemember:
    case InterruptPolicy::kKeep:
      return {};
    case InterruptPolicy::kIrteDrop:
    case InterruptPolicy::kPostedCapture:
      break;
  }
  for (std::size_t i = 0; i < vectors_.size(); ++i) {
    if (const auto done = silence(i); !done) {
      while (i > 0) {
        irqs_.restore(vectors_[--i]->vector);
      }
      services_.print(sim::LogLevel::kError, "vfio-pci {}: its interrupts cannot be held back: {}",
                      to_string(dev_.address), name(done.error()));
      return done;
    }
  }
  return {};
}

// What was captured until now is found, and given to the owner; what was dropped is lost.
void Interrupts::unfreeze() {
  const InterruptPolicy policy = services_.config().policies.interrupts;
  if (vectors_.empty()) {
    return;
  }
  if (policy == InterruptPolicy::kDisableInFreeze || policy == InterruptPolicy::kRequireDisabled) {
    static_cast<void>(write_enable(true, "vfio_pci_liveupdate_unfreeze"));
    return;
  }
  for (const auto& state : vectors_) {
    irqs_.restore(state->vector);
  }
  if (policy != InterruptPolicy::kPostedCapture) {
    return;
  }
  for (std::size_t i = 0; i < vectors_.size(); ++i) {
    const auto index = static_cast<unsigned>(i);
    if (irqs_.take_captured(vectors_[i]->vector, index)) {
      signal(*vectors_[i], index, InterruptOrigin::kCaptured);
    }
  }
}

// The device came from an earlier kernel, whose messages it may still send because its owner had
// interrupts configured, and the policies say that this one looks at them.
bool Interrupts::inherits() const {
  const linux::Policies& policies = services_.config().policies;
  return dev_.incoming() && inherited_ > 0 &&
         (policies.interrupts == InterruptPolicy::kPostedCapture ||
          policies.interrupts == InterruptPolicy::kRemember ||
          policies.msi_at_boot == linux::MsiAtBoot::kAdopt);
}

// The table says other messages by now, and the device sends those: what is found here is all that
// the old ones have brought, but for what is under way.
void Interrupts::find_missed(std::span<const linux::pci::PciCore::MsiMessage> before) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    const linux::irq::IrqCore::Message message{before[i].address, before[i].data};
    VectorState& state = *vectors_[i];
    state.missed = irqs_.take_inherited(dev_, message, static_cast<unsigned>(i), state.vector);
  }
}

void Interrupts::signal_missed() {
  for (std::size_t i = 0; i < vectors_.size(); ++i) {
    VectorState& state = *vectors_[i];
    if (state.missed) {
      signal(state, static_cast<unsigned>(i), *state.missed);
      state.missed.reset();
    }
  }
}

// Nothing is written to the device. The first thing that does not fit is named, and all is set up
// afresh then.
linux::Result<> Interrupts::adopt(std::size_t count) {
  const auto refuse = [&](std::size_t index, const char* what, Errno error) -> linux::Result<> {
    services_.print(sim::LogLevel::kWarning, "vfio-pci {}: interrupt {} is not adopted: {}",
                    to_string(dev_.address), index, what);
    for (const auto& state : vectors_) {
      irqs_.free(state->vector);
    }
    vectors_.clear();
    return linux::fail(error);
  };
  const linux::pci::PciCore::InheritedMsix found = core_.inherited_msix(dev_, count);
  if (!found.on) {
    return refuse(0, "MSI-X is off or masked", Errno::kInval);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const linux::irq::IrqCore::Message message{found.messages[i].address, found.messages[i].data};
    vectors_.push_back(std::make_unique<VectorState>());
    VectorState& state = *vectors_.back();
    const auto index = static_cast<unsigned>(i);
    const auto adopted = irqs_.adopt(handler_of(state, index), dev_, message, index);
    if (!adopted) {
      vectors_.pop_back();
      return refuse(i, "its message leads to no entry that was handed over", adopted.error());
    }
    state.vector = adopted->vector;
    state.missed = adopted->missed;
  }
  core_.adopt_msix(dev_);
  return {};
}

void Interrupts::told_of(std::size_t count) {
  auto& topic = services_.port().simulation().topic<linux::InterruptsSet>();
  if (topic.active()) {
    topic.publish({services_.generation(), dev_.address, count});
  }
}

}  // namespace baton::vfio
