// Which configuration accesses differ between two runs on one host: two kernels, two policies, two
// command lines. By function, kernel, phase and kernel function, register by register; writes that
// wrote what was there are counted apart.
//
// A function is the same in both runs when it is the same hardware, whatever its address. Compared
// are how often a register is read, and how often and with which values, in order, it is written;
// the order between registers is not compared. Accesses that nobody answers are one row for each
// kernel function.
#pragma once

#include <expected>
#include <ostream>
#include <string>

#include "harness/show/show.h"

namespace baton::harness {

// Both runs go to the moment of the request. The format is text or json. Both have been checked.
std::expected<void, ShowError> show_config_difference(const Loaded& one, const Loaded& other,
                                                      const ShowRequest& request,
                                                      std::ostream& out);

}  // namespace baton::harness
