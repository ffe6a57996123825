// The configuration space of the controller, power-on values and write masks. Ids are those of the
// NVMe controller that QEMU emulates (1b36:0010): no vendor's drive is claimed. Capabilities are
// what such a drive has: PM, MSI-X, PCI Express endpoint with FLR, AER, serial number.
#pragma once

#include <cstdint>

#include "model/devices/nvme/nvme.h"
#include "model/pci/config_space.h"

namespace baton::devices::nvme {

inline constexpr std::uint64_t kBar0Size = 16 * 1024;
inline constexpr std::uint32_t kIoQueuePairs = 4;
inline constexpr std::uint32_t kMsixVectors = kIoQueuePairs + 1;
// The controller memory buffer, if there is one.
inline constexpr unsigned kBufferBar = 2;
// In BAR 0, behind registers and doorbells.
inline constexpr std::uint32_t kMsixTable = 0x2000;
inline constexpr std::uint32_t kMsixPending = 0x3000;

pci::ConfigSpace nvme_config_space(const NvmeConfig& config);
// Of a virtual function of the controller with this configuration space.
pci::ConfigSpace nvme_virtual_config_space(const pci::ConfigSpace& physical);

}  // namespace baton::devices::nvme
