#include "model/pci/dpc.h"

#include "model/pci/error_messages.h"
#include "model/pci/function.h"
#include "model/pci/observations.h"

namespace baton::pci {
namespace {

constexpr unsigned kCapability = 0x04;
constexpr unsigned kControl = 0x06;
constexpr unsigned kStatus = 0x08;
constexpr unsigned kSource = 0x0A;

// DPC Capability: interrupt message number in [4:0].
constexpr std::uint32_t kSoftwareTriggering = 1U << 7;
// DPC Control: trigger enable in [1:0].
constexpr std::uint32_t kFatalOnly = 1;
constexpr std::uint32_t kNonFatalToo = 2;
constexpr std::uint32_t kUnsupportedCompletions = 1U << 2;
constexpr std::uint32_t kInterruptEnable = 1U << 3;
constexpr std::uint32_t kErrCorEnable = 1U << 4;
constexpr std::uint32_t kSoftwareTrigger = 1U << 6;
// DPC Status: reason in [2:1].
constexpr std::uint32_t kTriggered = 1U << 0;
constexpr std::uint32_t kInterruptStatus = 1U << 3;
constexpr std::uint32_t kReasonExtension = 3U << 5;
constexpr std::uint32_t kExtensionSoftware = 1U << 5;

}  // namespace

Dpc::Dpc(Function& port, std::uint16_t capability) : port_(port), capability_(capability) {}

std::uint32_t Dpc::get(unsigned offset) const {
  return port_.config().get(static_cast<std::uint16_t>(capability_ + offset), 2);
}

bool Dpc::triggered() const { return (get(kStatus) & kTriggered) != 0; }

bool Dpc::answers_unsupported() const { return (get(kControl) & kUnsupportedCompletions) != 0; }

bool Dpc::enabled_for(Severity severity) const {
  const std::uint32_t enable = get(kControl) & 3;
  if (severity == Severity::kFatal) return enable == kFatalOnly || enable == kNonFatalToo;
  return severity == Severity::kNonFatal && enable == kNonFatalToo;
}

bool Dpc::on_detected(Severity severity) {
  return enabled_for(severity) && trigger(Reason::kDetected, Bdf());
}

bool Dpc::on_message(Severity severity, Bdf source) {
  if (!enabled_for(severity)) return false;
  return trigger(severity == Severity::kFatal ? Reason::kFatal : Reason::kNonFatal, source);
}

void Dpc::on_control(std::uint32_t value) {
  const bool enabled = (get(kControl) & 3) != 0;
  const bool can = (get(kCapability) & kSoftwareTriggering) != 0;
  if (can && enabled && (value & kSoftwareTrigger) != 0) {
    static_cast<void>(trigger(Reason::kSoftware, Bdf()));
  }
}

// A port that is contained already contains this one too, and keeps what it knows.
bool Dpc::trigger(Reason reason, Bdf source) {
  if (triggered()) return true;
  const std::uint32_t kept = get(kStatus) & ~(3U << 1 | kReasonExtension);
  const std::uint32_t extension = reason == Reason::kSoftware ? kExtensionSoftware : 0U;
  port_.config().set(
      static_cast<std::uint16_t>(capability_ + kStatus), 2,
      kept | kTriggered | kInterruptStatus | static_cast<std::uint32_t>(reason) << 1 | extension);
  if (reason == Reason::kNonFatal || reason == Reason::kFatal) {
    port_.config().set(static_cast<std::uint16_t>(capability_ + kSource), 2, source.value());
  }
  auto& topic = port_.simulation().topic<PortContained>();
  if (topic.active()) topic.publish({port_, reason, source});
  port_.on_contained();
  if ((get(kControl) & kErrCorEnable) != 0) send_error_message(port_, Severity::kCorrectable);
  look();
  return true;
}

void Dpc::look() {
  const bool raised =
      (get(kStatus) & kInterruptStatus) != 0 && (get(kControl) & kInterruptEnable) != 0;
  const bool rose = raised && !raised_;
  raised_ = raised;
  if (rose) static_cast<void>(port_.signal_message(get(kCapability) & 0x1F));
}

}  // namespace baton::pci
