// What live update knows of a function, as two state machines: one towards the next kernel, one
// from the previous kernel. A function can be in both [linux drivers/pci/liveupdate.c, posted v9;
// vfio/pci v5 for who may open it].
//
// Of bridges and physical functions the record counts what is preserved below them: a reference
// that is not the first or the last changes a number in the record and no state.
#pragma once

#include <cstdint>

#include "model/linux/base/state_table.h"

namespace baton::linux::pci {

enum class OutgoingState : std::uint8_t {
  kPlain,
  kOutgoing,
  kFrozen,          // shut down, and not handed over
  kOutgoingFrozen,  // shut down, and handed over
};
enum class OutgoingEvent : std::uint8_t {
  kFound,          // in the records of this kernel, when it is enumerated again
  kPreserve,       // for itself
  kPreserveBelow,  // for something below it
  kUnpreserve,     // by the driver
  kLastReference,  // is gone: the record is empty
  kShutdown,
};

enum class IncomingState : std::uint8_t {
  kNotHandedOver,
  kIncoming,
  kFinished,
};
enum class IncomingEvent : std::uint8_t {
  kFound,          // in the records, when it is enumerated
  kOpen,           // by anybody but the session
  kFinish,         // of it, or of something below it
  kLastReference,  // is finished
};

using OutgoingTable = StateTable<OutgoingState, OutgoingEvent>;
using IncomingTable = StateTable<IncomingState, IncomingEvent>;

const OutgoingTable& outgoing_table();
const IncomingTable& incoming_table();

}  // namespace baton::linux::pci
