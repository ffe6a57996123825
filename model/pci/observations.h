// What the fabric lets observers see.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "model/pci/dpc.h"
#include "model/pci/errors.h"
#include "model/pci/function.h"
#include "model/pci/request.h"

namespace baton::pci {

// A configuration write that reached a function, with the register before and after.
struct ConfigWritten {
  const Function& function;
  Sbdf address;  // as addressed
  std::uint16_t offset;
  unsigned width;
  std::uint32_t old_value;
  std::uint32_t written;
  std::uint32_t new_value;
};

// A memory request of a function and its end. `data` is what was read or written.
struct RequestDone {
  const Function& function;
  const MemoryRequest& request;
  const Completion& completion;
  std::span<const std::byte> data;
};

// It has something to say, on a vector of MSI-X. What becomes of it follows at the same instant:
// InterruptHeld, InterruptPending, or a message, a RequestDone to FEEx_xxxx.
struct InterruptRaised {
  const Function& function;
  unsigned index;
};

// It had something to say and MSI-X is off: no message leaves.
struct InterruptHeld {
  const Function& function;
  unsigned index;
};

// A memory request reached a BAR: of a CPU, or of another function. `data` is what is written; of a
// read, what came back.
struct BarReached {
  const Function& function;
  unsigned bar;
  std::uint64_t offset;
  bool write;
  std::span<const std::byte> data;
};

// The vector, or the function, is masked: the pending bit is set.
struct InterruptPending {
  const Function& function;
  unsigned index;
};

// No longer masked: the pending bit clears, and its message leaves next.
struct InterruptUnmasked {
  const Function& function;
  unsigned index;
};

struct FunctionReset {
  const Function& function;
  ResetKind kind;
};

// A function detected an error, and logged it. `request` is null without a packet at hand.
struct ErrorDetected {
  const Function& function;
  Uncorrectable error;
  LoggedError logged;
  const MemoryRequest* request;
};

// An error message reached the root error registers of a root port or event collector.
struct ErrorMessageReceived {
  const Function& root;
  Severity severity;
  Bdf source;
};

// Downstream Port Containment was triggered.
struct PortContained {
  const Function& port;
  Dpc::Reason reason;
  Bdf source;  // of the message, for kNonFatal and kFatal
};

// The link below a port went down or up.
struct LinkChanged {
  const Function& port;
  bool up;
};

// Virtual functions appeared or vanished; how many there are now.
struct VirtualFunctionsChanged {
  const Function& physical;
  unsigned count;
};

}  // namespace baton::pci
