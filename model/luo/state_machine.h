// The state machines of LUO: of a session, of a file in one, and of what files share.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/linux/base/state_table.h"

namespace baton::luo {

enum class SessionState : std::uint8_t {
  kOutgoing,     // created by this kernel
  kSerialized,   // handed over; every operation waits for ever
  kUnretrieved,  // came from the previous kernel
  kRetrieved,    // somebody holds its descriptor
  kFinished,     // its files are gone, its descriptor is open
  kOrphan,       // closed while a file could not finish
  kClosed,
};
enum class SessionEvent : std::uint8_t {
  kPreserveFd,
  kRetrieveFd,
  kGetName,
  kFinish,
  kRetrieve,
  kSerialize,
  kClose,
  kCloseBusy,  // close of an incoming session, and a file cannot finish
};

enum class FileState : std::uint8_t {
  kPreserved,
  kFrozen,
  kNotRetrieved,
  kRetrieved,
  kRetrieveFailed,
  kFinished,
  kAbandoned,  // unpreserved
};
enum class FileEvent : std::uint8_t {
  kFreeze,
  kUnfreeze,
  kUnpreserve,
  kRetrieve,
  kRetrieveError,
  kFinish,
};

// Of a file-lifecycle-bound object, on its outgoing and on its incoming side.
enum class FlbState : std::uint8_t {
  kUnused,
  kPreserved,
  kUnretrieved,
  kRetrieved,
  kRetrieveFailed,
  kFinished,
};
enum class FlbEvent : std::uint8_t {
  kPreserve,
  kUnpreserve,
  kFound,  // listed by the previous kernel
  kRetrieve,
  kRetrieveError,
  kFinish,
};

using linux::StateOf;
using linux::StateTable;

const StateTable<SessionState, SessionEvent>& session_table();
const StateTable<FileState, FileEvent>& file_table();
const StateTable<FlbState, FlbEvent>& flb_table();

std::string_view name(SessionState state);
std::string_view name(FileState state);
std::string_view name(FlbState state);

}  // namespace baton::luo
