// The system calls that a scenario's processes can make: one table from which the parser, the
// JSON Schema and docs/scenario.md come. The fields of ioctls are in linux::uapi::ioctl_rows().
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "model/vmm/script.h"

namespace baton::harness {

enum class CallKeyType : std::uint8_t {
  kPath,     // one line
  kOperand,  // a number, a size, or the name of a result
  kName,     // a new name
  kProcess,  // the name of a process
  kDuration,
  kFlags,     // names of flags, by the row's list
  kText,      // bytes, written as text
  kBytes,     // bytes, written in hexadecimal
  kRequest,   // the name of an ioctl, or its number
  kFields,    // fields of the ioctl's struct
  kOperands,  // a list of operands
  kMemory,    // writable, read-only, unmapped
  kErrno,
  kNumber,
  kBoolean,
  kCalls,
  kWord,  // one certain word, the row's example
};

struct CallFlag {
  std::string_view name;
  std::uint64_t value;
};

struct CallKey {
  std::string_view name;
  CallKeyType type;
  bool required;
  std::string_view text;
};

struct CallRow {
  std::string_view name;  // the first key
  vmm::CallKind kind;
  CallKeyType subject;
  std::span<const CallKey> keys;
  std::span<const CallFlag> flags;
  bool makes;  // it has a result that `as` can name
  std::string_view text;
  std::string_view example;
};

std::span<const CallRow> call_rows();
const CallRow* call_row(std::string_view name);
// Keys that every call takes.
std::span<const CallKey> common_call_keys();
// Every key that some call takes, each once, sorted.
std::vector<std::string_view> all_call_keys();

}  // namespace baton::harness
