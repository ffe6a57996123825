// Whether a descriptor may run: the checks an engine makes before it moves a byte [DSA 341204,
// chapter 8, descriptor checks]. A pure function of the descriptor and what its queue allows.
#pragma once

#include <cstdint>

#include "model/devices/dsa/descriptor.h"

namespace baton::devices::dsa {

// What the queue (and the batch) allow.
struct DescriptorRules {
  std::uint64_t operations = 0;    // bit n: opcode n
  std::uint64_t max_transfer = 0;  // bytes
  std::uint64_t max_batch = 0;     // descriptors
  bool in_batch = false;
  bool interrupts_reserved = false;     // flag 4 is reserved: user-mode queue without GENCFG.12
  bool interrupt_handle_valid = false;  // the handle exists and its permissions match
};

struct DescriptorVerdict {
  Status status = Status::kNone;  // kNone: may run
  std::uint32_t invalid_flags = 0;
};

DescriptorVerdict check(const Descriptor& descriptor, const DescriptorRules& rules);

}  // namespace baton::devices::dsa
