// What an NVMe controller lets observers see. Its memory requests are pci::RequestDone.
#pragma once

#include <cstdint>

#include "model/devices/nvme/commands.h"
#include "model/pci/function.h"

namespace baton::devices::nvme {

// A doorbell gave a submission queue this many more commands. Queue 0 is the admin queue.
struct CommandsSubmitted {
  const pci::Function& function;
  std::uint16_t queue;
  std::uint32_t count;
};

// The controller has fetched a command and begins with it.
struct CommandStarted {
  const pci::Function& function;
  std::uint16_t queue;
  std::uint16_t command_id;
  std::uint8_t opcode;
};

// A command ended, after its completion entry was sent.
struct CommandDone {
  const pci::Function& function;
  std::uint16_t queue;
  std::uint16_t command_id;
  std::uint8_t opcode;
  Status status;
  std::uint64_t bytes;  // data moved
};

// A reset of the controller or the end of a queue dropped commands of I/O queues that will never
// complete.
struct CommandsDropped {
  const pci::Function& function;
  std::uint32_t count;
};

// The controller cannot go on, until it is reset: CSTS.CFS is set.
struct ControllerFailed {
  const pci::Function& function;
  const char* why;
};

}  // namespace baton::devices::nvme
