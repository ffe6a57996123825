// The root error registers of a root port or root complex event collector: which error messages
// arrived, from whom, and the interrupt that tells software [PCIe 6.2.4.1.2, 7.8.4.9 to 7.8.4.11].
//
// The interrupt is an MSI or MSI-X message, sent when the AND of an enable and its status bit comes
// up. Not modelled: INTx, system errors (Root Control): firmware is not part of the simulation.
#pragma once

#include <cstdint>

#include "model/pci/errors.h"

namespace baton::pci {

class Function;

class RootErrors {
 public:
  // Of this function, whose AER capability at `aer` has the registers.
  RootErrors(Function& owner, std::uint16_t aer);

  void receive(Severity severity, Bdf source);
  // Software wrote a register: an enable may meet a status bit.
  void look();

 private:
  std::uint16_t aer_;
  Function& owner_;
  bool raised_ = false;
};

}  // namespace baton::pci
