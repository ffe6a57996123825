// What a DSA lets observers see. Its memory requests are pci::RequestDone.
#pragma once

#include <cstdint>

#include "model/devices/dsa/descriptor.h"
#include "model/pci/function.h"

namespace baton::devices::dsa {

// A descriptor ended, after its completion record (if any) was sent.
struct DescriptorDone {
  const pci::Function& function;
  std::uint32_t wq;
  std::uint8_t opcode;
  Status status;
  std::uint64_t bytes;  // completed; for a batch: descriptors
  bool in_batch;
};

// The device stopped for good, until it is reset; `code` is that of SWERROR.
struct DeviceHalted {
  const pci::Function& function;
  std::uint8_t code;
};

// A work queue took a descriptor, or dropped it (queue not enabled, full, or not a portal write).
struct DescriptorSubmitted {
  const pci::Function& function;
  std::uint32_t wq;
  std::uint8_t opcode;
  bool accepted;
};

}  // namespace baton::devices::dsa
