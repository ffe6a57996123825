#include "harness/run/judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/scenario/presets.h"

namespace baton::harness {
namespace {

ExpectationOutcome judge_invariants(const Expectation& expectation, const Findings& findings) {
  const bool wanted = expectation.kind == ExpectationKind::kViolates;
  ExpectationOutcome outcome{expectation, true, ""};
  for (const std::string& id : expectation.ids) {
    const std::uint64_t count = findings.count(id);
    if ((count != 0) == wanted) continue;
    outcome.met = false;
    if (!outcome.seen.empty()) outcome.seen += "; ";
    outcome.seen += count == 0 ? fmt::format("{} holds", id)
                               : fmt::format("{} is violated {} times", id, count);
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
                                      : judge_invariants(expectation, findings));
  }
}

}  // namespace baton::harness
