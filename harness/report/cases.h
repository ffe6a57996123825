// What a run is judged by, one case per expectation and invariant: `holds: all` is as many cases as
// there are invariants. All reports for machines are made of these, so that they agree.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/report/run_result.h"

namespace baton::harness {

enum class Outcome : std::uint8_t {
  kMet,
  kFailed,
  kUnchecked,  // nothing broke the promise, and nothing was compared for it
  kUnknown,    // the run was interrupted or stopped before its end
  kBug,        // a check of baton itself failed: the run says nothing
};

struct Case {
  std::string name;  // "holds dma-continuity", "measure guest_pause below 2s"
  std::string id;    // of the invariant or measure; "run" when there is nothing to judge
  Outcome outcome = Outcome::kMet;
  std::string title;    // stable: id and sentence
  std::string details;  // for people, some lines; empty when met
  Position at;
};

std::vector<Case> cases_of(const RunResult& result);

// "isolation  No device reaches ..."
std::string title_of(const std::string& id);

}  // namespace baton::harness
