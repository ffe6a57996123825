#include "harness/report/html_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include <html_assets.h>

#include "harness/report/html_sections.h"
#include "harness/report/html_writer.h"

namespace baton::harness {
namespace {

// For the frame, the overview, and the telling that an event takes beyond its estimate.
constexpr std::size_t kReserved = 250'000;

// Rows of the overview; those that failed first.
constexpr std::size_t kListed = 500;

// Only what is in the file itself may be used.
constexpr std::string_view kPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

std::string run_id(std::size_t index) { return fmt::format("r{}", index + 1); }

void navigation(Html& html, const std::string& id, const RunResult& result) {
  html.raw("<nav class=\"bar\" aria-label=\"Sections\"><b>baton</b>");
  html.add("<a href=\"#{0}-verdict\">Verdict</a><a href=\"#{0}-story\">What happened</a>", id);
  if (html_failures(result, id).size() > 0)
    html.add("<a href=\"#{}-failure-1\">What went wrong</a>", id);
  html.add("<a href=\"#{0}-judgement\">Judgement</a>", id);
  if (!result.pauses.empty()) html.add("<a href=\"#{}-pauses\">Pauses</a>", id);
  if (result.record) {
    html.add("<a href=\"#{0}-ledger\">Ledger</a><a href=\"#{0}-topology\">Topology</a>", id);
    html.add("<a href=\"#{0}-writes\">Configuration writes</a>", id);
  }
  if (!result.transitions.rows.empty()) html.add("<a href=\"#{}-events\">Events</a>", id);
  html.raw("</nav>");
}

std::string one_run(const RunResult& result, const std::string& id, bool only, std::size_t budget) {
  Html html;
  html.add("<article class=\"run\" id=\"{}\">", id);
  html.raw(html_head(result, id, only)).raw(html_story(result, id));
  html.raw(html_failures(result, id)).raw(html_judgement(result, id));
  html.raw(html_pauses(result, id));
  html.raw(html_ledger(result, id)).raw(html_topology(result, id));
  html.raw(html_config_writes(result, id));
  const std::size_t left = budget - std::min(budget, html.size());
  html.raw(html_events(result, id, left)).raw("</article>");
  return html.take();
}

// The runs in the order in which they are worth telling: those that failed first.
std::vector<std::size_t> by_worth(std::span<const RunResult> results) {
  std::vector<std::size_t> order;
  for (const bool passed : {false, true}) {
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (results[i].passed() == passed) order.push_back(i);
    }
  }
  return order;
}

void overview(Html& html, std::span<const RunResult> results,
              const std::map<std::size_t, std::string>& told) {
  const auto failed =
      std::ranges::count_if(results, [](const auto& each) { return !each.passed(); });
  html.add("<header class=\"verdict {}\"><span class=\"badge {}\">{}</span><div><h1>",
           failed == 0 ? "" : "failed", failed == 0 ? "" : "failed",
           failed == 0 ? "PASSED" : "FAILED");
  html.add("{} runs, {} passed, {} failed</h1></div></header>", results.size(),
           static_cast<std::ptrdiff_t>(results.size()) - failed, failed);
  html.raw(
      "<section id=\"runs\"><h2>Runs</h2><div class=\"scroll\"><table><thead><tr>"
      "<th scope=\"col\">verdict</th><th scope=\"col\">scenario</th><th scope=\"col\">title"
      "</th><th scope=\"col\" class=\"num\">seed</th><th scope=\"col\" class=\"num\">guest "
      "pause</th><th scope=\"col\">fingerprint</th></tr></thead><tbody>");
  std::vector<std::size_t> listed = by_worth(results);
  const std::size_t left_out = listed.size() - std::min(listed.size(), kListed);
  listed.resize(listed.size() - left_out);
  std::ranges::sort(listed);
  for (const std::size_t i : listed) {
    const RunResult& result = results[i];
    html.raw("<tr>").cell(result.passed() ? "passed" : "failed", result.passed() ? "ok" : "no");
    html.cell(result.file, "mono").raw("<th scope=\"row\">");
    const bool linked = told.contains(i);
    if (linked) html.add("<a href=\"#{}\">", run_id(i));
    html.t(result.title).raw(linked ? "</a></th>" : "</th>");
    html.cell(fmt::format("{}", result.seed), "num");
    std::string pause;
    for (const Measurement& measurement : result.measurements) {
      if (measurement.id == "guest_pause") pause = format_measurement(measurement);
    }
    html.cell(pause, "num").cell(result.fingerprint.substr(0, 16), "mono").raw("</tr>");
  }
  html.raw("</tbody></table></div>");
  if (left_out != 0) html.add("<p class=\"dim\">{} more runs are not listed.</p>", left_out);
  html.raw("</section>");
}

// The articles of as many runs as there is room for, by their place in `results`.
std::map<std::size_t, std::string> tell(std::span<const RunResult> results) {
  const std::size_t wanted = std::min(results.size(), kHtmlRuns);
  std::size_t room = kHtmlMax - kReserved;
  std::map<std::size_t, std::string> articles;
  for (const std::size_t i : by_worth(results)) {
    if (articles.size() == wanted) break;
    const std::size_t share = room / (wanted - articles.size());
    std::string article = one_run(results[i], run_id(i), results.size() == 1, share);
    if (article.size() > room && !articles.empty()) break;
    room -= std::min(room, article.size());
    articles.emplace(i, std::move(article));
  }
  return articles;
}

}  // namespace

std::string html_page(std::string_view title, std::string_view navigation, std::string_view main) {
  Html html;
  html.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
  html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
  html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"").t(kPolicy).raw("\">");
  html.raw("<link rel=\"icon\" href=\"data:,\"><title>").t(title);
  html.raw("</title><style>\n").raw(kPageStyle).raw("</style></head><body>");
  html.raw("<a class=\"skip\" href=\"#main\">Skip to the report</a>");
  html.raw(navigation).raw("<main id=\"main\">").raw(main);
  html.raw(
      "<footer>Written by baton. The same scenario, seed and program give the same page, byte "
      "for byte.</footer></main><script>\n");
  html.raw(kPageScript).raw("</script></body></html>\n");
  return html.take();
}

std::string format_html(std::span<const RunResult> results) {
  const std::map<std::size_t, std::string> told = tell(results);
  const bool only = results.size() == 1;
  Html bar;
  if (only) {
    navigation(bar, run_id(0), results.front());
  } else {
    bar.raw("<nav class=\"bar\" aria-label=\"Sections\"><b>baton</b><a href=\"#runs\">Runs</a>");
    for (const auto& [i, article] : told) {
      bar.add("<a href=\"#{}\">", run_id(i)).t(results[i].title).raw("</a>");
    }
    bar.raw("</nav>");
  }
  Html main;
  if (!only) overview(main, results, told);
  for (const auto& [i, article] : told) main.raw(article);
  return html_page(
      only ? "baton: " + results.front().title : fmt::format("baton: {} runs", results.size()),
      bar.take(), main.take());
}

}  // namespace baton::harness
