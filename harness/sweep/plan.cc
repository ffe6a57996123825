#include "harness/sweep/plan.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>

#include "harness/report/token.h"
#include "harness/run/host_builder.h"
#include "harness/sweep/workers.h"

namespace baton::harness {
namespace {

constexpr std::size_t kCellErrorsShown = 3;

// Sizes are checked before anything is multiplied out.
std::expected<std::uint64_t, std::string> combinations(const SweepPlan& plan) {
  std::uint64_t count = 1;
  for (const Dimension& dimension : plan.dimensions) {
    count *= dimension.alternatives.size();
    if (count > kCellsMax) {
      return std::unexpected(fmt::format("more than {} combinations\n", kCellsMax));
    }
  }
  if (plan.last_seed - plan.first_seed >= kSweepRunsMax / count) {
    return std::unexpected(fmt::format("more than {} runs\n", kSweepRunsMax));
  }
  return count;
}

bool excluded(const SweepPlan& plan, const std::vector<std::uint32_t>& cell,
              const std::vector<Exclusion>& exclusions) {
  return std::ranges::any_of(exclusions, [&](const Exclusion& exclusion) {
    return std::ranges::all_of(exclusion.when, [&](const auto& one) {
      for (std::size_t i = 0; i < plan.dimensions.size(); ++i) {
        if (plan.dimensions[i].name != one.first) continue;
        return plan.dimensions[i].alternatives[cell[i]].label == one.second;
      }
      return false;
    });
  });
}

// The first dimension changes slowest.
void enumerate(SweepPlan& plan, std::uint64_t count, const std::vector<Exclusion>& exclusions) {
  for (std::uint64_t number = 0; number < count; ++number) {
    std::vector<std::uint32_t> cell(plan.dimensions.size());
    std::uint64_t rest = number;
    for (std::size_t i = cell.size(); i-- > 0;) {
      const std::size_t size = plan.dimensions[i].alternatives.size();
      cell[i] = static_cast<std::uint32_t>(rest % size);
      rest /= size;
    }
    if (excluded(plan, cell, exclusions)) {
      ++plan.excluded;
    } else {
      plan.cells.push_back(std::move(cell));
    }
  }
}

// What each cell's check said; the digest of each one's scenario and dump.
struct Checked {
  std::mutex mutex;
  std::map<std::size_t, std::string> errors;
  std::vector<std::string> digests;
};

std::string digest_of(const SweepPlan& plan, const std::vector<std::string>& digests) {
  std::string bytes =
      fmt::format("sweep 1\n{}\n{}\n{}\n", plan.file, plan.first_seed, plan.last_seed);
  for (std::size_t cell = 0; cell < plan.cells.size(); ++cell) {
    bytes += fmt::format("{} {} {}\n", digests[cell], plan.cell_text(cell),
                         fmt::join(plan.overrides(cell), "\n"));
  }
  return fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
}

std::string error_text(const SweepPlan& plan, const Checked& checked) {
  std::string text = fmt::format("{} of {} combinations cannot be run\n", checked.errors.size(),
                                 plan.cells.size());
  std::size_t shown = 0;
  for (const auto& [cell, errors] : checked.errors) {
    if (shown++ == kCellErrorsShown) break;
    text += fmt::format("\nwith {}\n{}", plan.cell_text(cell), errors);
  }
  return text + "\ncombinations that mean nothing are left out with the key exclude\n";
}

std::expected<SweepPlan, SweepProblem> check_cells(SweepPlan plan, const SweepRequest& request) {
  Checked checked;
  checked.digests.resize(plan.cells.size());
  const bool complete =
      run_workers(request.jobs, plan.cells.size(), request.interrupted, [&](std::uint64_t index) {
        const auto cell = static_cast<std::size_t>(index);
        const Loaded loaded = load_cell(plan, cell);
        checked.digests[cell] = scenario_digest(loaded);
        if (loaded.good()) return;
        const std::scoped_lock lock(checked.mutex);
        checked.errors.emplace(cell, loaded.errors());
      });
  if (!complete) return std::unexpected(SweepProblem{"interrupted\n", false, true});
  if (!checked.errors.empty()) return std::unexpected(SweepProblem{error_text(plan, checked)});
  plan.digest = digest_of(plan, checked.digests);
  return plan;
}

}  // namespace

std::vector<std::string> SweepPlan::overrides(std::size_t cell) const {
  std::vector<std::string> result = set;
  for (std::size_t i = 0; i < dimensions.size(); ++i) {
    const Alternative& one = dimensions[i].alternatives[cells[cell][i]];
    result.insert(result.end(), one.set.begin(), one.set.end());
  }
  return result;
}

std::string SweepPlan::cell_text(std::size_t cell) const {
  std::string words;
  for (std::size_t i = 0; i < dimensions.size(); ++i) {
    words += fmt::format("{}{}={}", i == 0 ? "" : " ", dimensions[i].name, label(cell, i));
  }
  return words.empty() ? "the scenario as it stands" : words;
}

std::expected<SweepPlan, SweepProblem> make_plan(const SweepRequest& request) {
  Loaded loaded = load_scenario(request.file, request.set);
  if (loaded.diagnostics.structural()) return std::unexpected(SweepProblem{loaded.errors()});
  Diagnostics problems;
  VarySpec spec = loaded.scenario.vary;
  for (const std::string& text : request.vary) add_vary(spec, text, problems);
  if (!problems.empty()) {
    return std::unexpected(SweepProblem{problems.format(request.file, loaded.text)});
  }
  if (!loaded.good()) return std::unexpected(SweepProblem{loaded.errors()});
  SweepPlan plan;
  plan.file = request.file;
  plan.text = loaded.text;
  plan.folder = std::filesystem::path(request.file).parent_path().string();
  plan.title = loaded.scenario.title;
  plan.set = request.set;
  plan.table = loaded.scenario.table;
  plan.dimensions = std::move(spec.dimensions);
  plan.first_seed = request.first_seed;
  plan.last_seed = request.last_seed;
  const auto count = combinations(plan);
  if (!count) return std::unexpected(SweepProblem{count.error()});
  enumerate(plan, *count, spec.exclude);
  if (plan.cells.empty()) {
    return std::unexpected(SweepProblem{"nothing selected: every combination is left out\n", true});
  }
  return check_cells(std::move(plan), request);
}

Loaded load_cell(const SweepPlan& plan, std::size_t cell) {
  return check_scenario_text(plan.file, plan.text, plan.folder, plan.overrides(cell));
}

}  // namespace baton::harness
