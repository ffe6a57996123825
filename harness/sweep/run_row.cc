#include "harness/sweep/run_row.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "harness/report/cases.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 3> kVerdicts{"ok", "failed", "bug"};
constexpr std::uint64_t kTimeMax = INT64_MAX;

// Of the first violation of an invariant that the run kept.
std::uint64_t event_of(const RunResult& result, std::string_view id) {
  const auto found = std::ranges::find(result.violations, id, &Violation::id);
  return found == result.violations.end() || found->at_end ? 0 : found->event;
}

json::value function_value(const FunctionOutcome& outcome) {
  json::array harms;
  for (const HarmSeen& harm : outcome.harms) {
    harms.push_back(json::object{
        {"class", row_of(harm.harm).id}, {"time_ps", harm.time.ps()}, {"phase", harm.phase}});
  }
  return json::object{{"device", outcome.device},
                      {"before", outcome.before},
                      {"after", outcome.after},
                      {"harms", std::move(harms)}};
}

FunctionOutcome read_function(const JsonField& field) {
  FunctionOutcome outcome{
      field.at("device").text(), field.at("before").text(), field.at("after").text(), {}};
  for (const JsonField& item : field.at("harms").items()) {
    const HarmRow* row = harm_row(item.at("class").text());
    if (row == nullptr) {
      item.fail("no such class of harm");
      continue;
    }
    const auto time = static_cast<std::int64_t>(item.at("time_ps").number(kTimeMax));
    outcome.harms.push_back(
        {row->harm, sim::Time() + sim::Duration::picoseconds(time), item.at("phase").text()});
  }
  return outcome;
}

}  // namespace

std::string_view name(RunVerdict verdict) { return kVerdicts[static_cast<std::size_t>(verdict)]; }

std::uint64_t RunRow::events_to_failure() const {
  std::uint64_t first = events;
  for (const FailedCase& one : failed) {
    if (one.event != 0) first = std::min(first, one.event);
  }
  for (const ViolatedInvariant& one : violated) {
    if (one.event != 0) first = std::min(first, one.event);
  }
  return first;
}

RunRow make_run_row(std::uint64_t run, const RunResult& result) {
  RunRow row;
  row.run = run;
  row.verdict = !result.bug.empty() ? RunVerdict::kBug
                : result.passed()   ? RunVerdict::kOk
                                    : RunVerdict::kFailed;
  for (const Case& one : cases_of(result)) {
    if (one.outcome == Outcome::kFailed) {
      row.failed.push_back({one.id, one.name, event_of(result, one.id)});
    }
  }
  for (const InvariantVerdict& verdict : result.verdicts) {
    if (verdict.violations == 0) continue;
    row.violated.push_back({verdict.id, verdict.violations, event_of(result, verdict.id)});
  }
  row.measurements = result.measurements;
  row.events = result.events;
  row.end_ps = static_cast<std::uint64_t>((result.end - sim::Time()).ps());
  row.fingerprint = result.fingerprint;
  row.token = result.token;
  row.bug = result.bug;
  return row;
}

json::object run_row_value(const RunRow& row) {
  json::object value{{"run", row.run}, {"verdict", name(row.verdict)}};
  json::array failed;
  for (const FailedCase& one : row.failed) {
    failed.push_back(json::object{{"id", one.id}, {"case", one.name}, {"event", one.event}});
  }
  json::array violated;
  for (const ViolatedInvariant& one : row.violated) {
    violated.push_back(json::object{{"id", one.id}, {"count", one.count}, {"event", one.event}});
  }
  json::object measurements;
  for (const Measurement& one : row.measurements) measurements[one.id] = one.value;
  json::array functions;
  for (const FunctionOutcome& one : row.functions) functions.push_back(function_value(one));
  value["failed"] = std::move(failed);
  value["violated"] = std::move(violated);
  value["measurements"] = std::move(measurements);
  value["events"] = row.events;
  value["end_ps"] = row.end_ps;
  value["fingerprint"] = row.fingerprint;
  value["token"] = row.token;
  if (!row.bug.empty()) value["bug"] = row.bug;
  value["marks"] = json::value_from(row.marks);
  value["functions"] = std::move(functions);
  return value;
}

RunRow read_run_row(const JsonField& field) {
  RunRow row;
  row.run = field.at("run").number();
  const JsonField verdict = field.at("verdict");
  const std::string word = verdict.text();
  const auto known = std::ranges::find(kVerdicts, word);
  if (known == kVerdicts.end()) {
    verdict.fail("ok, failed or bug is expected");
  } else {
    row.verdict = static_cast<RunVerdict>(known - kVerdicts.begin());
  }
  for (const JsonField& one : field.at("failed").items()) {
    row.failed.push_back({one.at("id").text(), one.at("case").text(), one.at("event").number()});
  }
  for (const JsonField& one : field.at("violated").items()) {
    row.violated.push_back(
        {one.at("id").text(), one.at("count").number(), one.at("event").number()});
  }
  for (const auto& [id, value] : field.at("measurements").members()) {
    row.measurements.push_back({id, value.number()});
  }
  row.events = field.at("events").number();
  row.end_ps = field.at("end_ps").number(kTimeMax);
  row.fingerprint = field.at("fingerprint").text();
  row.token = field.at("token").text();
  if (const auto bug = field.maybe("bug")) row.bug = bug->text();
  for (const JsonField& mark : field.at("marks").items()) row.marks.push_back(mark.text());
  for (const JsonField& one : field.at("functions").items()) {
    row.functions.push_back(read_function(one));
  }
  return row;
}

}  // namespace baton::harness
