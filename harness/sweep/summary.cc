#include "harness/sweep/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>

#include "harness/report/cases.h"
#include "harness/report/failure_report.h"
#include "harness/scenario/invariant_rows.h"
#include "harness/sweep/marks.h"

namespace baton::harness {
namespace {

CellSummary summarise_cell(std::span<const RunRow> rows) {
  CellSummary cell;
  std::map<std::string, std::vector<std::uint64_t>> values;
  for (const RunRow& row : rows) {
    ++cell.runs;
    if (row.verdict == RunVerdict::kOk) ++cell.ok;
    if (row.verdict == RunVerdict::kBug) ++cell.bugs;
    std::set<std::string> failed;
    for (const FailedCase& one : row.failed) failed.insert(one.id);
    for (const std::string& id : failed) ++cell.failed[id];
    for (const ViolatedInvariant& one : row.violated) {
      if (!failed.contains(one.id)) ++cell.violated[one.id];
    }
    for (const Measurement& one : row.measurements) values[one.id].push_back(one.value);
  }
  for (const MeasureRow& row : measure_rows()) {
    const auto found = values.find(std::string(row.id));
    if (found != values.end()) cell.measurements.emplace_back(row.id, quantiles(found->second));
  }
  return cell;
}

class Groups {
 public:
  explicit Groups(const SweepPlan& plan, const std::vector<RunRow>& rows)
      : plan_(plan), rows_(rows) {}

  std::vector<FailureGroup> make() {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const RunRow& row = rows_[i];
      std::set<std::string> failed;
      for (const FailedCase& one : row.failed) {
        if (failed.insert(one.id).second) add(one.id, false, one.event, i);
      }
      for (const ViolatedInvariant& one : row.violated) {
        if (!failed.contains(one.id)) add(one.id, true, one.event, i);
      }
      if (row.verdict == RunVerdict::kBug) add("bug", false, 0, i);
    }
    std::vector<FailureGroup> result;
    for (auto& [key, group] : groups_) {
      group.cells = cells_[key].size();
      result.push_back(std::move(group));
    }
    return result;
  }

 private:
  using Key = std::pair<bool, std::string>;

  void add(const std::string& id, bool expected, std::uint64_t event, std::size_t index) {
    const Key key{expected, id};
    const auto [at, fresh] = groups_.try_emplace(key);
    FailureGroup& group = at->second;
    const std::uint64_t events = event == 0 ? rows_[index].events : event;
    const std::uint64_t so_far = group.event == 0 ? rows_[group.quickest].events : group.event;
    if (fresh || events < so_far) {
      group.quickest = index;
      group.event = event;
    }
    group.id = id;
    group.title = id == "bug" ? "bug  a check of baton itself failed" : title(id);
    group.expected = expected;
    ++group.runs;
    cells_[key].insert(plan_.cell_of(rows_[index].run));
  }

  static std::string title(const std::string& id) {
    const MeasureRow* row = measure_row(id);
    return row == nullptr ? title_of(id) : fmt::format("{}  {}", id, row->sentence);
  }

  const SweepPlan& plan_;
  const std::vector<RunRow>& rows_;
  std::map<Key, FailureGroup> groups_;
  std::map<Key, std::set<std::size_t>> cells_;
};

class Flips {
 public:
  Flips(const SweepPlan& plan, const std::vector<RunRow>& rows) : plan_(plan), rows_(rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) by_run_.emplace(rows[i].run, i);
    for (std::size_t i = 0; i < plan.cells.size(); ++i) by_cell_.emplace(plan.cells[i], i);
  }

  std::vector<Flip> make() {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i].sound()) look_around(i);
    }
    std::vector<Flip> result;
    for (const auto& [key, flip] : flips_) {
      if (flip.flipped != 0) result.push_back(flip);
    }
    std::ranges::stable_sort(result, {}, [this](const Flip& flip) {
      return std::tuple(rows_[flip.broken].events_to_failure(), rows_[flip.broken].run);
    });
    return result;
  }

 private:
  void look_around(std::size_t index) {
    const std::size_t cell = plan_.cell_of(rows_[index].run);
    const std::uint64_t seed = rows_[index].run % plan_.seeds();
    std::vector<std::uint32_t> place = plan_.cells[cell];
    for (std::size_t d = 0; d < place.size(); ++d) {
      const std::uint32_t from = place[d];
      for (std::uint32_t to = 0; to < plan_.dimensions[d].alternatives.size(); ++to) {
        place[d] = to;
        const auto other = to == from ? by_cell_.end() : by_cell_.find(place);
        if (other == by_cell_.end()) continue;
        const auto row = by_run_.find(other->second * plan_.seeds() + seed);
        if (row != by_run_.end()) compare(d, from, to, index, row->second);
      }
      place[d] = from;
    }
  }

  void compare(std::size_t dimension, std::uint32_t from, std::uint32_t to, std::size_t sound,
               std::size_t other) {
    Flip& flip = flips_[{dimension, from, to}];
    ++flip.compared;
    if (rows_[other].sound()) return;
    if (flip.flipped++ == 0) {
      flip = {dimension, from, to, 1, flip.compared, sound, other};
    } else if (rows_[other].events_to_failure() < rows_[flip.broken].events_to_failure()) {
      flip.sound = sound;
      flip.broken = other;
    }
  }

  const SweepPlan& plan_;
  const std::vector<RunRow>& rows_;
  std::map<std::uint64_t, std::size_t> by_run_;
  std::map<std::vector<std::uint32_t>, std::size_t> by_cell_;
  std::map<std::tuple<std::size_t, std::uint32_t, std::uint32_t>, Flip> flips_;
};

}  // namespace

Quantiles quantiles(std::vector<std::uint64_t> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  const auto rank = [&values](std::size_t percent) {
    return values[(percent * values.size() + 99) / 100 - 1];
  };
  return {values.front(), rank(50), rank(99), values.back()};
}

SweepSummary summarise(const SweepResult& result) {
  const SweepPlan& plan = result.plan;
  SweepSummary summary;
  summary.cells.resize(plan.cells.size());
  for (std::size_t from = 0; from < result.rows.size();) {
    const std::size_t cell = plan.cell_of(result.rows[from].run);
    std::size_t to = from;
    while (to < result.rows.size() && plan.cell_of(result.rows[to].run) == cell) ++to;
    summary.cells[cell] =
        summarise_cell(std::span<const RunRow>(result.rows).subspan(from, to - from));
    from = to;
  }
  for (const CellSummary& cell : summary.cells) {
    summary.ok += cell.ok;
    summary.bugs += cell.bugs;
  }
  summary.failures = Groups(plan, result.rows).make();
  summary.flips = Flips(plan, result.rows).make();
  std::map<std::string, std::uint64_t> reached;
  for (const RunRow& row : result.rows) {
    for (const std::string& mark : row.marks) ++reached[mark];
  }
  for (std::string& mark : all_marks()) {
    const std::uint64_t runs = reached[mark];
    summary.marks.push_back({std::move(mark), runs});
  }
  return summary;
}

std::string run_command_of(const SweepPlan& plan, std::uint64_t run) {
  std::string text =
      fmt::format("baton run {} --seed {}", shell_word(plan.file), plan.seed_of(run));
  for (const std::string& set : plan.overrides(plan.cell_of(run))) {
    text += fmt::format(" --set {}", shell_word(set));
  }
  return text;
}

std::vector<const RunRow*> first_rows(const SweepResult& result) {
  std::vector<const RunRow*> rows(result.plan.cells.size(), nullptr);
  for (const RunRow& row : result.rows) {
    const RunRow*& first = rows[result.plan.cell_of(row.run)];
    if (first == nullptr) first = &row;
  }
  return rows;
}

}  // namespace baton::harness
