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
  std::uint64_t ticket;       // as submitted; members of a batch have their batch's
  std::uint32_t batch_index;  // of a member
};

// An engine began a descriptor, or a batch, or a member of one.
struct DescriptorStarted {
  const pci::Function& function;
  std::uint32_t wq;
  std::uint32_t engine;
  std::uint8_t opcode;
  std::uint64_t ticket;
  bool in_batch;
  std::uint32_t batch_index;
};

// Software wrote a command to CMD, and the device took it.
struct CommandTaken {
  const pci::Function& function;
  std::uint32_t command;  // of enum Command, or a number that it does not have
};

// A command took what these queues still held; it will never be done.
struct DescriptorsAbandoned {
  const pci::Function& function;
  std::uint32_t wqs;  // a bit per queue
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
  std::uint64_t ticket;  // counts what the device accepted; 0 if it did not
};

}  // namespace baton::devices::dsa
