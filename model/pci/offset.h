// Registers of a capability by their distance from its header.
#pragma once

#include <cstdint>

namespace baton::pci {

constexpr std::uint16_t plus(std::uint16_t offset, unsigned more) {
  return static_cast<std::uint16_t>(offset + more);
}

}  // namespace baton::pci
