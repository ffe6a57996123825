// State machines of the kernel: what is refused, is refused with an errno.
#pragma once

#include "model/linux/base/errno.h"
#include "sim/state_table.h"

namespace baton::linux {

template <class State, class Event>
using Transition = sim::Transition<State, Event, Errno>;
template <class State, class Event>
using StateTable = sim::StateTable<State, Event, Errno>;
template <class State, class Event>
using StateOf = sim::StateOf<State, Event, Errno>;

}  // namespace baton::linux
