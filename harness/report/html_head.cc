#include <algorithm>

#include "harness/report/html_sections.h"
#include "harness/report/html_writer.h"
#include "harness/scenario/invariant_rows.h"

namespace baton::harness {
namespace {

constexpr std::string_view kVision =
    "Preset vision is a design target: no such kernel exists. What follows is the behaviour of a "
    "proposal.";

std::string_view verdict_style(const RunResult& result) {
  if (result.passed()) return "";
  return result.interrupted || result.stopped ? "unknown" : "failed";
}

std::string_view verdict_word(const RunResult& result) {
  if (result.passed()) return "PASSED";
  if (!result.bug.empty()) return "BUG IN BATON";
  if (result.stopped) return "STOPPED";
  return result.interrupted ? "INTERRUPTED" : "FAILED";
}

void row(Html& html, std::string_view name, std::string_view value) {
  html.raw("<dt>").t(name).raw("</dt><dd>").t(value).raw("</dd>");
}

void cards(Html& html, const RunResult& result) {
  html.raw("<dl class=\"cards\">");
  for (const Measurement& measurement : result.measurements) {
    const MeasureRow* const known = measure_row(measurement.id);
    const bool missed = std::ranges::any_of(result.expectations, [&](const auto& outcome) {
      return !outcome.met && outcome.expectation.kind == ExpectationKind::kMeasure &&
             std::ranges::find(outcome.expectation.ids, measurement.id) !=
                 outcome.expectation.ids.end();
    });
    html.add("<div{}><dt title=\"", missed ? " class=\"missed\"" : "");
    html.t(known == nullptr ? "" : known->sentence).raw("\">");
    std::string name = measurement.id;
    std::ranges::replace(name, '_', ' ');
    html.t(name).raw("</dt><dd>").t(format_measurement(measurement)).raw("</dd></div>");
  }
  html.raw("</dl>");
}

}  // namespace

std::string html_head(const RunResult& result, const std::string& id, bool only) {
  Html html;
  const std::string_view style = verdict_style(result);
  html.add("<header class=\"verdict {}\" id=\"{}-verdict\">", style, id);
  html.add("<span class=\"badge {}\">{}</span>", style, verdict_word(result));
  html.add("<div><{0}>", only ? "h1" : "h2").t(result.title).add("</{}>", only ? "h1" : "h2");
  html.raw("<p class=\"where mono\">").t(result.file).raw("</p></div></header>");
  if (std::ranges::any_of(result.kernels, [](const std::string& kernel) {
        return kernel.find("vision") != std::string::npos;
      })) {
    html.raw("<p class=\"notice\">").t(kVision).raw("</p>");
  }
  if (!result.bug.empty()) html.raw("<p class=\"notice\">").t(result.bug).raw("</p>");
  html.raw("<dl class=\"facts\">");
  if (!result.token.empty()) {
    const std::string command = "baton replay " + result.token;
    html.raw("<dt>replay</dt><dd class=\"token\"><code>").t(command);
    html.raw("</code><button type=\"button\" class=\"needs-script\" data-copy=\"").t(command);
    html.raw("\">Copy</button></dd>");
  }
  row(html, "seed", fmt::format("{}", result.seed));
  for (const std::string& setting : result.overrides) row(html, "set", setting);
  row(html, "host", result.host);
  for (const std::string& kernel : result.kernels) row(html, "kernel", kernel);
  row(html, "fingerprint",
      fmt::format("{} over {} events, {} simulated", result.fingerprint, result.events,
                  sim::to_string(result.end)));
  html.raw("</dl>");
  cards(html, result);
  return html.take();
}

}  // namespace baton::harness
