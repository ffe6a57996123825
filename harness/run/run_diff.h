// Two runs side by side: the first event, or line of a log, in which they part, the first
// architectural transition that differs, the state right after that event, and what each run came
// to in the end.
//
// The runs need not be of one scenario. What differs beyond the first event is not told event by
// event: everything after it may follow from it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/report/run_result.h"

namespace baton::harness {

struct DiffSide {
  const Loaded* loaded = nullptr;  // checked
  std::uint64_t seed = 0;
};

struct DiffLine {
  std::uint64_t event = 0;
  sim::Time time;
  std::string actor;
  std::string text;
  friend bool operator==(const DiffLine&, const DiffLine&) = default;
};

struct StateDifference {
  std::string what;
  std::string a;  // empty: it is not there
  std::string b;
};

// Pages whose bytes, or whose owners, differ.
struct PageDifference {
  std::string owner_a;
  std::string owner_b;
  std::uint64_t pages = 0;
  std::uint64_t first = 0;  // address
};

struct RunDiff {
  RunResult a;
  RunResult b;
  bool same = false;  // every event, line and fact
  // The last line that both have, and the first that differs; one of the two may have ended.
  std::optional<DiffLine> common;
  std::optional<DiffLine> in_a;
  std::optional<DiffLine> in_b;
  std::string phase;  // of both, then
  // Transitions: the last that both have, and those from the first that differs on.
  std::vector<std::string> lanes;
  std::vector<Transition> transitions_common;
  std::vector<Transition> transitions_a;
  std::vector<Transition> transitions_b;
  std::vector<StateDifference> state;
  std::vector<PageDifference> pages;
};

// Nothing when it was interrupted.
std::optional<RunDiff> diff_runs(const DiffSide& a, const DiffSide& b,
                                 const std::function<bool()>& interrupted);

// For people; a newline at the end.
std::string format_diff(const RunDiff& diff);
std::string format_diff_json(const RunDiff& diff);

}  // namespace baton::harness
