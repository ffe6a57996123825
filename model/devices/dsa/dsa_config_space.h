// The configuration space of a DSA, power-on values and write masks [DSA 341204, PCI configuration
// tables; Intel 8086:0B25 as Sapphire Rapids has it].
#pragma once

#include <cstdint>

#include "model/pci/config_space.h"

namespace baton::devices::dsa {

inline constexpr std::uint64_t kBar0Size = 64 * 1024;
inline constexpr std::uint64_t kBar2Size = 128 * 1024;

// Registers whose change halts an enabled device.
inline constexpr std::uint16_t kCommandOffset = 0x04;
inline constexpr std::uint16_t kAtsControlOffset = 0x226;
inline constexpr std::uint16_t kPasidControlOffset = 0x236;
inline constexpr std::uint16_t kPriControlOffset = 0x244;

pci::ConfigSpace dsa_config_space();

}  // namespace baton::devices::dsa
