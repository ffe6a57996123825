#include "harness/report/json_report.h"

#include <boost/json.hpp>

#include "harness/report/cases.h"
#include "harness/report/json_text.h"
#include "harness/report/verdict.h"
#include "harness/scenario/invariant_rows.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

constexpr int kFormatVersion = 1;

template <class Rows, class ToValue>
json::array array_of(const Rows& rows, ToValue to_value) {
  json::array result;
  for (const auto& row : rows) result.emplace_back(to_value(row));
  return result;
}

json::value text_value(const std::string& text) { return json::value(text); }

json::value phase_value(const PhaseRow& row) {
  return json::object{{"phase", row.name},
                      {"kernel", row.generation},
                      {"from_ps", row.from.ps()},
                      {"to_ps", row.to.ps()},
                      {"dma_bytes", row.dma_bytes},
                      {"dma_requests", row.dma_requests},
                      {"dma_refused", row.dma_refused}};
}

json::value verdict_value(const InvariantVerdict& verdict) {
  return json::object{{"id", verdict.id},
                      {"verdict", name(verdict_of(verdict))},
                      {"holds", verdict.violations == 0},
                      {"violations", verdict.violations},
                      {"checks", verdict.checks},
                      {"not_promised", verdict.not_promised}};
}

json::value violation_value(const Violation& violation) {
  const auto link_value = [](const ChainLink& link) -> json::value {
    return json::object{{"event", link.event}, {"time_ps", link.time.ps()}, {"text", link.text}};
  };
  const auto change_value = [](const StateChange& change) -> json::value {
    return json::object{{"what", change.what}, {"before", change.before}, {"after", change.after}};
  };
  return json::object{{"id", violation.id},
                      {"event", violation.event},
                      {"time_ps", violation.time.ps()},
                      {"device", violation.device},
                      {"subject", violation.subject},
                      {"expected", violation.expected},
                      {"seen", violation.seen},
                      {"chain", array_of(violation.chain, link_value)},
                      {"changes", array_of(violation.changes, change_value)}};
}

json::value measurement_value(const Measurement& measurement) {
  const MeasureRow* row = measure_row(measurement.id);
  const MeasureUnit unit = row == nullptr ? MeasureUnit::kCount : row->unit;
  const char* unit_name = unit == MeasureUnit::kDuration ? "ps"
                          : unit == MeasureUnit::kBytes  ? "bytes"
                                                         : "count";
  return json::object{{"id", measurement.id}, {"value", measurement.value}, {"unit", unit_name}};
}

json::value expectation_value(const ExpectationOutcome& outcome) {
  return json::object{{"expectation", outcome.expectation.text},
                      {"line", outcome.expectation.at.line},
                      {"column", outcome.expectation.at.column},
                      {"met", outcome.met},
                      {"seen", outcome.seen}};
}

std::string_view word(Outcome outcome) {
  switch (outcome) {
    case Outcome::kMet:
      return "met";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kUnchecked:
      return "unchecked";
    case Outcome::kUnknown:
      return "unknown";
    case Outcome::kBug:
      break;
  }
  return "bug";
}

json::value case_value(const Case& one) {
  return json::object{{"name", one.name},
                      {"id", one.id},
                      {"outcome", word(one.outcome)},
                      {"title", one.title},
                      {"details", one.details}};
}

json::value standing_value(const StandingCount& count) {
  return json::object{{"standing", count.standing}, {"things", array_of(count.things, text_value)}};
}

json::value stage_value(const StageFacts& stage) {
  return json::object{{"jumped", stage.jumped},
                      {"device_handed_over", stage.device_handed_over},
                      {"device_retrieved", stage.device_retrieved},
                      {"device_taken_over", stage.device_taken_over},
                      {"resets", stage.resets},
                      {"stopped_by", stage.stopped_by},
                      {"interrupts_at_freeze", stage.interrupts_at_freeze},
                      {"interrupts_at_jump", stage.interrupts_at_jump},
                      {"interrupts_at_end", stage.interrupts_at_end},
                      {"works_at_end", stage.works_at_end},
                      {"refusals", array_of(stage.refusals, text_value)},
                      {"sessions_finished", stage.sessions_finished}};
}

json::value difference_value(const DifferenceRow& row) {
  return json::object{
      {"id", row.id},     {"who", row.who},       {"event", row.event}, {"time_ps", row.time.ps()},
      {"text", row.text}, {"excuse", row.excuse}, {"more", row.more}};
}

json::value run_value(const RunResult& result) {
  return json::object{{"scenario", result.file},
                      {"title", result.title},
                      {"seed", result.seed},
                      {"digest", result.digest},
                      {"token", result.token},
                      {"set", array_of(result.overrides, text_value)},
                      {"passed", result.passed()},
                      {"given_up", result.given_up},
                      {"interrupted", result.interrupted},
                      {"bug", result.bug},
                      {"host", result.host},
                      {"kernels", array_of(result.kernels, text_value)},
                      {"end_ps", result.end.ps()},
                      {"events", result.events},
                      {"fingerprint", result.fingerprint},
                      {"phases", array_of(result.phases, phase_value)},
                      {"invariants", array_of(result.verdicts, verdict_value)},
                      {"violations", array_of(result.violations, violation_value)},
                      {"measurements", array_of(result.measurements, measurement_value)},
                      {"guests", array_of(result.guests, text_value)},
                      {"expectations", array_of(result.expectations, expectation_value)},
                      {"cases", array_of(cases_of(result), case_value)},
                      {"stage", stage_value(result.stage)},
                      {"standing", array_of(result.standings, standing_value)},
                      {"notes", array_of(result.notes, text_value)},
                      {"pauses", critical_path_value(result.pauses)},
                      {"differences", array_of(result.differences, difference_value)}};
}

}  // namespace

std::string format_json(std::span<const RunResult> results) {
  return json_text(json::object{{"baton", kFormatVersion}, {"runs", array_of(results, run_value)}});
}

}  // namespace baton::harness
