#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "harness/report/cases.h"
#include "harness/report/ci_reports.h"
#include "harness/report/json_text.h"
#include "harness/scenario/invariant_rows.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

constexpr std::string_view kSchema =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

json::object message(std::string_view text) { return {{"text", text}}; }

json::object rule(std::string_view id, std::string_view sentence, std::string_view help) {
  return {{"id", id},
          {"shortDescription", message(sentence)},
          {"help", message(help.empty() ? sentence : help)}};
}

// Every invariant and measure, whether or not it failed, so that indices are the same in each file.
json::array rules() {
  json::array result;
  for (const InvariantRow& row : invariant_rows()) {
    result.emplace_back(rule(row.id, row.sentence, fmt::format("{} {}", row.text, row.source)));
  }
  for (const MeasureRow& row : measure_rows()) {
    result.emplace_back(rule(row.id, row.sentence, ""));
  }
  result.emplace_back(rule("run", "The run comes to a verdict.", ""));
  return result;
}

json::object location(const RunResult& result, const Case& one) {
  const Position at = one.at.source == 0 ? one.at : Position{1, 1, 1};
  const json::object region{{"startLine", std::max(1U, at.line)},
                            {"startColumn", std::max(1U, at.column)},
                            {"endColumn", std::max(1U, at.column) + std::max(1U, at.length)}};
  return {
      {"physicalLocation",
       json::object{{"artifactLocation", json::object{{"uri", result.file}}}, {"region", region}}}};
}

json::object result_object(const RunResult& result, const Case& one) {
  return {{"ruleId", one.id},
          {"level", "error"},
          {"message", message(one.title + "\n" + one.details)},
          {"locations", json::array{location(result, one)}},
          {"partialFingerprints",
           json::object{{"batonCase/v1", fmt::format("{}/{}", result.digest, one.name)}}},
          {"properties", json::object{{"token", result.token},
                                      {"fingerprint", result.fingerprint},
                                      {"seed", result.seed}}}};
}

}  // namespace

std::string format_sarif(std::span<const RunResult> results) {
  json::array found;
  bool bug = false;
  for (const RunResult& result : results) {
    bug = bug || !result.bug.empty();
    for (const Case& one : cases_of(result)) {
      const bool failed = one.outcome == Outcome::kFailed || one.outcome == Outcome::kBug;
      if (failed) found.emplace_back(result_object(result, one));
    }
  }
  const json::object driver{{"name", "baton"}, {"rules", rules()}};
  const json::object run{{"tool", json::object{{"driver", driver}}},
                         {"invocations", json::array{json::object{{"executionSuccessful", !bug}}}},
                         {"results", std::move(found)}};
  return json_text(
      json::object{{"$schema", kSchema}, {"version", "2.1.0"}, {"runs", json::array{run}}});
}

}  // namespace baton::harness
