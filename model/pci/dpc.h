// Downstream Port Containment: when a port with it detects an error, or hears of one from below, it
// takes its link down until software releases it, so that nothing wrong travels on [PCIe 6.2.11,
// 7.9.14].
//
// Not modelled: the registers of root port programmed I/O (RP PIO), poisoned TLP egress blocking,
// ERR_COR on DL_Active, RP Busy (a root port is never busy).
#pragma once

#include <cstdint>

#include "model/pci/errors.h"

namespace baton::pci {

class Function;

class Dpc {
 public:
  // Trigger Reason, and beyond 3 its extension.
  enum class Reason : std::uint8_t { kDetected = 0, kNonFatal = 1, kFatal = 2, kSoftware = 3 };

  // Of this port, whose capability is at `capability`.
  Dpc(Function& port, std::uint16_t capability);

  bool triggered() const;
  // How requests from above are refused while it is triggered: Unsupported Request, or Completer
  // Abort.
  bool answers_unsupported() const;

  // The port detected an error that its mask lets through and that is not advisory. True: contained
  // now; its message is not sent.
  bool on_detected(Severity severity);
  // An error message from below reached the port. True: contained, it goes no further.
  bool on_message(Severity severity, Bdf source);
  // Software wrote `value` to DPC Control: the software trigger.
  void on_control(std::uint32_t value);
  // Software wrote a register: the interrupt's enable may meet its status.
  void look();

  // Offset of DPC Control, for who sees writes before the trigger bit vanishes.
  std::uint16_t control_at() const { return static_cast<std::uint16_t>(capability_ + 6); }

 private:
  std::uint32_t get(unsigned offset) const;
  bool enabled_for(Severity severity) const;
  bool trigger(Reason reason, Bdf source);

  Function& port_;
  std::uint16_t capability_;
  bool raised_ = false;
};

}  // namespace baton::pci
