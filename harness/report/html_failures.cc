// What went wrong: for each expectation that was missed its place in the scenario, what was seen,
// the chain of causes as a diagram and as a list, what changed, the rule, the way back to the
// event.
#include <algorithm>
#include <vector>

#include "harness/report/failure_report.h"
#include "harness/report/html_sections.h"
#include "harness/report/html_sequence.h"
#include "harness/report/html_writer.h"
#include "harness/scenario/invariant_rows.h"

namespace baton::harness {
namespace {

void fact(Html& html, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  html.raw("<dt>").t(name).raw("</dt><dd>").t(value).raw("</dd>");
}

std::string when(const RunResult& result, const Violation& violation) {
  std::string text = sim::to_string(violation.time);
  const PhaseRow* phase = nullptr;
  for (const PhaseRow& row : result.phases) {
    if (row.from <= violation.time) phase = &row;
  }
  if (phase != nullptr)
    text += fmt::format(", phase {}, kernel {}", phase->name, phase->generation);
  if (violation.event != 0) text += fmt::format(", event {}", violation.event);
  return text;
}

void chain(Html& html, const Violation& violation, const std::string& id) {
  if (violation.chain.empty()) return;
  const Sequence sequence = sequence_of(violation);
  html.raw("<h4>How it came about</h4><div class=\"picture\">");
  html.raw(draw_sequence(sequence, id + "-chain"));
  html.raw("</div><details><summary>The same as a list</summary><ol class=\"chain\">");
  for (const ChainLink& link : violation.chain) {
    html.raw("<li><span class=\"mono dim\">").t(sim::to_string(link.time)).raw("</span> ");
    html.t(link.text);
    if (link.event != 0) html.add(" <span class=\"dim\">(event {})</span>", link.event);
    html.raw("</li>");
  }
  html.raw("</ol></details>");
  if (sequence.left_out != 0) {
    html.add("<p class=\"dim\">{} steps in the middle are in the list only.</p>",
             sequence.left_out);
  }
}

void changes(Html& html, const Violation& violation) {
  if (violation.changes.empty()) return;
  html.raw(
      "<h4>What changed</h4><div class=\"scroll\"><table><thead><tr><th>what</th><th>before"
      "</th><th>after</th></tr></thead><tbody>");
  for (const StateChange& change : violation.changes) {
    html.raw("<tr>").cell(change.what);
    html.raw("<td><del>").t(change.before).raw("</del></td><td><ins>").t(change.after);
    html.raw("</ins></td></tr>");
  }
  html.raw("</tbody></table></div>");
}

void violation_block(Html& html, const RunResult& result, const Violation& violation,
                     const std::string& id) {
  html.raw("<dl class=\"facts\">");
  fact(html, "at", when(result, violation));
  fact(html, "device", violation.device);
  fact(html, "subject", violation.subject);
  fact(html, "expected", violation.expected);
  fact(html, "seen", violation.seen);
  html.raw("</dl>");
  chain(html, violation, id);
  changes(html, violation);
  if (const InvariantRow* row = invariant_row(violation.id)) {
    html.raw("<p class=\"dim\">").t(row->text).raw(" <span class=\"mono\">").t(row->source);
    html.raw("</span> More: <code>baton explain ").t(row->id).raw("</code></p>");
  }
  if (result.token.empty()) return;
  const std::string command = replay_command(result, violation.event);
  html.raw("<p class=\"token\"><code>").t(command).raw("</code>");
  html.raw("<button type=\"button\" class=\"needs-script\" data-copy=\"").t(command);
  html.raw("\">Copy</button></p>");
}

void open_block(Html& html, std::string_view style, std::string_view word, std::string_view id,
                std::string_view sentence, const std::string& place) {
  html.add("<section class=\"{}\" id=\"{}\"><h3><span class=\"badge {}\">{}</span> ", style, place,
           style == "failure" ? "failed" : "unknown", word);
  html.t(id).raw("</h3><p class=\"lead\">").t(sentence).raw("</p>");
}

const Violation* first_of(const RunResult& result, const std::string& id) {
  const auto found = std::ranges::find(result.violations, id, &Violation::id);
  return found == result.violations.end() ? nullptr : &*found;
}

}  // namespace

std::string html_failures(const RunResult& result, const std::string& id) {
  Html html;
  int number = 0;
  const auto block = [&](const ExpectationOutcome& outcome, const std::string& invariant) {
    const Violation* const violation = first_of(result, invariant);
    const InvariantRow* const row = invariant_row(invariant);
    const std::string place = fmt::format("{}-failure-{}", id, ++number);
    const bool wanted = outcome.met;
    open_block(html, wanted ? "lesson" : "failure", wanted ? "VIOLATED, AS EXPECTED" : "VIOLATED",
               invariant, row == nullptr ? "" : row->sentence, place);
    if (!wanted) {
      html.raw("<pre class=\"quote\">").t(place_text(result, outcome.expectation.at) + "\n");
      html.t(quote(result, outcome.expectation.at, "this expectation")).raw("</pre>");
    }
    if (violation != nullptr) violation_block(html, result, *violation, place);
    html.raw("</section>");
  };
  for (const ExpectationOutcome& outcome : result.expectations) {
    const Expectation& expectation = outcome.expectation;
    const bool lesson = outcome.met && expectation.kind == ExpectationKind::kViolates;
    if (outcome.met && !lesson) continue;
    bool explained = false;
    if (expectation.kind != ExpectationKind::kMeasure) {
      for (const std::string& invariant : expectation.ids) {
        if (first_of(result, invariant) == nullptr) continue;
        block(outcome, invariant);
        explained = true;
      }
    }
    if (explained) continue;
    open_block(html, "failure", "MISSED", expectation.text, outcome.seen,
               fmt::format("{}-failure-{}", id, ++number));
    html.raw("<pre class=\"quote\">").t(place_text(result, expectation.at) + "\n");
    html.t(quote(result, expectation.at, "this expectation")).raw("</pre></section>");
  }
  return html.take();
}

}  // namespace baton::harness
