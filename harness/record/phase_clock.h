// Which phase of a run it is, for records that want to say so.
#pragma once

#include <string_view>
#include <vector>

#include "harness/invariants/watch.h"

namespace baton::harness {

std::string_view phase_name(linux::RunPhase phase);  // "boot", "run", "preserve", ...

// A transition that happened.
struct PhaseMark {
  sim::Time time;
  unsigned generation = 0;  // of the kernel it is about; of a jump: the one that ends
  std::string_view name;    // a phase; "reset" for a platform reset, "halted" for a panic
};

class PhaseClock {
 public:
  PhaseClock() = default;
  PhaseClock(const PhaseClock&) = delete;
  PhaseClock& operator=(const PhaseClock&) = delete;

  void attach(Watch& watch);
  std::string_view phase() const { return marks_.empty() ? "off" : marks_.back().name; }
  const std::vector<PhaseMark>& marks() const { return marks_; }

 private:
  void enter(sim::Time time, unsigned generation, std::string_view name);

  std::vector<PhaseMark> marks_;
};

}  // namespace baton::harness
