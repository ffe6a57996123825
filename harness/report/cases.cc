#include "harness/report/cases.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/report/failure_report.h"
#include "harness/report/verdict.h"
#include "harness/scenario/invariant_rows.h"

namespace baton::harness {
namespace {

PromiseVerdict verdict_on(const RunResult& result, std::string_view id) {
  const auto found = std::ranges::find(result.verdicts, id, &InvariantVerdict::id);
  return found == result.verdicts.end() ? PromiseVerdict::kUnchecked : verdict_of(*found);
}

// One invariant of an expectation.
Case invariant_case(const RunResult& result, const ExpectationOutcome& outcome,
                    const std::string& id) {
  const Expectation& expectation = outcome.expectation;
  const bool wanted = expectation.kind == ExpectationKind::kViolates;
  Case one;
  one.name = fmt::format("{} {}", wanted ? "violates" : "holds", id);
  one.id = id;
  one.title = title_of(id);
  one.at = expectation.at;
  const PromiseVerdict verdict = verdict_on(result, id);
  const bool violated = verdict == PromiseVerdict::kViolated;
  if (violated == wanted && (wanted || not_shown(result, expectation, id).empty())) {
    if (verdict == PromiseVerdict::kUnchecked) {
      one.outcome = Outcome::kUnchecked;
      one.details = "nothing to check\n";
    }
    return one;
  }
  one.outcome = Outcome::kFailed;
  one.details = violated ? format_violation_failure(result, id, expectation.at)
                         : format_missed(result, outcome);
  return one;
}

Case measure_case(const RunResult& result, const ExpectationOutcome& outcome) {
  Case one;
  one.id = outcome.expectation.ids.empty() ? "measure" : outcome.expectation.ids.front();
  one.name = outcome.expectation.text;
  std::erase_if(one.name, [](char c) { return c == ':' || c == ','; });
  const MeasureRow* row = measure_row(one.id);
  one.title = row == nullptr ? one.id : fmt::format("{}  {}", one.id, row->sentence);
  one.at = outcome.expectation.at;
  if (!outcome.met) {
    one.outcome = Outcome::kFailed;
    one.details = format_missed(result, outcome);
  }
  return one;
}

Case whole_run(const RunResult& result, Outcome outcome, std::string details) {
  Case one;
  one.name = "run";
  one.id = "run";
  one.outcome = outcome;
  one.title = outcome == Outcome::kBug ? "a check of baton itself failed" : result.title;
  one.details = std::move(details);
  one.at = {1, 1, 1};
  return one;
}

}  // namespace

std::string title_of(const std::string& id) {
  const InvariantRow* row = invariant_row(id);
  return row == nullptr ? id : fmt::format("{}  {}", id, row->sentence);
}

std::vector<Case> cases_of(const RunResult& result) {
  if (!result.bug.empty()) {
    return {whole_run(
        result, Outcome::kBug,
        fmt::format("BUG in baton: {}\n  replay    {}\n", result.bug, replay_command(result, 0)))};
  }
  std::vector<Case> cases;
  for (const ExpectationOutcome& outcome : result.expectations) {
    if (outcome.expectation.kind == ExpectationKind::kMeasure) {
      cases.push_back(measure_case(result, outcome));
      continue;
    }
    for (const std::string& id : outcome.expectation.ids) {
      cases.push_back(invariant_case(result, outcome, id));
    }
  }
  if (result.interrupted || result.stopped) {
    for (Case& one : cases) {
      one.outcome = Outcome::kUnknown;
      one.details = result.interrupted ? "the run was interrupted\n" : "the run was stopped\n";
    }
  }
  // A scenario that expects nothing shows that it runs.
  if (cases.empty()) cases.push_back(whole_run(result, Outcome::kMet, ""));
  return cases;
}

}  // namespace baton::harness
