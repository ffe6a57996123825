#include "harness/sweep/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

#include "harness/record/function_outcomes.h"
#include "harness/report/token.h"
#include "harness/run/run.h"
#include "harness/sweep/marks.h"
#include "harness/sweep/state_file.h"
#include "harness/sweep/workers.h"
#include "sim/check.h"

namespace baton::harness {
namespace {

// The scenarios of the cells under way: read once for all their seeds.
class Cells {
 public:
  explicit Cells(const SweepPlan& plan) : plan_(plan) {}

  std::shared_ptr<const Loaded> get(std::size_t cell) {
    {
      const std::scoped_lock lock(mutex_);
      if (const auto found = loaded_.find(cell); found != loaded_.end()) return found->second;
    }
    auto loaded = std::make_shared<const Loaded>(load_cell(plan_, cell));
    const std::scoped_lock lock(mutex_);
    // Runs are taken in order: nobody asks for cells far below any more.
    std::erase_if(loaded_, [cell](const auto& one) { return one.first + kKept < cell; });
    return loaded_.try_emplace(cell, std::move(loaded)).first->second;
  }

 private:
  static constexpr std::size_t kKept = 64;
  const SweepPlan& plan_;
  std::mutex mutex_;
  std::map<std::size_t, std::shared_ptr<const Loaded>> loaded_;
};

class Sweep {
 public:
  Sweep(SweepPlan plan, const SweepOptions& options) : options_(options), cells_(result_.plan) {
    result_.plan = std::move(plan);
    result_.shard = options.shard;
  }

  std::expected<SweepResult, std::string> run() {
    if (!options_.state_file.empty()) {
      if (const auto resumed = resume(); !resumed) return std::unexpected(resumed.error());
    }
    std::vector<std::uint64_t> due;
    for (std::uint64_t run = 0; run < result_.plan.runs(); ++run) {
      if (options_.shard.has(run) && !rows_.contains(run)) due.push_back(run);
    }
    progress_.total = due.size() + rows_.size();
    run_workers(
        options_.jobs, due.size(), options_.interrupted,
        [&](std::uint64_t index) { one(due[static_cast<std::size_t>(index)]); },
        [this] { tell(); });
    if (unwritten_)
      return std::unexpected(fmt::format("{}: cannot be written", options_.state_file));
    for (auto& [run, row] : rows_) result_.rows.push_back(std::move(row));
    result_.complete = result_.rows.size() == progress_.total;
    return std::move(result_);
  }

 private:
  std::expected<void, std::string> resume() {
    auto rows = state_.open(options_.state_file, result_.plan.digest);
    if (!rows) return std::unexpected(rows.error());
    for (RunRow& row : *rows) {
      if (row.run >= result_.plan.runs() || !options_.shard.has(row.run)) {
        return std::unexpected(fmt::format("{}: run {} is no run of this sweep, or of this shard",
                                           options_.state_file, row.run));
      }
    }
    if (!rows->empty()) {
      // The digest knows the scenario but not the program: one run is made again.
      const RunRow& known = rows->front();
      const auto again = run_one(result_.plan, *cells_.get(result_.plan.cell_of(known.run)),
                                 known.run, options_.interrupted);
      if (again && run_row_value(*again) != run_row_value(known)) {
        return std::unexpected(
            fmt::format("{}: made by another version of baton: run {} comes out differently now",
                        options_.state_file, known.run));
      }
    }
    for (RunRow& row : *rows) {
      count(row);
      ++progress_.resumed;
      rows_.emplace(row.run, std::move(row));
    }
    return {};
  }

  void count(const RunRow& row) {
    ++(row.verdict == RunVerdict::kOk ? progress_.ok : progress_.failed);
    progress_.last = row.run;
  }

  // On any thread.
  void one(std::uint64_t run) {
    const auto cell = cells_.get(result_.plan.cell_of(run));
    auto row = run_one(result_.plan, *cell, run, options_.interrupted);
    if (!row) return;
    const std::scoped_lock lock(mutex_);
    if (state_.is_open() && !state_.append(*row)) unwritten_ = true;
    count(*row);
    rows_.emplace(run, std::move(*row));
  }

  void tell() {
    if (!options_.progress) return;
    SweepProgress now;
    {
      const std::scoped_lock lock(mutex_);
      now = progress_;
    }
    options_.progress(now);
  }

  const SweepOptions& options_;
  SweepResult result_;
  Cells cells_;
  StateFile state_;
  std::mutex mutex_;  // over what follows
  SweepProgress progress_;
  std::map<std::uint64_t, RunRow> rows_;
  bool unwritten_ = false;
};

}  // namespace

std::optional<RunRow> run_one(const SweepPlan& plan, const Loaded& cell, std::uint64_t run,
                              const std::function<bool()>& interrupted) {
  Marks marks;
  FunctionOutcomes functions;
  RunOptions options;
  options.seed = plan.seed_of(run);
  options.interrupted = interrupted;
  options.observers = {&marks, &functions};
  RunResult result;
  try {
    result = run_scenario(cell, options);
  } catch (const sim::BugError& error) {
    result.seed = options.seed;
    result.token = format_token({scenario_digest(cell), options.seed, cell.overrides});
    result.bug = error.what();
  }
  if (result.interrupted) return std::nullopt;
  RunRow row = make_run_row(run, result);
  row.marks = marks.reached(result);
  row.functions = functions.take();
  return row;
}

std::expected<SweepResult, std::string> run_sweep(SweepPlan plan, const SweepOptions& options) {
  return Sweep(std::move(plan), options).run();
}

}  // namespace baton::harness
