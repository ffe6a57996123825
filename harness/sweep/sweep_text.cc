// The text of a sweep, for people.

#include <fmt/format.h>

#include <algorithm>

#include "harness/report/failure_report.h"
#include "harness/scenario/invariant_rows.h"
#include "harness/sweep/sweep_report.h"

namespace baton::harness {
namespace {

constexpr std::size_t kColumnMax = 44;
constexpr std::size_t kLinesMax = 64;  // of a table
constexpr std::size_t kAcrossMax = 4;  // alternatives side by side
constexpr std::size_t kShownGroups = 12;
constexpr std::size_t kShownFlips = 8;

// Lines of cells, each column as wide as it must be.
class Table {
 public:
  void add(std::vector<std::string> line) { lines_.push_back(std::move(line)); }

  std::string text() const {
    std::vector<std::size_t> widths;
    for (const auto& line : lines_) {
      widths.resize(std::max(widths.size(), line.size()));
      for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
    }
    std::string out;
    std::size_t shown = 0;
    for (const auto& line : lines_) {
      if (shown++ == kLinesMax) {
        return out + fmt::format("  and {} lines more: --report csv=FILE has all\n",
                                 lines_.size() - kLinesMax);
      }
      std::string one(1, ' ');
      for (std::size_t i = 0; i < line.size(); ++i) {
        one += fmt::format(" {:<{}} ", line[i], std::min(widths[i], kColumnMax));
      }
      one.resize(one.find_last_not_of(' ') + 1);
      out += one + "\n";
    }
    return out;
  }

 private:
  std::vector<std::vector<std::string>> lines_;
};

std::string verdict_text(const CellSummary& cell) {
  if (cell.runs == 0) return "-";
  std::string text = fmt::format("{}/{} ok", cell.ok, cell.runs);
  const char* before = "  ";
  for (const auto& [id, runs] : cell.failed) {
    text += fmt::format("{}{} x{}", before, id, runs);
    before = ", ";
  }
  if (cell.bugs != 0) text += fmt::format("{}BUG x{}", before, cell.bugs);
  if (cell.failed.empty() && !cell.violated.empty()) {
    std::vector<std::string_view> ids;
    for (const auto& [id, runs] : cell.violated) ids.push_back(id);
    text += fmt::format(" ({})", fmt::join(ids, ", "));
  }
  return text;
}

// Cells that agree in all dimensions but the one that stands across.
std::string matrix(const SweepPlan& plan, const SweepSummary& summary) {
  Table table;
  // The last dimension that is narrow enough stands across; without one, all stand below.
  std::size_t across = plan.dimensions.size();
  for (std::size_t i = 0; i < plan.dimensions.size() && plan.dimensions.size() > 1; ++i) {
    if (plan.dimensions[i].alternatives.size() <= kAcrossMax) across = i;
  }
  std::vector<std::string> head;
  for (std::size_t i = 0; i < plan.dimensions.size(); ++i) {
    if (i != across) head.push_back(plan.dimensions[i].name);
  }
  const bool one_column = across == plan.dimensions.size();
  if (one_column) {
    head.emplace_back("runs");
  } else {
    for (const Alternative& one : plan.dimensions[across].alternatives) {
      head.push_back(fmt::format("{}={}", plan.dimensions[across].name, one.label));
    }
  }
  table.add(head);
  std::map<std::vector<std::uint32_t>, std::vector<std::string>> lines;
  for (std::size_t cell = 0; cell < plan.cells.size(); ++cell) {
    std::vector<std::uint32_t> key = plan.cells[cell];
    const std::uint32_t column = one_column ? 0 : key[across];
    if (!one_column) key.erase(key.begin() + static_cast<std::ptrdiff_t>(across));
    auto [at, fresh] = lines.try_emplace(key);
    if (fresh) {
      for (std::size_t i = 0; i < plan.dimensions.size(); ++i) {
        if (i != across) at->second.push_back(plan.label(cell, i));
      }
      at->second.resize(head.size(), "left out");
    }
    at->second[key.size() + column] = verdict_text(summary.cells[cell]);
  }
  for (auto& [key, line] : lines) table.add(std::move(line));
  return table.text();
}

std::string measured(const std::string& id, std::uint64_t value) {
  return format_measurement({id, value});
}

std::string quantile_text(const std::string& id, const Quantiles& one) {
  if (one.minimum == one.maximum) return measured(id, one.median);
  return fmt::format("{} / {}", measured(id, one.median), measured(id, one.p99));
}

// What is the same in every cell is said once.
std::string measurements(const SweepPlan& plan, const SweepSummary& summary) {
  std::vector<std::string> varying;
  std::string same;
  for (const MeasureRow& row : measure_rows()) {
    const Quantiles* first = nullptr;
    bool equal = true;
    for (const CellSummary& cell : summary.cells) {
      const auto found =
          std::ranges::find(cell.measurements, row.id, &std::pair<std::string, Quantiles>::first);
      if (found == cell.measurements.end()) continue;
      if (first == nullptr) first = &found->second;
      equal = equal && found->second == *first;
    }
    if (first == nullptr) continue;
    const std::string id(row.id);
    if (!equal) {
      varying.push_back(id);
    } else {
      same += fmt::format("  {:<24} {}\n", id, quantile_text(id, *first));
    }
  }
  std::string out;
  if (!varying.empty()) {
    Table table;
    std::vector<std::string> head;
    for (const Dimension& dimension : plan.dimensions) head.push_back(dimension.name);
    head.insert(head.end(), varying.begin(), varying.end());
    table.add(head);
    for (std::size_t cell = 0; cell < plan.cells.size(); ++cell) {
      std::vector<std::string> line;
      for (std::size_t i = 0; i < plan.dimensions.size(); ++i) line.push_back(plan.label(cell, i));
      for (const std::string& id : varying) {
        const auto& values = summary.cells[cell].measurements;
        const auto found = std::ranges::find(values, id, &std::pair<std::string, Quantiles>::first);
        line.push_back(found == values.end() ? "-" : quantile_text(id, found->second));
      }
      table.add(std::move(line));
    }
    out += "\nmeasurements, median / 99th percentile where they differ within a cell\n";
    out += table.text();
  }
  if (!same.empty()) out += "\nthe same in every cell\n" + same;
  return out;
}

std::string replay_text(const SweepPlan& plan, const RunRow& row, std::uint64_t event) {
  std::string text = fmt::format("    {}\n", run_command_of(plan, row.run));
  text += fmt::format("    baton replay {} {}", row.token, shell_word(plan.file));
  return text + (event == 0 ? std::string("\n") : fmt::format(" --until {}\n", event));
}

std::string failures(const SweepResult& result, const SweepSummary& summary, bool expected) {
  std::string out;
  std::size_t shown = 0;
  for (const FailureGroup& group : summary.failures) {
    if (group.expected != expected) continue;
    if (shown++ == kShownGroups) return out + "  and more: --report json=FILE has all\n";
    const RunRow& row = result.rows[group.quickest];
    out += fmt::format("  {}\n    {} runs in {} cells, quickest: seed {}, {}{}\n", group.title,
                       group.runs, group.cells, result.plan.seed_of(row.run),
                       result.plan.cell_text(result.plan.cell_of(row.run)),
                       group.event == 0 ? "" : fmt::format(", event {}", group.event));
    if (!expected) out += replay_text(result.plan, row, group.event);
    if (!row.bug.empty() && !expected) out += fmt::format("    {}\n", row.bug);
  }
  if (out.empty()) return out;
  return (expected ? "\nviolated, where the scenario does not mind\n" : "\nfailures\n") + out;
}

std::string flips(const SweepResult& result, const SweepSummary& summary) {
  if (summary.flips.empty()) {
    return result.plan.cells.size() > 1 ? "\nno single change flips a verdict\n" : "";
  }
  std::string out;
  std::size_t shown = 0;
  for (const Flip& flip : summary.flips) {
    if (shown == kShownFlips) break;
    const Dimension& dimension = result.plan.dimensions[flip.dimension];
    const RunRow& broken = result.rows[flip.broken];
    const std::string what =
        fmt::format("{}: {} -> {}", dimension.name, dimension.alternatives[flip.from].label,
                    dimension.alternatives[flip.to].label);
    const std::string count = fmt::format("{} of {} runs", flip.flipped, flip.compared);
    if (shown++ == 0) {
      std::vector<std::string_view> ids;
      for (const ViolatedInvariant& one : broken.violated) ids.push_back(one.id);
      out += fmt::format("\nsmallest change that breaks: {}, seed {} ({})\n    {}\n", what,
                         result.plan.seed_of(broken.run), fmt::join(ids, ", "),
                         result.plan.cell_text(result.plan.cell_of(broken.run)));
      out += fmt::format("    it breaks {} that were sound\n", count);
    } else {
      out += fmt::format("  also {}: {}\n", what, count);
    }
  }
  if (summary.flips.size() > shown) {
    out += fmt::format("  and {} more\n", summary.flips.size() - shown);
  }
  return out;
}

std::string marks(const SweepResult& result, const SweepSummary& summary) {
  std::string out;
  std::vector<std::string_view> never;
  std::vector<std::string> partly;
  for (const MarkCount& mark : summary.marks) {
    if (mark.runs == 0) never.push_back(mark.id);
    if (mark.runs != 0 && mark.runs != result.rows.size()) {
      partly.push_back(fmt::format("{} {}/{}", mark.id, mark.runs, result.rows.size()));
    }
  }
  if (!partly.empty()) out += fmt::format("\nreached by some runs: {}\n", fmt::join(partly, ", "));
  if (!never.empty()) {
    out += fmt::format("{}never reached: {}\n", partly.empty() ? "\n" : "", fmt::join(never, ", "));
  }
  return out;
}

// Seeds that change nothing are no evidence.
std::string seeds_note(const SweepResult& result) {
  if (result.plan.seeds() == 1) return "";
  std::map<std::size_t, std::string_view> seen;
  for (const RunRow& row : result.rows) {
    const auto [at, fresh] = seen.try_emplace(result.plan.cell_of(row.run), row.fingerprint);
    if (!fresh && at->second != row.fingerprint) return "";
  }
  return "\nthe seed changes no run: nothing in this scenario is drawn at random\n";
}

}  // namespace

std::string format_sweep(const SweepResult& result) {
  const SweepPlan& plan = result.plan;
  const SweepSummary summary = summarise(result);
  std::string out = fmt::format("{}\n  scenario  {}  seeds {}..{}  {} cells", plan.title, plan.file,
                                plan.first_seed, plan.last_seed, plan.cells.size());
  if (plan.excluded != 0) out += fmt::format(" ({} left out)", plan.excluded);
  if (!result.shard.whole()) {
    out += fmt::format("  shard {}/{}", result.shard.index, result.shard.of);
  }
  out += "\n\n" + matrix(plan, summary) + measurements(plan, summary);
  out += failures(result, summary, false) + failures(result, summary, true);
  out += flips(result, summary) + marks(result, summary);
  out += seeds_note(result);
  out += fmt::format("\n{} runs: {} ok, {} failed{}{}\n", result.rows.size(), summary.ok,
                     result.rows.size() - summary.ok,
                     summary.bugs == 0 ? "" : fmt::format(" ({} by a bug in baton)", summary.bugs),
                     result.complete ? "" : ", interrupted");
  return out;
}

}  // namespace baton::harness
