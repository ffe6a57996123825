// The state machines of LUO as tables: state, event, next state, errno when refused, source. One
// function applies a row; StateOf is the only writer of a state. docs/ draws its diagrams from
// here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "model/linux/base/errno.h"
#include "sim/check.h"

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

template <class State, class Event>
struct Transition {
  State state;
  Event event;
  State next;
  std::optional<linux::Errno> refused;
  std::string_view source;
};

std::span<const Transition<SessionState, SessionEvent>> session_table();
std::span<const Transition<FileState, FileEvent>> file_table();
std::span<const Transition<FlbState, FlbEvent>> flb_table();

std::string_view name(SessionState state);
std::string_view name(FileState state);
std::string_view name(FlbState state);

template <class State, class Event>
class StateOf {
 public:
  using Table = std::span<const Transition<State, Event>>;

  StateOf(Table table, State initial) : table_(table), state_(initial) {}

  State value() const { return state_; }

  // What the event would meet; no change.
  linux::Result<> check(Event event) const {
    const auto& row = find(event);
    return row.refused ? linux::fail(*row.refused) : linux::Result<>();
  }

  linux::Result<> apply(Event event) {
    const auto& row = find(event);
    if (row.refused) {
      return linux::fail(*row.refused);
    }
    state_ = row.next;
    return {};
  }

 private:
  const Transition<State, Event>& find(Event event) const {
    for (const auto& row : table_) {
      if (row.state == state_ && row.event == event) {
        return row;
      }
    }
    sim::check_failed(__FILE__, __LINE__, "row", "an event that this state cannot meet");
  }

  Table table_;
  State state_;
};

}  // namespace baton::luo
