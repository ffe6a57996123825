// Carries out a plan: every run once, several at a time, in any order; what comes out is in the
// order of the plan.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/sweep/plan.h"
#include "harness/sweep/run_row.h"

namespace baton::harness {

// The part of a sweep that one of several machines does: every `of`-th run, beginning with the
// `index`-th, counted from 1.
struct Shard {
  std::uint64_t index = 1;
  std::uint64_t of = 1;
  bool has(std::uint64_t run) const { return run % of == index - 1; }
  bool whole() const { return of == 1; }
  friend bool operator==(const Shard&, const Shard&) = default;
};

struct SweepResult {
  SweepPlan plan;
  Shard shard;
  std::vector<RunRow> rows;  // sorted by run
  bool complete = false;     // every run of the shard is there
};

struct SweepProgress {
  std::uint64_t total = 0;
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
  std::uint64_t resumed = 0;  // of these, from the state file
  std::uint64_t last = 0;     // the run that ended last
};

struct SweepOptions {
  unsigned jobs = 1;
  Shard shard;
  std::string state_file;  // empty: none
  std::function<bool()> interrupted;
  std::function<void(const SweepProgress&)> progress;  // on the caller's thread
};

// The error is a sentence about the state file.
std::expected<SweepResult, std::string> run_sweep(SweepPlan plan, const SweepOptions& options);

// One run of a plan; nothing when it was interrupted.
std::optional<RunRow> run_one(const SweepPlan& plan, const Loaded& cell, std::uint64_t run,
                              const std::function<bool()>& interrupted);

}  // namespace baton::harness
