// A causal chain as a sequence diagram, drawn here so that the page needs no script: who acts on
// whom, from the oldest cause to the wrong event.
//
// Participants are read off the texts of the chain: kernels, guests, devices, and the thing that
// the chain is about (a page, a table). A text that names nobody stands at the host.
#pragma once

#include <string>
#include <vector>

#include "harness/invariants/violation.h"

namespace baton::harness {

inline constexpr std::size_t kSequenceMax = 40;

// One line of the diagram; `to` equals `from` for what happens at one participant.
struct SequenceStep {
  std::size_t from = 0;
  std::size_t to = 0;
  std::string text;
  sim::Time time;
};

struct Sequence {
  std::vector<std::string> participants;  // in the order of their first step
  std::vector<SequenceStep> steps;
  std::size_t left_out = 0;  // in the middle of a longer chain
};

Sequence sequence_of(const Violation& violation);

// The diagram as SVG; `id` makes its title unique in the page.
std::string draw_sequence(const Sequence& sequence, const std::string& id);

}  // namespace baton::harness
