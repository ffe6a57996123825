// The plan of a sweep: a scenario, what is varied, and from these the cells. A cell is one
// alternative of each dimension; a run is a cell and a seed. Runs are numbered cell by cell, so
// that the numbers do not depend on who runs them or when.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "harness/scenario/scenario.h"

namespace baton::harness {

inline constexpr std::uint64_t kSweepRunsMax = 1'000'000;

struct SweepRequest {
  std::string file;
  std::vector<std::string> set;   // KEY=VALUE, in every cell
  std::vector<std::string> vary;  // KEY=VALUES, beside the file's own
  std::uint64_t first_seed = 0;
  std::uint64_t last_seed = 0;
  unsigned jobs = 1;
  std::function<bool()> interrupted;
};

struct SweepPlan {
  std::string file;
  std::string text;
  std::string folder;
  std::string title;
  std::string digest;  // over all that decides what the runs are
  std::vector<std::string> set;
  std::vector<std::string> table;  // measures that tables show
  std::vector<Dimension> dimensions;
  std::vector<std::vector<std::uint32_t>> cells;  // an alternative's index for each dimension
  std::uint64_t excluded = 0;                     // combinations that were left out
  std::uint64_t first_seed = 0;
  std::uint64_t last_seed = 0;

  std::uint64_t seeds() const { return last_seed - first_seed + 1; }
  std::uint64_t runs() const { return cells.size() * seeds(); }
  std::size_t cell_of(std::uint64_t run) const { return static_cast<std::size_t>(run / seeds()); }
  std::uint64_t seed_of(std::uint64_t run) const { return first_seed + run % seeds(); }
  // All values set beside the scenario.
  std::vector<std::string> overrides(std::size_t cell) const;
  const std::string& label(std::size_t cell, std::size_t dimension) const {
    return dimensions[dimension].alternatives[cells[cell][dimension]].label;
  }
  // "policies.reinject=none card=removed", or "the scenario as it stands".
  std::string cell_text(std::size_t cell) const;
};

// Why there is no plan: errors of the scenario, of --vary or of cells, for people.
struct SweepProblem {
  std::string text;
  bool nothing = false;      // all combinations are left out
  bool interrupted = false;  // while the cells were checked
};

// Reads the scenario and checks every cell, the host built.
std::expected<SweepPlan, SweepProblem> make_plan(const SweepRequest& request);

// A cell's scenario, as checked.
Loaded load_cell(const SweepPlan& plan, std::size_t cell);

}  // namespace baton::harness
