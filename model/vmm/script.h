// A process whose system calls a scenario writes down: what the kernel's selftests do, and any
// experiment with its user interface, without a program in C++.
//
// A call names what it works on by the names that earlier calls gave to their results (`as`).
// Values are kept as they are written; "%i" in them is the number of the repetition, from 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/linux/base/errno.h"
#include "model/linux/uapi/ioctl_table.h"
#include "sim/time.h"

namespace baton::vmm {

enum class CallKind : std::uint8_t {
  kOpen,
  kClose,
  kDup,
  kIoctl,
  kMemfdCreate,
  kFtruncate,
  kRead,
  kWrite,
  kPread,
  kPwrite,
  kLseek,
  kFcntl,
  kMmap,
  kMunmap,
  kLoad,
  kStore,
  kPeek,
  kPoke,
  kWaitFor,
  kMovdir64b,
  kFill,
  kCompare,
  kEventfd,
  kReadlink,
  kSetrlimit,
  kFork,
  kKill,
  kWaitpid,
  kSendmsg,
  kRecvmsg,
  kSleep,
  kKexecFileLoad,
  kReboot,
  kPause,
};

// Where a call stands in the scenario.
struct ScriptPlace {
  unsigned line = 0;
  unsigned column = 0;
  friend auto operator<=>(const ScriptPlace&, const ScriptPlace&) = default;
};

// The memory that holds the argument of an ioctl.
enum class ArgumentMemory : std::uint8_t { kWritable, kReadOnly, kUnmapped };

struct ScriptField {
  const linux::uapi::IoctlField* field = nullptr;
  std::string value;
};

struct ScriptCall {
  CallKind kind = CallKind::kPause;
  ScriptPlace place;
  std::string text;     // the call as the scenario writes it
  std::string subject;  // the value of its first key: a path, a name, a number
  // Offsets, lengths and the like, by key: numbers or names of results.
  std::vector<std::pair<std::string, std::string>> operands;
  std::uint64_t flags = 0;  // of memfd_create, mmap (bit 1: PROT_WRITE), fcntl (seals)
  // What is written, or has to be read; text is compared up to the first NUL.
  std::optional<std::string> content;
  bool content_is_text = false;

  // Of an ioctl.
  std::uint32_t command = 0;
  const linux::uapi::IoctlRow* row = nullptr;  // null for a request that has none
  std::vector<ScriptField> fields;
  std::vector<ScriptField> gives;  // what has to come back
  std::vector<std::string> eventfds;
  std::optional<std::uint32_t> size;  // instead of the struct's own
  std::uint8_t tail = 0;              // first byte behind the struct
  ArgumentMemory memory = ArgumentMemory::kWritable;

  std::string as;
  std::optional<linux::Errno> fails;
  std::optional<std::int64_t> returns;
  bool blocks = false;  // it must not return for as long as this kernel lives
  unsigned repeat = 1;
  std::vector<ScriptCall> child;  // of fork

  // Nothing is wrong when it has not returned by the end.
  bool may_never_return() const {
    return blocks || kind == CallKind::kPause || (kind == CallKind::kReboot && !fails);
  }
};

struct ScriptProcess {
  std::string name;
  unsigned kernel = 0;  // the generation that it is a process of
  sim::Duration at;     // since user space is up
  ScriptPlace place;
  std::vector<ScriptCall> calls;
};

}  // namespace baton::vmm
