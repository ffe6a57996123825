#include "harness/report/text_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/scenario/invariant_rows.h"

namespace baton::harness {
namespace {

constexpr std::string_view kVision =
    "preset vision is a design target: no such kernel exists, what follows is a proposal's "
    "behaviour";

using Out = std::back_insert_iterator<std::string>;

std::string quote_line(std::string_view text, Position at) {
  for (unsigned line = 1; line < at.line; ++line) {
    const std::size_t newline = text.find('\n');
    if (newline == std::string_view::npos) return {};
    text.remove_prefix(newline + 1);
  }
  const std::string_view line = text.substr(0, text.find('\n'));
  const std::size_t start = at.column == 0 ? 0 : at.column - 1;
  return fmt::format("  {:4} | {}\n       | {}^\n", at.line, line,
                     std::string(std::min(start, line.size()), ' '));
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
      fmt::format_to(out, "  holds     {:<18} {} checks\n", verdict.id, verdict.checks);
      continue;
    }
    const auto first = std::ranges::find(result.violations, verdict.id, &Violation::id);
    fmt::format_to(out, "  VIOLATED  {:<18} {} times, first at {}\n", verdict.id,
                   verdict.violations,
                   first == result.violations.end() ? "?" : sim::to_string(first->time));
  }
}

void write_violation(Out out, const RunResult& result, const Violation& violation) {
  std::string phase = "?";
  unsigned kernel = 0;
  for (const PhaseRow& row : result.phases) {
    if (row.from <= violation.time) {
      phase = row.name;
      kernel = row.generation;
    }
  }
  fmt::format_to(out, "  at        {}, phase {}, kernel {}\n", sim::to_string(violation.time),
                 phase, kernel);
  fmt::format_to(out, "  subject   {}\n  expected  {}\n  seen      {}\n", violation.subject,
                 violation.expected, violation.seen);
  const char* label = "chain";
  for (const ChainLink& link : violation.chain) {
    fmt::format_to(out, "  {:<9} {:>14}  {}\n", label, sim::to_string(link.time), link.text);
    label = "";
  }
  if (const InvariantRow* row = invariant_row(violation.id)) {
    fmt::format_to(out, "  rule      {} {}\n  more      baton explain {}\n", row->sentence,
                   row->source, row->id);
  }
}

// The first violation of an invariant, as an explained block.
void write_block(Out out, const RunResult& result, std::string_view head, std::string_view id,
                 const ExpectationOutcome* outcome) {
  const InvariantRow* row = invariant_row(id);
  fmt::format_to(out, "{}  {}  {}", head, id, row == nullptr ? "" : row->sentence);
  if (outcome != nullptr) {
    const Position at = outcome->expectation.at;
    fmt::format_to(out, "  {}:{}:{}\n{}", result.file, at.line, at.column,
                   quote_line(result.text, at));
  } else {
    fmt::format_to(out, "\n");
  }
  const auto first = std::ranges::find(result.violations, id, &Violation::id);
  if (first != result.violations.end()) write_violation(out, result, *first);
}

std::uint64_t violations_of(const RunResult& result, std::string_view id) {
  const auto found = std::ranges::find(result.verdicts, id, &InvariantVerdict::id);
  return found == result.verdicts.end() ? 0 : found->violations;
}

void write_failure(Out out, const RunResult& result, const ExpectationOutcome& outcome) {
  const Expectation& expectation = outcome.expectation;
  bool explained = false;
  if (expectation.kind == ExpectationKind::kHolds) {
    for (const std::string& id : expectation.ids) {
      if (violations_of(result, id) == 0) continue;
      write_block(out, result, "FAIL", id, &outcome);
      fmt::format_to(out, "\n");
      explained = true;
    }
  }
  if (explained) return;
  const Position at = expectation.at;
  fmt::format_to(out, "FAIL  {}  {}:{}:{}\n{}  expected  {}\n  seen      {}\n\n", expectation.text,
                 result.file, at.line, at.column, quote_line(result.text, at), expectation.text,
                 outcome.seen);
}

// Violations that the scenario asks for are its lesson and are shown too.
void write_lessons(Out out, const RunResult& result) {
  for (const ExpectationOutcome& outcome : result.expectations) {
    if (outcome.expectation.kind != ExpectationKind::kViolates || !outcome.met) continue;
    for (const std::string& id : outcome.expectation.ids) {
      fmt::format_to(out, "\n");
      write_block(out, result, "violated, as expected:", id, nullptr);
    }
  }
}

std::size_t met(const RunResult& result) {
  return static_cast<std::size_t>(
      std::ranges::count_if(result.expectations, &ExpectationOutcome::met));
}

void write_closing(Out out, const RunResult& result) {
  fmt::format_to(out, "  {}  {} of {} expectations  {} events  {} simulated\n",
                 result.passed() ? "passed" : "FAILED", met(result), result.expectations.size(),
                 result.events, sim::to_string(result.end));
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
                     result.passed() ? "ok" : "FAILED", result.file, met(result),
                     result.expectations.size(), pause.empty() ? "none" : pause,
                     result.fingerprint.substr(0, 8));
}

std::string format_story(const RunResult& result, bool verbose) {
  std::string text;
  Out out(text);
  fmt::format_to(out, "{}\n{}\n", result.title, kVision);
  fmt::format_to(out, "  scenario  {}  seed {}\n  host      {}\n  kernels   {}\n\n", result.file,
                 result.seed, result.host, fmt::join(result.kernels, "; "));
  if (verbose) {
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
  Out out(text);
  for (const ExpectationOutcome& outcome : result.expectations) {
    if (!outcome.met) write_failure(out, result, outcome);
  }
  if (!text.empty()) {
    fmt::format_to(out, "  again     baton run {} --seed {}\n", result.file, result.seed);
  }
  return text;
}

std::string format_summary(std::span<const RunResult> results) {
  const auto passed = std::ranges::count_if(results, &RunResult::passed);
  const auto failed = static_cast<std::ptrdiff_t>(results.size()) - passed;
  return fmt::format("{} {}: {} ok, {} failed\n", results.size(),
                     results.size() == 1 ? "run" : "runs", passed, failed);
}

}  // namespace baton::harness
