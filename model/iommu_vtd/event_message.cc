#include "model/iommu_vtd/event_message.h"

namespace baton::iommu_vtd {

void EventMessage::raise() {
  regs_.set(control_, event_control::kIp, 1);
  send_if_unmasked();
}

void EventMessage::control_written() {
  if (regs_.test(control_, event_control::kIp)) {
    send_if_unmasked();
  }
}

void EventMessage::send_if_unmasked() {
  if (regs_.test(control_, event_control::kIm)) {
    return;
  }
  regs_.set(control_, event_control::kIp, 0);
  send_(regs_.get(upper_address_) << 32 | regs_.get(address_),
        static_cast<std::uint32_t>(regs_.get(data_)));
}

}  // namespace baton::iommu_vtd
