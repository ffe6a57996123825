// How the run was judged, and what stands behind it: expectations, invariants with their counts,
// measurements, what the guests counted, how well founded what was used is.
#include <algorithm>

#include "harness/report/html_sections.h"
#include "harness/report/html_writer.h"
#include "harness/report/verdict.h"
#include "harness/scenario/invariant_rows.h"

namespace baton::harness {
namespace {

void expectations(Html& html, const RunResult& result) {
  if (result.expectations.empty()) return;
  html.raw(
      "<h4>Expectations</h4><div class=\"scroll\"><table><thead><tr><th scope=\"col\">"
      "expected</th><th scope=\"col\">verdict</th><th scope=\"col\">seen</th></tr></thead>"
      "<tbody>");
  for (const ExpectationOutcome& outcome : result.expectations) {
    html.raw("<tr><th scope=\"row\" class=\"mono\">").t(outcome.expectation.text).raw("</th>");
    html.cell(outcome.met ? "met" : "missed", outcome.met ? "ok" : "no");
    html.cell(outcome.seen).raw("</tr>");
  }
  html.raw("</tbody></table></div>");
}

void invariants(Html& html, const RunResult& result) {
  html.raw(
      "<h4>Invariants</h4><div class=\"scroll\"><table><thead><tr><th scope=\"col\">"
      "invariant</th><th scope=\"col\">promise</th><th scope=\"col\">verdict</th>"
      "<th scope=\"col\" class=\"num\">checks</th>"
      "<th scope=\"col\" class=\"num\">violations</th></tr></thead><tbody>");
  for (const InvariantVerdict& verdict : result.verdicts) {
    const InvariantRow* const row = invariant_row(verdict.id);
    const PromiseVerdict said = verdict_of(verdict);
    html.raw("<tr><th scope=\"row\" class=\"mono\">").t(verdict.id).raw("</th>");
    html.cell(row == nullptr ? "" : row->sentence);
    html.cell(name(said), said == PromiseVerdict::kHeld       ? "ok"
                          : said == PromiseVerdict::kViolated ? "no"
                                                              : "dim");
    html.cell(fmt::format("{}", verdict.checks), "num");
    html.cell(fmt::format("{}", verdict.violations),
              said == PromiseVerdict::kViolated ? "num red" : "num")
        .raw("</tr>");
  }
  html.raw("</tbody></table></div>");
}

void measurements(Html& html, const RunResult& result) {
  html.raw(
      "<h4>Measurements</h4><div class=\"scroll\"><table><thead><tr><th scope=\"col\">measure"
      "</th><th scope=\"col\" class=\"num\">value</th><th scope=\"col\">what it is</th></tr>"
      "</thead><tbody>");
  for (const Measurement& measurement : result.measurements) {
    const MeasureRow* const row = measure_row(measurement.id);
    html.raw("<tr><th scope=\"row\" class=\"mono\">").t(measurement.id).raw("</th>");
    html.cell(format_measurement(measurement), "num");
    html.cell(row == nullptr ? "" : row->sentence).raw("</tr>");
  }
  html.raw("</tbody></table></div>");
}

constexpr std::size_t kPausesTold = 8;

std::string share_text(sim::Duration part, sim::Duration whole) {
  const std::int64_t mille = part.ps() / std::max<std::int64_t>(1, whole.ps() / 1000);
  return fmt::format("{}.{}%", mille / 10, mille % 10);
}

void pause(Html& html, const PausePath& path) {
  html.raw("<h4>").t(fmt::format("Pause of {}: {} from {}{}", path.vm,
                                 sim::to_string(path.length()), sim::to_string(path.from),
                                 path.resumed ? "" : ", still paused at the end"));
  html.raw(
      "</h4><div class=\"scroll\"><table><thead><tr><th scope=\"col\">phase</th>"
      "<th scope=\"col\" class=\"num\">kernel</th><th scope=\"col\">subsystem</th>"
      "<th scope=\"col\">device, file or step</th><th scope=\"col\">bounded by</th>"
      "<th scope=\"col\" class=\"num\">time</th><th scope=\"col\" class=\"num\">share</th>"
      "<th scope=\"col\" class=\"num\">times</th></tr></thead><tbody>");
  for (const PathPart& part : folded(path).parts) {
    html.raw("<tr>").cell(part.phase).cell(fmt::format("{}", part.generation), "num");
    html.cell(part.subsystem).cell(part.device).cell(part.bound);
    html.cell(sim::to_string(part.time), "num").cell(share_text(part.time, path.length()), "num");
    html.cell(fmt::format("{}", part.pieces), "num").raw("</tr>");
  }
  html.raw("</tbody></table></div>");
}

void differences(Html& html, const RunResult& result) {
  if (result.differences.empty()) return;
  html.raw(
      "<h4>Beside a run without the live update</h4><div class=\"scroll\"><table><thead><tr>"
      "<th scope=\"col\">who</th><th scope=\"col\" class=\"num\">at</th>"
      "<th scope=\"col\">what differs</th><th scope=\"col\">verdict</th></tr></thead><tbody>");
  for (const DifferenceRow& row : result.differences) {
    html.raw("<tr><th scope=\"row\">").t(row.who).raw("</th>");
    html.cell(sim::to_string(row.time), "num")
        .cell(row.more == 0 ? row.text
                            : fmt::format("{}, and {} more of that kind", row.text, row.more));
    html.cell(row.excuse.empty() ? "violation" : row.excuse, row.excuse.empty() ? "no" : "ok");
    html.raw("</tr>");
  }
  html.raw("</tbody></table></div>");
}

void lines(Html& html, std::string_view head, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  html.raw("<h4>").t(head).raw("</h4><ul>");
  for (const std::string& text : texts) html.raw("<li>").t(text).raw("</li>");
  html.raw("</ul>");
}

}  // namespace

std::string html_pauses(const RunResult& result, const std::string& id) {
  if (result.pauses.empty()) return {};
  Html html;
  html.add("<section id=\"{}-pauses\"><h3>What the pauses are made of</h3>", id);
  html.raw(
      "<p class=\"lead\">From the instant at which a guest's vCPU stopped to the one at which "
      "it went on; the parts add up to the pause exactly.</p>");
  for (std::size_t i = 0; i < std::min(kPausesTold, result.pauses.size()); ++i) {
    pause(html, result.pauses[i]);
  }
  if (result.pauses.size() > kPausesTold) {
    html.add("<p class=\"dim\">{} more pauses are in the JSON report.</p>",
             result.pauses.size() - kPausesTold);
  }
  html.raw("</section>");
  return html.take();
}

std::string html_judgement(const RunResult& result, const std::string& id) {
  Html html;
  html.add("<section id=\"{}-judgement\"><h3>Judgement</h3>", id);
  expectations(html, result);
  invariants(html, result);
  measurements(html, result);
  lines(html, "What the guests counted", result.guests);
  lines(html, "Notes", result.notes);
  differences(html, result);
  if (!result.standings.empty()) {
    html.raw(
        "<h4>What this rests on</h4><p class=\"lead\">Each thing that the run used, once, by "
        "how well founded it is.</p><dl class=\"facts\">");
    for (const StandingCount& count : result.standings) {
      html.raw("<dt>").t(count.standing).add(" ({})</dt><dd>", count.things.size());
      html.t(fmt::format("{}", fmt::join(count.things, ", "))).raw("</dd>");
    }
    html.raw("</dl>");
  }
  html.raw("</section>");
  return html.take();
}

}  // namespace baton::harness
