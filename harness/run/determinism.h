// The same scenario and seed, run twice side by side: every event and every line of the log of one
// run against those of the other. What comes out is the first event that differs, not two
// fingerprints that do.
#pragma once

#include <optional>
#include <string>

#include "harness/run/run.h"

namespace baton::harness {

struct DeterminismCheck {
  RunResult result;  // of the first run; when the two differ, as far as it came
  // What differs, as text for people; nothing when the two runs are the same.
  std::optional<std::string> difference;
};

// `second` differs from `first` in tests only, which want a difference to be found.
DeterminismCheck check_determinism(const Loaded& loaded, const RunOptions& first,
                                   const RunOptions& second);

}  // namespace baton::harness
