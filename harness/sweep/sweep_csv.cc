// The table of a sweep's runs as CSV, and the table of report kinds.

#include <fmt/format.h>

#include <array>

#include "harness/report/escape.h"
#include "harness/scenario/invariant_rows.h"
#include "harness/sweep/sweep_report.h"

namespace baton::harness {
namespace {

std::string field(std::string_view text) {
  const std::string clean = clean_utf8(text);
  if (clean.find_first_of(",\"\r\n") == std::string::npos) return clean;
  std::string out(1, '"');
  for (const char c : clean) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
  return out;
}

// Several in one field, with spaces between them.
template <class Rows>
std::string ids(const Rows& rows) {
  std::string text;
  for (const auto& row : rows) text += fmt::format("{}{}", text.empty() ? "" : " ", row.id);
  return text;
}

std::string outcome_text(const FunctionOutcome& outcome) {
  std::string text = fmt::format("{}={}", outcome.device, outcome.unharmed() ? "unharmed" : "");
  for (const HarmSeen& harm : outcome.harms) {
    text += fmt::format("{}{}", text.back() == '=' ? "" : "+", row_of(harm.harm).id);
  }
  return text;
}

constexpr std::array kKinds{
    SweepReportKind{"json", format_sweep_json}, SweepReportKind{"csv", format_sweep_csv},
    SweepReportKind{"markdown", format_sweep_markdown}, SweepReportKind{"svg", format_sweep_svg},
    SweepReportKind{"html", format_sweep_html}};

}  // namespace

std::span<const SweepReportKind> sweep_report_kinds() { return kKinds; }

std::string format_sweep_csv(const SweepResult& result) {
  const SweepPlan& plan = result.plan;
  std::string out = "run";
  for (const Dimension& dimension : plan.dimensions)
    out += fmt::format(",{}", field(dimension.name));
  out += ",seed,verdict,failed,violated,functions";
  for (const MeasureRow& row : measure_rows()) {
    out += fmt::format(",{}{}", row.id, row.unit == MeasureUnit::kDuration ? "_ps" : "");
  }
  out += ",events,end_ps,fingerprint,token\r\n";
  for (const RunRow& row : result.rows) {
    const std::size_t cell = plan.cell_of(row.run);
    out += fmt::to_string(row.run);
    for (std::size_t i = 0; i < plan.dimensions.size(); ++i)
      out += fmt::format(",{}", field(plan.label(cell, i)));
    std::string functions;
    for (const FunctionOutcome& one : row.functions) {
      functions += fmt::format("{}{}", functions.empty() ? "" : " ", outcome_text(one));
    }
    out += fmt::format(",{},{},{},{},{}", plan.seed_of(row.run), name(row.verdict),
                       field(ids(row.failed)), field(ids(row.violated)), field(functions));
    for (const MeasureRow& measure : measure_rows()) {
      const auto found = std::ranges::find(row.measurements, measure.id, &Measurement::id);
      out.push_back(',');
      if (found != row.measurements.end()) out += fmt::to_string(found->value);
    }
    out += fmt::format(",{},{},{},{}\r\n", row.events, row.end_ps, row.fingerprint, row.token);
  }
  return out;
}

}  // namespace baton::harness
