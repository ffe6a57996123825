// A device behind a port of the imported host: its slot and its address in the port's window, as
// firmware would give them.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "model/pci/fabric.h"
#include "sim/address.h"

namespace baton::harness {

// Why a device cannot be there: the message, and what helps.
struct PlacementError {
  std::string message;
  std::string help;
};

struct PortPlace {
  pci::Bus* bus = nullptr;
  std::uint64_t bar = 0;     // address of its BAR
  std::uint64_t buffer = 0;  // of its prefetchable BAR
};

// Looks for room for a BAR of `bar_size` bytes (a power of two) below `port`, the lowest free place
// in its memory window. An NVMe controller of the dump that sits alone below the port is taken out,
// and its BAR's address is used again.
// With `buffer_size` also for a prefetchable BAR, at the start of the port's prefetchable window.
std::expected<PortPlace, PlacementError> place_behind_port(pci::Fabric& fabric, Sbdf port,
                                                           std::uint64_t bar_size,
                                                           std::uint64_t buffer_size = 0);

// The same for a further function of the card below `port`, whose function 0 is there: room behind
// the BARs of the others.
std::expected<PortPlace, PlacementError> place_beside(pci::Fabric& fabric, Sbdf port,
                                                      std::uint64_t bar_size);

}  // namespace baton::harness
