// What the fabric lets observers see.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

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

struct FunctionReset {
  const Function& function;
  ResetKind kind;
};

}  // namespace baton::pci
