#include "harness/report/failure_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "harness/report/cases.h"
#include "harness/scenario/invariant_rows.h"

namespace baton::harness {
namespace {

using Out = std::back_insert_iterator<std::string>;

const Violation* first_violation(const RunResult& result, std::string_view id) {
  const auto found = std::ranges::find(result.violations, id, &Violation::id);
  return found == result.violations.end() ? nullptr : &*found;
}

std::string when_and_where(const RunResult& result, const Violation& violation) {
  std::string phase = "?";
  std::string kernel = "kernel ?";
  for (const PhaseRow& row : result.phases) {
    if (row.from > violation.time) break;
    phase = row.name;
    kernel = row.name == "kexec" || row.name == "reset" ? "no kernel"
                                                        : fmt::format("kernel {}", row.generation);
  }
  std::string text = fmt::format("{}, {}, phase {}, event {}", sim::to_string(violation.time),
                                 kernel, phase, violation.event);
  if (violation.at_end) text += ", the end of the run";
  if (!violation.device.empty()) text += fmt::format(", device {}", violation.device);
  return text;
}

void write_violation(Out out, const RunResult& result, const Violation& violation) {
  fmt::format_to(out, "  at        {}\n", when_and_where(result, violation));
  fmt::format_to(out, "  subject   {}\n  expected  {}\n  seen      {}\n", violation.subject,
                 violation.expected, violation.seen);
  const char* label = "chain";
  for (const ChainLink& link : violation.chain) {
    fmt::format_to(out, "  {:<9} {:>9} {:>14}  {}\n", label,
                   link.event == 0 ? std::string("-") : fmt::format("{}", link.event),
                   sim::to_string(link.time), link.text);
    label = "";
  }
  label = "diff";
  for (const StateChange& change : violation.changes) {
    fmt::format_to(out, "  {:<9} {}: {} -> {}\n", label, change.what, change.before, change.after);
    label = "";
  }
  if (const InvariantRow* row = invariant_row(violation.id)) {
    fmt::format_to(out, "  rule      {} {}\n  more      baton explain {}\n", row->sentence,
                   row->source, row->id);
  }
  fmt::format_to(out, "  replay    {}\n",
                 replay_command(result, violation.at_end ? 0 : violation.event));
}

}  // namespace

std::string shell_word(const std::string& text) {
  const bool plain = std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_./-+,:@").find(c) != std::string_view::npos;
  });
  if (plain) return text;
  std::string quoted(1, '\'');
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted.push_back(c);
    }
  }
  quoted.push_back('\'');
  return quoted;
}

std::string replay_command(const RunResult& result, std::uint64_t event) {
  std::string command = "baton replay " + result.token;
  const std::filesystem::path folder = std::filesystem::path(result.file).parent_path();
  if (!folder.empty() && folder != "scenarios")
    command += fmt::format(" {}", shell_word(result.file));
  if (event != 0) command += fmt::format(" --until {}", event);
  return command;
}

std::string place_text(const RunResult& result, Position at) {
  return fmt::format("{}:{}:{}", at.source == 0 ? result.file : "--set", at.line, at.column);
}

std::string quote(const RunResult& result, Position at, std::string_view note) {
  std::string_view text = result.text;
  if (at.source != 0) {
    if (at.source > result.overrides.size()) return {};
    text = result.overrides[at.source - 1];
  }
  for (unsigned line = 1; line < at.line; ++line) {
    const std::size_t newline = text.find('\n');
    if (newline == std::string_view::npos) return {};
    text.remove_prefix(newline + 1);
  }
  const std::string_view line = text.substr(0, text.find('\n'));
  const std::size_t start = at.column == 0 ? 0 : at.column - 1;
  return fmt::format("  {:4} | {}\n       | {}^{}{}\n", at.line, line,
                     std::string(std::min(start, line.size()), ' '), note.empty() ? "" : " ", note);
}

std::string format_violation_failure(const RunResult& result, const std::string& id, Position at) {
  std::string text;
  Out out(text);
  fmt::format_to(out, "FAIL  {}  {}\n{}", title_of(id), place_text(result, at),
                 quote(result, at, ""));
  for (const DefectPlace& defect : result.defects) {
    text += quote(result, defect.at, fmt::format("defect {} is switched on", defect.id));
  }
  if (const Violation* violation = first_violation(result, id)) {
    write_violation(out, result, *violation);
  }
  return text;
}

std::string format_missed(const RunResult& result, const ExpectationOutcome& outcome) {
  const Position at = outcome.expectation.at;
  return fmt::format("FAIL  {}  {}\n{}  expected  {}\n  seen      {}\n  replay    {}\n",
                     outcome.expectation.text, place_text(result, at), quote(result, at, ""),
                     outcome.expectation.text, outcome.seen, replay_command(result, 0));
}

std::string format_lesson(const RunResult& result, const std::string& id) {
  std::string text = fmt::format("violated, as expected:  {}\n", title_of(id));
  if (const Violation* violation = first_violation(result, id)) {
    write_violation(Out(text), result, *violation);
  }
  return text;
}

}  // namespace baton::harness
