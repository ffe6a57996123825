// What the runs of a sweep say together: per cell how many passed and how large each measurement
// is, failures by their stable title, which single change flips a verdict, which marks were never
// reached. Made of rows alone, so that merged shards give what one sweep gives.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "harness/sweep/sweep.h"

namespace baton::harness {

// Order statistics by nearest rank: the value of the smallest rank that is at least p per cent of
// the count. No interpolation, so each is a value that occurred.
struct Quantiles {
  std::uint64_t minimum = 0;
  std::uint64_t median = 0;
  std::uint64_t p99 = 0;
  std::uint64_t maximum = 0;
  friend bool operator==(const Quantiles&, const Quantiles&) = default;
};
Quantiles quantiles(std::vector<std::uint64_t> values);

struct CellSummary {
  std::uint64_t runs = 0;
  std::uint64_t ok = 0;
  std::uint64_t bugs = 0;
  std::map<std::string, std::uint64_t> failed;    // runs, by invariant or measure
  std::map<std::string, std::uint64_t> violated;  // runs, by invariant, where that was expected
  std::vector<std::pair<std::string, Quantiles>> measurements;
};

// Runs that went wrong in one way.
struct FailureGroup {
  std::string id;     // of an invariant or measure; "bug"
  std::string title;  // stable: id and sentence
  bool expected = false;
  std::uint64_t runs = 0;
  std::uint64_t cells = 0;
  std::size_t quickest = 0;  // index into rows: the fewest events to it, then the first
  std::uint64_t event = 0;   // by which it was there; 0: at the end
};

// One alternative of one dimension for another, all else equal, turns runs that were sound into
// ones that are not.
struct Flip {
  std::size_t dimension = 0;
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  std::uint64_t flipped = 0;   // pairs of runs
  std::uint64_t compared = 0;  // pairs whose first one is sound
  std::size_t sound = 0;       // indices into rows: the pair with the fewest events to the failure
  std::size_t broken = 0;
};

struct MarkCount {
  std::string id;
  std::uint64_t runs = 0;
};

struct SweepSummary {
  std::vector<CellSummary> cells;
  std::vector<FailureGroup> failures;  // unexpected ones first, then by id
  std::vector<Flip> flips;             // the smallest first
  std::vector<MarkCount> marks;        // in the order of all_marks()
  std::uint64_t ok = 0;
  std::uint64_t bugs = 0;
};

SweepSummary summarise(const SweepResult& result);

// The command that runs one of the rows again.
std::string run_command_of(const SweepPlan& plan, std::uint64_t run);

// The first row of each cell, null for one without.
std::vector<const RunRow*> first_rows(const SweepResult& result);

}  // namespace baton::harness
