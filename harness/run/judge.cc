#include "harness/run/judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/report/verdict.h"
#include "harness/scenario/presets.h"

namespace baton::harness {
namespace {

// What was seen instead of what is expected of this invariant; empty: it is as expected.
std::string missed(const Expectation& expectation, const std::string& id, const RunResult& result,
                   const Findings& findings) {
  const bool wanted = expectation.kind == ExpectationKind::kViolates;
  const std::uint64_t count = findings.count(id);
  if (count != 0) {
    return wanted ? std::string() : fmt::format("{} is violated {} times", id, count);
  }
  std::string silent = not_shown(result, expectation, id);
  if (!wanted) return silent;
  return silent.empty() ? fmt::format("{} holds", id) : silent;
}

ExpectationOutcome judge_invariants(const Expectation& expectation, const RunResult& result,
                                    const Findings& findings) {
  ExpectationOutcome outcome{expectation, true, ""};
  for (const std::string& id : expectation.ids) {
    const std::string seen = missed(expectation, id, result, findings);
    if (seen.empty()) continue;
    outcome.met = false;
    if (!outcome.seen.empty()) outcome.seen += "; ";
    outcome.seen += seen;
  }
  return outcome;
}

ExpectationOutcome judge_measure(const Expectation& expectation, const RunResult& result) {
  ExpectationOutcome outcome{expectation, false, "not measured"};
  const auto found =
      std::ranges::find(result.measurements, expectation.ids.front(), &Measurement::id);
  if (found == result.measurements.end()) return outcome;
  outcome.seen = format_measurement(*found);
  outcome.met = (!expectation.below || found->value < *expectation.below) &&
                (!expectation.above || found->value > *expectation.above);
  return outcome;
}

}  // namespace

void judge(RunResult& result, const Scenario& scenario,
           std::span<const std::unique_ptr<Checker>> checkers, const Findings& findings) {
  for (const auto& checker : checkers) {
    result.verdicts.push_back({std::string(checker->id()), findings.count(checker->id()),
                               checker->checks(),
                               std::string(not_promised(scenario, checker->id()))});
  }
  result.violations = findings.kept();
  for (const Expectation& expectation : scenario.expect) {
    result.expectations.push_back(expectation.kind == ExpectationKind::kMeasure
                                      ? judge_measure(expectation, result)
                                      : judge_invariants(expectation, result, findings));
  }
}

}  // namespace baton::harness
