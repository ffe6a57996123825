// What LUO lets observers see, beside the states of sessions and files (linux/base/observations.h):
// the calls that it makes to handlers and shared objects, and what it writes and reads at a jump.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "sim/address.h"

namespace baton::luo {

enum class Callback : std::uint8_t {
  kPreserve,
  kUnpreserve,
  kFreeze,
  kUnfreeze,
  kRetrieve,
  kFinish,
};

// A handler has been called for a file.
struct FileCallback {
  unsigned generation;
  std::string_view session;
  std::uint64_t token;
  std::string_view compatible;
  Callback call;
  bool done;            // it did not fail
  std::uint64_t given;  // the handler's 64 bits before
  std::uint64_t data;   // and after the call
  const void* id;       // what the double-preserve check knows the file by; null when unknown
  int status;           // kFinish: what the handler was told of the retrieve
};

// A session that this kernel makes is on its list, or has been taken off.
struct OutgoingSession {
  unsigned generation;
  std::string_view session;
  bool listed;
};

// A shared object has been called.
struct FlbCallback {
  unsigned generation;
  std::string_view compatible;
  Callback call;  // all but kFreeze and kUnfreeze
  bool done;
  std::uint64_t data;
};

// A shared object was attached to a handler.
struct FlbAttached {
  unsigned generation;
  std::string_view flb;
  std::string_view handler;
};

// The reboot hook has written everything; `header` is struct luo_ser.
struct SessionsSerialized {
  unsigned generation;
  PhysAddr header;
};

// The header of the previous kernel was read; a panic follows when it is not accepted.
struct HeaderRead {
  unsigned generation;
  std::array<char, 8> compatible;
  bool accepted;
};

}  // namespace baton::luo
