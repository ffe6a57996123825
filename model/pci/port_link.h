// The link and the slot below a root port or switch downstream port, as its registers show them:
// link disable, presence, data link layer state, power, command completion, and the slot's
// interrupt [PCIe 6.7, 7.5.3.7 to 7.5.3.12].
//
// A command to the slot is done at once. Not modelled: buttons, latches and indicators, power
// faults, the time that a link takes to train.
#pragma once

#include <cstdint>

namespace baton::pci {

class Function;

class PortLink {
 public:
  // Of this port, whose PCI Express capability is at `express`.
  PortLink(Function& port, std::uint16_t express);

  bool disabled() const;     // Link Control
  bool powered_off() const;  // the slot's power controller

  // What the registers show before anything runs: something is in the slot and has power, or not.
  void set_presence(bool present);
  // The card was pulled out without warning: presence and link are gone, with their events.
  void card_lost();
  // The link went up or down with something at its other end.
  void changed(bool up);
  // Software wrote these bytes.
  void on_write(std::uint16_t offset, unsigned width);

 private:
  std::uint32_t get(unsigned offset, unsigned bytes) const;
  bool has_slot() const;
  bool reports_active() const;
  void look();

  Function& port_;
  std::uint16_t express_;
  bool raised_ = false;
};

}  // namespace baton::pci
