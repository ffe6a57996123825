// ledger, timeline and critical path.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "harness/report/run_result.h"
#include "harness/show/views.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

std::string step_text(const LedgerStep& step) {
  std::string text = fmt::format("{} by kernel {} at {}", name(step.deed), step.generation,
                                 sim::to_string(step.from));
  if (step.to != step.from) text += fmt::format("-{}", sim::to_string(step.to));
  return text;
}

std::string pages_text(sim::PhysRange pages) {
  if (pages.length == 0) return "";
  return fmt::format(" {:#x}+{}", pages.start.value(), format_bytes(pages.length));
}

std::string ledger_text(const std::vector<LedgerRow>& rows) {
  std::string text;
  for (const LedgerRow& row : rows) {
    text += fmt::format("{:<11} {:<10} {}{}{}\n", name(row.fate), row.kind, row.what,
                        row.id.empty() ? "" : ", " + row.id, pages_text(row.pages));
    for (const LedgerStep& step : row.steps) text += fmt::format("    {}\n", step_text(step));
    if (!row.reached_by.empty()) {
      text += fmt::format("    reached by {}\n", fmt::join(row.reached_by, ", "));
    }
  }
  return text;
}

std::string ledger_json(const std::vector<LedgerRow>& rows) {
  json::array values;
  for (const LedgerRow& row : rows) {
    json::array steps;
    for (const LedgerStep& step : row.steps) {
      steps.emplace_back(json::object{{"did", name(step.deed)},
                                      {"kernel", step.generation},
                                      {"from_ps", step.from.ps()},
                                      {"to_ps", step.to.ps()}});
    }
    json::array reached;
    for (const std::string& device : row.reached_by) reached.emplace_back(device);
    values.emplace_back(json::object{{"kind", row.kind},
                                     {"what", row.what},
                                     {"id", row.id},
                                     {"address", row.pages.start.value()},
                                     {"bytes", row.pages.length},
                                     {"fate", name(row.fate)},
                                     {"steps", std::move(steps)},
                                     {"reached_by", std::move(reached)}});
  }
  return json::serialize(values) + "\n";
}

}  // namespace

ShowResult show_ledger(const ShowContext& context, std::ostream& out) {
  const std::vector<LedgerRow> rows = context.ledger.rows();
  out << (context.format == "json" ? ledger_json(rows) : ledger_text(rows));
  return {};
}

ShowResult show_timeline(const ShowContext& context, std::ostream& out) {
  const std::vector<TimelineRow>& rows = context.timeline.rows();
  if (context.format == "json") {
    json::array values;
    for (const TimelineRow& row : rows) {
      values.emplace_back(json::object{{"time_ps", row.time.ps()},
                                       {"kernel", row.generation},
                                       {"kind", row.kind},
                                       {"text", row.text}});
    }
    out << json::serialize(values) << "\n";
    return {};
  }
  for (const TimelineRow& row : rows) {
    out << fmt::format("{:>14}  kernel {}  {:<8} {}\n", sim::to_string(row.time), row.generation,
                       row.kind, row.text);
  }
  return {};
}

ShowResult show_critical_path(const ShowContext& context, std::ostream& out) {
  const std::vector<PausePath> paths = context.critical_path.paths();
  if (paths.empty()) return std::unexpected(std::string("no guest has been paused yet"));
  out << (context.format == "json" ? format_critical_path_json(paths)
                                   : format_critical_path(paths));
  return {};
}

}  // namespace baton::harness
