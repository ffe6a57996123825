// An interrupt of the remapping unit itself: fault event (FECTL) and invalidation completion event
// (IECTL) follow one scheme of mask and pending bit [VT-d 7.3, 6.5.2.11].
#pragma once

#include <cstdint>
#include <functional>

#include "model/iommu_vtd/registers.h"

namespace baton::iommu_vtd {

using SendMessage = std::function<void(std::uint64_t address, std::uint32_t data)>;

class EventMessage {
 public:
  EventMessage(RegisterFile& regs, const SendMessage& send, Reg control, Reg data, Reg address,
               Reg upper_address)
      : regs_(regs),
        send_(send),
        control_(control),
        data_(data),
        address_(address),
        upper_address_(upper_address) {}

  // An interrupt condition arose: the message goes out, or stays pending while masked.
  void raise();
  // Software wrote the control register: unmasking sends what is pending.
  void control_written();
  // Software cleared the last status bit behind the event.
  void withdraw() { regs_.set(control_, event_control::kIp, 0); }

 private:
  void send_if_unmasked();

  RegisterFile& regs_;
  const SendMessage& send_;
  Reg control_;
  Reg data_;
  Reg address_;
  Reg upper_address_;
};

}  // namespace baton::iommu_vtd
