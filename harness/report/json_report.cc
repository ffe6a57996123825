#include "harness/report/json_report.h"

#include <boost/json.hpp>

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
                      {"holds", verdict.violations == 0},
                      {"violations", verdict.violations},
                      {"checks", verdict.checks}};
}

json::value violation_value(const Violation& violation) {
  const auto link_value = [](const ChainLink& link) -> json::value {
    return json::object{{"time_ps", link.time.ps()}, {"text", link.text}};
  };
  return json::object{
      {"id", violation.id},           {"time_ps", violation.time.ps()},
      {"subject", violation.subject}, {"expected", violation.expected},
      {"seen", violation.seen},       {"chain", array_of(violation.chain, link_value)}};
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
                      {"met", outcome.met},
                      {"seen", outcome.seen}};
}

json::value standing_value(const StandingCount& count) {
  return json::object{{"standing", count.standing}, {"things", array_of(count.things, text_value)}};
}

json::value run_value(const RunResult& result) {
  return json::object{{"scenario", result.file},
                      {"title", result.title},
                      {"seed", result.seed},
                      {"passed", result.passed()},
                      {"interrupted", result.interrupted},
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
                      {"standing", array_of(result.standings, standing_value)},
                      {"notes", array_of(result.notes, text_value)}};
}

// One member or element a line; Boost.JSON itself writes everything on one.
void write(std::string& out, const json::value& value, std::size_t depth) {
  const std::string inner((depth + 1) * 2, ' ');
  const std::string outer(depth * 2, ' ');
  if (value.is_object() && !value.get_object().empty()) {
    const char* before = "{\n";
    for (const auto& [key, member] : value.get_object()) {
      out += before + inner + json::serialize(json::value(key)) + ": ";
      write(out, member, depth + 1);
      before = ",\n";
    }
    out += "\n" + outer + "}";
  } else if (value.is_array() && !value.get_array().empty()) {
    const char* before = "[\n";
    for (const json::value& element : value.get_array()) {
      out += before + inner;
      write(out, element, depth + 1);
      before = ",\n";
    }
    out += "\n" + outer + "]";
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string format_json(std::span<const RunResult> results) {
  const json::value document =
      json::object{{"baton", kFormatVersion}, {"runs", array_of(results, run_value)}};
  std::string out;
  write(out, document, 0);
  out.push_back('\n');
  return out;
}

}  // namespace baton::harness
