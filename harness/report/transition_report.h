// The transitions of a run as lines with fixed columns:
//
//        time_us K phase        event  SI0*  device        detail
//      1312.777 - kexec         1187  ..>.  dsa0          wq 0: batch
//
// K is the generation of the kernel that runs, - between two kernels. The block of single
// characters has one lane per device of a VM, so that a burst is seen without reading: S software,
// I remapping units, 0 to 9 (then a to z) the devices, * all others. The character in the lane says
// what happened; the legend says which means what.
#pragma once

#include <cstddef>
#include <string>

#include "harness/record/transitions.h"

namespace baton::harness {

// The signs and their names, a few per line.
std::string format_legend();

// Head line and rows; the last `most` of them. `wrong_event` marks the first row at or after it.
std::string format_transitions(const TransitionLog& log, std::size_t most,
                               std::uint64_t wrong_event = 0);

// "1312.777": microseconds with three decimals, truncated.
std::string format_microseconds(sim::Time time);

}  // namespace baton::harness
