// What the PCI side of a kernel lets observers see, beside configuration accesses and the ledger.
#pragma once

#include <string_view>

#include "sim/address.h"

namespace baton::linux::pci {

// A driver has bound to a function, or let go of it.
struct DriverBound {
  unsigned generation;
  Sbdf address;
  std::string_view driver;
  bool bound;
};

// A driver's probe of a function begins, or has ended, in whatever way.
struct DriverProbe {
  unsigned generation;
  Sbdf address;
  std::string_view driver;
  bool begins;
};

}  // namespace baton::linux::pci
