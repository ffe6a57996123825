#include "harness/report/text_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/report/cases.h"
#include "harness/report/failure_report.h"
#include "harness/report/transition_report.h"
#include "harness/report/verdict.h"
#include "harness/scenario/invariant_rows.h"

namespace baton::harness {
namespace {

constexpr std::string_view kVision =
    "preset vision is a design target: no such kernel exists, what follows is a proposal's "
    "behaviour";

constexpr std::string_view kNext =
    "preset next stands for series that were posted in September 2026; no released kernel has them";

using Out = std::back_insert_iterator<std::string>;

// What a reader must know of kernels that do not exist.
void write_notices(Out out, const RunResult& result) {
  const auto any = [&result](std::string_view word) {
    return std::ranges::any_of(result.kernels, [word](const std::string& kernel) {
      return kernel.find(word) != std::string::npos;
    });
  };
  if (any(" vision")) fmt::format_to(out, "{}\n", kVision);
  if (any(" next")) fmt::format_to(out, "{}\n", kNext);
}

void write_phases(Out out, const RunResult& result) {
  fmt::format_to(out, "  {:<10} {:>6} {:>14} {:>14} {:>12} {:>10} {:>8}\n", "phase", "kernel",
                 "from", "length", "DMA written", "requests", "refused");
  for (const PhaseRow& row : result.phases) {
    fmt::format_to(out, "  {:<10} {:>6} {:>14} {:>14} {:>12} {:>10} {:>8}\n", row.name,
                   row.generation, sim::to_string(row.from), sim::to_string(row.to - row.from),
                   format_bytes(row.dma_bytes), row.dma_requests, row.dma_refused);
  }
}

void write_verdicts(Out out, const RunResult& result) {
  for (const InvariantVerdict& verdict : result.verdicts) {
    if (verdict.violations == 0) {
      const bool silent = verdict_of(verdict) == PromiseVerdict::kUnchecked;
      fmt::format_to(out, "  {:<9} {:<19} {}\n", name(verdict_of(verdict)), verdict.id,
                     silent ? "nothing to check" : fmt::format("{} checks", verdict.checks));
      continue;
    }
    if (!verdict.not_promised.empty()) {
      fmt::format_to(out, "  not kept  {:<19} {} times; not promised: {}\n", verdict.id,
                     verdict.violations, verdict.not_promised);
      continue;
    }
    const auto first = std::ranges::find(result.violations, verdict.id, &Violation::id);
    fmt::format_to(out, "  VIOLATED  {:<19} {} {}, first at {}\n", verdict.id, verdict.violations,
                   verdict.violations == 1 ? "time" : "times",
                   first == result.violations.end() ? "?" : sim::to_string(first->time));
  }
}

// Guests beyond these have a line each in `show critical-path`.
constexpr std::size_t kPausesTold = 4;

void write_pauses(Out out, const RunResult& result) {
  if (result.pauses.empty()) return;
  std::vector<PausePath> told;
  for (const PausePath& path : result.pauses) {
    if (told.size() == kPausesTold) break;
    told.push_back(folded(path));
  }
  fmt::format_to(out, "  what each guest's vCPU waited for; the parts add up to its pause\n{}",
                 format_critical_path(told));
  if (told.size() < result.pauses.size()) {
    fmt::format_to(out, "and {} more pauses: baton show critical-path\n",
                   result.pauses.size() - told.size());
  }
  fmt::format_to(out, "\n");
}

void write_differences(Out out, const RunResult& result) {
  if (result.differences.empty()) return;
  fmt::format_to(out, "  beside a run without the live update\n");
  for (const DifferenceRow& row : result.differences) {
    fmt::format_to(out, "  {:>14} {:>9}  {}: {}{}{}{}\n", sim::to_string(row.time), row.event,
                   row.who, row.text,
                   row.more == 0 ? "" : fmt::format(", and {} more of that kind", row.more),
                   row.excuse.empty() ? "" : "; no violation: it ", row.excuse);
  }
  fmt::format_to(out, "\n");
}

// Violations that the scenario asks for are its lesson and are shown too.
void write_lessons(Out out, const RunResult& result) {
  for (const ExpectationOutcome& outcome : result.expectations) {
    if (outcome.expectation.kind != ExpectationKind::kViolates || !outcome.met) continue;
    for (const std::string& id : outcome.expectation.ids) {
      fmt::format_to(out, "\n{}", format_lesson(result, id));
    }
  }
}

std::size_t met(const RunResult& result) {
  return static_cast<std::size_t>(
      std::ranges::count_if(result.expectations, &ExpectationOutcome::met));
}

const char* word_for(const RunResult& result) {
  if (result.passed()) return "ok";
  if (!result.bug.empty()) return "BUG";
  if (result.interrupted) return "INTERRUPTED";
  return result.stopped ? "STOPPED" : "FAILED";
}

void write_closing(Out out, const RunResult& result) {
  fmt::format_to(out, "  {}  {} of {} expectations  {} events  {} simulated\n",
                 result.passed() ? "passed" : word_for(result), met(result),
                 result.expectations.size(), result.events, sim::to_string(result.end));
  fmt::format_to(out, "  fingerprint {}\n", result.fingerprint);
}

}  // namespace

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  std::uint64_t whole = bytes;
  std::uint64_t rest = 0;
  while (whole >= 1024 && unit + 1 < kUnits.size()) {
    rest = whole % 1024;
    whole /= 1024;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  return fmt::format("{}.{} {}", whole, rest * 10 / 1024, kUnits[unit]);
}

std::string format_measurement(const Measurement& measurement) {
  const MeasureRow* row = measure_row(measurement.id);
  switch (row == nullptr ? MeasureUnit::kCount : row->unit) {
    case MeasureUnit::kDuration:
      return sim::to_string(
          sim::Duration::picoseconds(static_cast<std::int64_t>(measurement.value)));
    case MeasureUnit::kBytes:
      return format_bytes(measurement.value);
    case MeasureUnit::kCount:
      break;
  }
  return fmt::format("{}", measurement.value);
}

std::string format_line(const RunResult& result) {
  std::string pause;
  for (const Measurement& measurement : result.measurements) {
    if (measurement.id == "guest_pause") pause = format_measurement(measurement);
  }
  return fmt::format("{:<6} {:<44} {} of {} expectations  guest pause {}  fingerprint {}\n",
                     word_for(result), result.file, met(result), result.expectations.size(),
                     pause.empty() ? "none" : pause, result.fingerprint.substr(0, 8));
}

std::string format_story(const RunResult& result, Detail detail) {
  std::string text;
  Out out(text);
  fmt::format_to(out, "{}\n", result.title);
  write_notices(out, result);
  fmt::format_to(out, "  scenario  {}  seed {}  digest {}\n  host      {}\n  kernels   {}\n",
                 result.file, result.seed, result.digest, result.host,
                 fmt::join(result.kernels, "; "));
  for (const std::string& set : result.overrides) fmt::format_to(out, "  set       {}\n", set);
  fmt::format_to(out, "\n");
  if (detail == Detail::kTransitions) {
    fmt::format_to(out, "{}\n{}\n", format_legend(),
                   format_transitions(result.transitions, SIZE_MAX));
  } else if (detail == Detail::kLog) {
    for (const LogRow& row : result.log) fmt::format_to(out, "  {}\n", row.text);
    if (!result.log.empty()) fmt::format_to(out, "\n");
  }
  write_phases(out, result);
  fmt::format_to(out, "\n");
  for (const Measurement& measurement : result.measurements) {
    const MeasureRow* row = measure_row(measurement.id);
    fmt::format_to(out, "  {:<24} {:>12}  {}\n", measurement.id, format_measurement(measurement),
                   row == nullptr ? "" : row->sentence);
  }
  for (const std::string& guest : result.guests) fmt::format_to(out, "  {}\n", guest);
  for (const std::string& note : result.notes) fmt::format_to(out, "  note: {}\n", note);
  fmt::format_to(out, "\n");
  if (detail != Detail::kFigures) write_pauses(out, result);
  if (detail != Detail::kFigures) write_differences(out, result);
  write_verdicts(out, result);
  fmt::format_to(out, "\n");
  for (const StandingCount& count : result.standings) {
    constexpr std::size_t kShown = 4;
    const std::size_t shown = std::min(kShown, count.things.size());
    const std::span<const std::string> things(count.things.data(), shown);
    fmt::format_to(out, "  {:<15} {:>3}  {}{}\n", count.standing, count.things.size(),
                   fmt::join(things, ", "), shown < count.things.size() ? ", ..." : "");
  }
  write_closing(out, result);
  write_lessons(out, result);
  return text;
}

std::string format_failures(const RunResult& result) {
  std::string text;
  for (const Case& one : cases_of(result)) {
    if (one.outcome != Outcome::kFailed && one.outcome != Outcome::kBug) continue;
    if (!text.empty()) text += "\n";
    text += one.details;
  }
  return text;
}

std::string format_summary(std::span<const RunResult> results) {
  const auto passed = std::ranges::count_if(results, &RunResult::passed);
  const auto unknown = std::ranges::count_if(
      results, [](const RunResult& result) { return result.interrupted || result.stopped; });
  const auto failed = static_cast<std::ptrdiff_t>(results.size()) - passed - unknown;
  return fmt::format("{} {}: {} ok, {} failed{}\n", results.size(),
                     results.size() == 1 ? "run" : "runs", passed, failed,
                     unknown == 0 ? "" : fmt::format(", {} interrupted", unknown));
}

}  // namespace baton::harness
