// The page of a sweep: matrix of verdicts, measurements, failures, changes that flip a verdict,
// what became of each function. A cell of the matrix links to the groups of failures that it is in,
// and a group back to its cells. One file that asks nobody for anything, readable without scripts.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "harness/report/failure_report.h"
#include "harness/report/html_report.h"
#include "harness/report/html_writer.h"
#include "harness/scenario/invariant_rows.h"
#include "harness/sweep/sweep_report.h"

namespace baton::harness {
namespace {

constexpr std::size_t kCellsMax = 2000;     // of the matrix and of the tables below it
constexpr std::size_t kLinkedCells = 24;    // of a group
constexpr std::size_t kAcrossMax = 6;       // alternatives side by side
constexpr std::size_t kPictureCells = 200;  // of the picture

class Page {
 public:
  explicit Page(const SweepResult& result)
      : result_(result), plan_(result.plan), summary_(summarise(result)) {}

  std::string write() {
    head();
    matrix();
    measurements();
    failures(false);
    failures(true);
    flips();
    functions();
    marks();
    return html_page("baton sweep: " + plan_.title, navigation(), html_.take());
  }

 private:
  static std::string navigation() {
    return "<nav class=\"bar\" aria-label=\"Sections\"><b>baton</b><a href=\"#matrix\">Matrix</a>"
           "<a href=\"#measurements\">Measurements</a><a href=\"#failures\">Failures</a>"
           "<a href=\"#flips\">Changes that flip</a><a href=\"#functions\">Functions</a>"
           "<a href=\"#marks\">Marks</a></nav>";
  }

  void fact(std::string_view name, std::string_view value) {
    html_.raw("<dt>").t(name).raw("</dt><dd>").t(value).raw("</dd>");
  }

  void head() {
    const std::uint64_t failed = result_.rows.size() - summary_.ok;
    const bool bad = failed != 0;
    const char* word = !result_.complete ? "INCOMPLETE" : bad ? "FAILED" : "PASSED";
    const char* style = !result_.complete ? "unknown" : bad ? "failed" : "";
    html_.add("<header class=\"verdict {0}\"><span class=\"badge {0}\">{1}</span><div><h1>", style,
              word);
    html_.t(plan_.title).raw("</h1><p class=\"where mono\">").t(plan_.file);
    html_.raw("</p></div></header><dl class=\"facts\">");
    fact("runs", fmt::format("{}: {} ok, {} failed", result_.rows.size(), summary_.ok, failed));
    fact("cells", fmt::format("{}{}", plan_.cells.size(),
                              plan_.excluded == 0
                                  ? std::string()
                                  : fmt::format(", {} combinations left out", plan_.excluded)));
    fact("seeds", fmt::format("{}..{}", plan_.first_seed, plan_.last_seed));
    if (!result_.shard.whole()) {
      fact("shard", fmt::format("{}/{}", result_.shard.index, result_.shard.of));
    }
    for (const std::string& set : plan_.set) fact("set", set);
    fact("digest", plan_.digest);
    html_.raw("</dl>");
  }

  static std::string group_link(std::string_view id, bool expected) {
    return fmt::format("{}-{}", expected ? "expected" : "failure", id);
  }

  // What a cell says: its count, and a link for each way in which it went wrong.
  void verdict(std::size_t index) {
    const CellSummary& cell = summary_.cells[index];
    if (cell.runs == 0) {
      html_.raw("<td class=\"dim\">not run</td>");
      return;
    }
    const bool bad = cell.ok != cell.runs;
    html_.add("<td id=\"cell-{}\"{}><span class=\"{}\">", index, bad ? " class=\"red\"" : "",
              bad ? "no" : "ok");
    html_.add("{}/{} ok</span>", cell.ok, cell.runs);
    for (const bool expected : {false, true}) {
      for (const auto& [id, runs] : expected ? cell.violated : cell.failed) {
        html_.raw("<br><a href=\"#").t(group_link(id, expected)).raw("\"");
        html_.raw(expected ? " class=\"dim\">" : ">").t(id).raw("</a>");
        if (cell.runs > 1) html_.add(" &times;{}", runs);
      }
    }
    if (cell.bugs != 0) html_.add("<br><a href=\"#failure-bug\">bug</a> &times;{}", cell.bugs);
    html_.raw("</td>");
  }

  // The last dimension that is narrow enough stands across.
  std::size_t across() const {
    std::size_t found = plan_.dimensions.size();
    for (std::size_t i = 0; i < plan_.dimensions.size() && plan_.dimensions.size() > 1; ++i) {
      if (plan_.dimensions[i].alternatives.size() <= kAcrossMax) found = i;
    }
    return found;
  }

  void heads(std::size_t skipped) {
    for (std::size_t i = 0; i < plan_.dimensions.size(); ++i) {
      if (i == skipped) continue;
      html_.raw("<th scope=\"col\">").t(plan_.dimensions[i].name).raw("</th>");
    }
  }

  void labels(std::size_t cell, std::size_t skipped) {
    for (std::size_t i = 0; i < plan_.dimensions.size(); ++i) {
      if (i == skipped) continue;
      html_.raw("<th scope=\"row\" class=\"mono\">").t(plan_.label(cell, i)).raw("</th>");
    }
    if (plan_.dimensions.empty()) html_.raw("<th scope=\"row\">as it stands</th>");
  }

  void matrix() {
    const std::size_t column = across();
    const bool wide = column != plan_.dimensions.size();
    html_.raw(
        "<section id=\"matrix\"><h2>Matrix</h2><p class=\"lead\">Runs that met every expectation, "
        "by combination. Names lead to what went wrong; grey ones are violations that the scenario "
        "does not mind.</p><div class=\"scroll\"><table class=\"matrix\"><thead><tr>");
    heads(column);
    if (plan_.dimensions.empty()) html_.raw("<th scope=\"col\"></th>");
    if (wide) {
      for (const Alternative& one : plan_.dimensions[column].alternatives) {
        html_.raw("<th scope=\"col\">");
        html_.t(fmt::format("{}={}", plan_.dimensions[column].name, one.label)).raw("</th>");
      }
    } else {
      html_.raw("<th scope=\"col\">runs</th>");
    }
    html_.raw("</tr></thead><tbody>");
    // By what they agree in: the cells of a line, by alternative.
    std::map<std::vector<std::uint32_t>, std::map<std::uint32_t, std::size_t>> lines;
    for (std::size_t cell = 0; cell < std::min(kCellsMax, plan_.cells.size()); ++cell) {
      std::vector<std::uint32_t> key = plan_.cells[cell];
      std::uint32_t alternative = 0;
      if (wide) {
        alternative = key[column];
        key.erase(key.begin() + static_cast<std::ptrdiff_t>(column));
      }
      lines[key][alternative] = cell;
    }
    const std::size_t columns = wide ? plan_.dimensions[column].alternatives.size() : 1;
    for (const auto& [key, cells] : lines) {
      html_.raw("<tr>");
      labels(cells.begin()->second, column);
      for (std::uint32_t i = 0; i < columns; ++i) {
        const auto found = cells.find(i);
        if (found == cells.end()) {
          html_.raw("<td class=\"dim\">left out</td>");
        } else {
          verdict(found->second);
        }
      }
      html_.raw("</tr>");
    }
    html_.raw("</tbody></table></div>");
    cut();
    html_.raw("</section>");
  }

  void cut() {
    if (plan_.cells.size() <= kCellsMax) return;
    html_.add("<p class=\"dim\">{} more cells are in the CSV and JSON reports.</p>",
              plan_.cells.size() - kCellsMax);
  }

  static std::string value_text(const std::string& id, const Quantiles& one) {
    const std::string median = format_measurement({id, one.median});
    if (one.minimum == one.maximum) return median;
    return fmt::format("{} / {} ({} to {})", median, format_measurement({id, one.p99}),
                       format_measurement({id, one.minimum}),
                       format_measurement({id, one.maximum}));
  }

  void measurements() {
    html_.raw(
        "<section id=\"measurements\"><h2>Measurements</h2><p class=\"lead\">Per cell; median, "
        "99th "
        "percentile and range where runs of one cell differ.</p><div class=\"scroll\"><table>"
        "<thead><tr>");
    heads(plan_.dimensions.size());
    if (plan_.dimensions.empty()) html_.raw("<th scope=\"col\"></th>");
    for (const MeasureRow& row : measure_rows()) {
      html_.raw("<th scope=\"col\" class=\"num\" title=\"").t(row.sentence).raw("\">").t(row.id);
      html_.raw("</th>");
    }
    html_.raw("</tr></thead><tbody>");
    for (std::size_t cell = 0; cell < std::min(kCellsMax, plan_.cells.size()); ++cell) {
      html_.raw("<tr>");
      labels(cell, plan_.dimensions.size());
      for (const MeasureRow& row : measure_rows()) {
        const auto& values = summary_.cells[cell].measurements;
        const auto found =
            std::ranges::find(values, row.id, &std::pair<std::string, Quantiles>::first);
        html_.cell(found == values.end() ? "-" : value_text(std::string(row.id), found->second),
                   "num");
      }
      html_.raw("</tr>");
    }
    html_.raw("</tbody></table></div></section>");
  }

  // Cells with runs of this group.
  std::vector<std::size_t> cells_of(const FailureGroup& group) const {
    std::vector<std::size_t> cells;
    for (std::size_t i = 0; i < summary_.cells.size(); ++i) {
      const CellSummary& cell = summary_.cells[i];
      const bool in = group.id == "bug"
                          ? cell.bugs != 0
                          : (group.expected ? cell.violated : cell.failed).contains(group.id);
      if (in) cells.push_back(i);
    }
    return cells;
  }

  void group(const FailureGroup& group) {
    const RunRow& row = result_.rows[group.quickest];
    html_.add("<section class=\"{}\" id=\"", group.expected ? "lesson" : "failure");
    html_.t(group_link(group.id, group.expected)).raw("\"><h3>").t(group.title).raw("</h3>");
    html_.add("<p class=\"lead\">{} runs in {} cells. Quickest: seed {}, ", group.runs, group.cells,
              plan_.seed_of(row.run));
    html_.raw("<span class=\"mono\">").t(plan_.cell_text(plan_.cell_of(row.run)));
    html_.raw("</span>");
    if (group.event != 0) html_.add(", event {}", group.event);
    html_.raw(".</p>");
    if (!row.bug.empty()) html_.raw("<p class=\"notice\">").t(row.bug).raw("</p>");
    html_.raw("<pre class=\"quote\">").t(run_command_of(plan_, row.run)).raw("\n");
    html_.t(
        fmt::format("baton replay {} {}{}", row.token, shell_word(plan_.file),
                    group.event == 0 ? std::string() : fmt::format(" --until {}", group.event)));
    html_.raw("</pre><p>Cells:");
    const std::vector<std::size_t> cells = cells_of(group);
    for (std::size_t i = 0; i < std::min(kLinkedCells, cells.size()); ++i) {
      html_.add("{} <a href=\"#cell-{}\">", i == 0 ? "" : ",", cells[i]);
      html_.t(plan_.cell_text(cells[i])).raw("</a>");
    }
    if (cells.size() > kLinkedCells) html_.add(" and {} more", cells.size() - kLinkedCells);
    html_.raw("</p></section>");
  }

  void failures(bool expected) {
    const bool any = std::ranges::any_of(
        summary_.failures, [expected](const auto& one) { return one.expected == expected; });
    if (!expected) html_.raw("<div id=\"failures\">");
    if (!expected && !any) {
      html_.raw("<section><h2>Failures</h2><p class=\"lead\">None.</p></section>");
    }
    for (const FailureGroup& one : summary_.failures) {
      if (one.expected == expected) group(one);
    }
    if (!expected) html_.raw("</div>");
  }

  void flips() {
    html_.raw(
        "<section id=\"flips\"><h2>Changes that flip a verdict</h2><p class=\"lead\">One "
        "alternative for another, all else equal, and what was sound is not; the smallest first."
        "</p>");
    if (summary_.flips.empty()) {
      html_.raw("<p class=\"dim\">No single change does.</p></section>");
      return;
    }
    html_.raw(
        "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">dimension</th><th "
        "scope=\"col\">from</th><th scope=\"col\">to</th><th scope=\"col\" class=\"num\">breaks"
        "</th><th scope=\"col\">first seen in</th></tr></thead><tbody>");
    for (const Flip& flip : summary_.flips) {
      const Dimension& dimension = plan_.dimensions[flip.dimension];
      const RunRow& broken = result_.rows[flip.broken];
      const std::size_t cell = plan_.cell_of(broken.run);
      html_.raw("<tr><th scope=\"row\">").t(dimension.name).raw("</th>");
      html_.cell(dimension.alternatives[flip.from].label, "mono");
      html_.cell(dimension.alternatives[flip.to].label, "mono");
      html_.cell(fmt::format("{} of {}", flip.flipped, flip.compared), "num");
      html_.add("<td><a href=\"#cell-{}\">", cell).t(plan_.cell_text(cell));
      html_.add("</a>, seed {}</td></tr>", plan_.seed_of(broken.run));
    }
    html_.raw("</tbody></table></div></section>");
  }

  void outcome(const FunctionOutcome* one) {
    if (one == nullptr) {
      html_.raw("<td class=\"dim\">no handover</td>");
      return;
    }
    const bool moved = one->before != one->after;
    html_.raw("<td><span class=\"mono\">").t(one->before);
    if (moved) html_.raw(" &rarr; ").t(one->after);
    html_.raw("</span>");
    if (one->unharmed()) html_.raw("<br><span class=\"ok\">unharmed</span>");
    for (const HarmSeen& harm : one->harms) {
      html_.raw("<br><span class=\"no\">").t(row_of(harm.harm).text).raw("</span> ");
      html_.t(fmt::format("{} ({})", sim::to_string(harm.time), harm.phase));
    }
    html_.raw("</td>");
  }

  // Of a cell with several seeds the first one is shown.
  void functions() {
    std::vector<std::string> devices;
    std::map<std::size_t, const RunRow*> first;
    for (const RunRow& row : result_.rows) {
      first.try_emplace(plan_.cell_of(row.run), &row);
      for (const FunctionOutcome& one : row.functions) {
        if (std::ranges::count(devices, one.device) == 0) devices.push_back(one.device);
      }
    }
    html_.raw(
        "<section id=\"functions\"><h2>What became of each function</h2><p class=\"lead\">Its "
        "requester id before the handover and after it, and the ways in which its requests went "
        "wrong, each with when it was first seen; the first seed of each cell.</p>");
    if (plan_.cells.size() <= kPictureCells && !devices.empty()) {
      html_.raw("<div class=\"scroll\">").raw(format_sweep_svg(result_)).raw("</div>");
    }
    html_.raw("<div class=\"scroll\"><table><thead><tr>");
    heads(plan_.dimensions.size());
    if (plan_.dimensions.empty()) html_.raw("<th scope=\"col\"></th>");
    for (const std::string& device : devices) {
      html_.raw("<th scope=\"col\">").t(device).raw("</th>");
    }
    html_.raw("</tr></thead><tbody>");
    for (const auto& [cell, row] : first) {
      if (cell >= kCellsMax) break;
      html_.raw("<tr>");
      labels(cell, plan_.dimensions.size());
      for (const std::string& device : devices) {
        const auto found = std::ranges::find(row->functions, device, &FunctionOutcome::device);
        outcome(found == row->functions.end() ? nullptr : &*found);
      }
      html_.raw("</tr>");
    }
    html_.raw("</tbody></table></div></section>");
  }

  void marks() {
    html_.raw(
        "<section id=\"marks\"><h2>Situations</h2><p class=\"lead\">In how many runs each was "
        "reached. About one that none was in nothing has been said.</p><div class=\"scroll\">"
        "<table><thead><tr><th scope=\"col\">mark</th><th scope=\"col\" class=\"num\">runs</th>"
        "</tr></thead><tbody>");
    for (const MarkCount& mark : summary_.marks) {
      html_.raw(mark.runs == 0 ? "<tr class=\"red\">" : "<tr>");
      html_.raw("<th scope=\"row\" class=\"mono\">").t(mark.id).raw("</th>");
      html_.cell(mark.runs == 0 ? "never" : fmt::format("{}", mark.runs), "num").raw("</tr>");
    }
    html_.raw("</tbody></table></div></section>");
  }

  const SweepResult& result_;
  const SweepPlan& plan_;
  SweepSummary summary_;
  Html html_;
};

}  // namespace

std::string format_sweep_html(const SweepResult& result) { return Page(result).write(); }

}  // namespace baton::harness
