// docs/state-machines.md: the state machines that are tables, as tables and as diagrams.
#pragma once

#include <string>

namespace baton::harness {

std::string state_reference();

}  // namespace baton::harness
