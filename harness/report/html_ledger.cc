// The preservation ledger: an object a row, the stages of a handover as columns. Red is what was
// given away while it was preserved, what was preserved and forgotten, and what a device can still
// reach although its kernel left it behind.
#include <algorithm>
#include <array>
#include <vector>

#include "harness/report/html_sections.h"
#include "harness/report/html_writer.h"

namespace baton::harness {
namespace {

constexpr std::size_t kRowsMax = 250;

bool is_red(const LedgerRow& row) {
  const bool dangling =
      (row.fate == Fate::kEnded || row.fate == Fate::kFreed) && !row.reached_by.empty();
  return row.fate == Fate::kLeaked || row.fate == Fate::kReused || dangling ||
         std::ranges::find(row.steps, Deed::kGivenAway, &LedgerStep::deed) != row.steps.end();
}

std::string size_text(const LedgerRow& row) {
  if (row.pages.length == 0) return {};
  return fmt::format("{:#x}, {}", row.pages.start.value(), format_bytes(row.pages.length));
}

// When the reboot hooks of a live update began, and when the kernels jumped.
std::vector<sim::Time> instants(const RunResult& result, std::string_view phase) {
  std::vector<sim::Time> times;
  for (const PhaseRow& row : result.phases) {
    if (row.name == phase) times.push_back(row.from);
  }
  return times;
}

// Every time that one of these was done: "kernel 0 at 1.780 s".
std::string deeds(const LedgerRow& row, std::initializer_list<Deed> wanted) {
  std::string text;
  for (const LedgerStep& step : row.steps) {
    if (std::ranges::find(wanted, step.deed) == wanted.end()) continue;
    text += fmt::format("{}kernel {} at {}", text.empty() ? "" : "; ", step.generation,
                        sim::to_string(step.from));
  }
  return text;
}

// What the object was at these instants: held for the next kernel, there but not held, or nothing.
std::string state_at(const LedgerRow& row, const std::vector<sim::Time>& times,
                     std::string_view held_word) {
  std::size_t held = 0;
  std::size_t open = 0;
  for (const sim::Time time : times) {
    const LedgerStep* last = nullptr;
    for (const LedgerStep& step : row.steps) {
      if (step.from <= time && step.deed != Deed::kOverwritten) last = &step;
    }
    if (last == nullptr || last->deed == Deed::kFreed || last->deed == Deed::kFinished) continue;
    (last->deed == Deed::kPreserved ? held : open) += 1;
  }
  const auto counted = [](std::string_view word, std::size_t count) {
    return count == 1 ? std::string(word) : fmt::format("{} {} times", word, count);
  };
  if (held != 0) return counted(held_word, held);
  return open == 0 ? "" : "not preserved";
}

void write_row(Html& html, const RunResult& result, const LedgerRow& row) {
  const bool red = is_red(row);
  html.raw(red ? "<tr class=\"red\">" : "<tr>").raw("<th scope=\"row\">");
  html.t(row.what.empty() ? row.kind : row.what).raw(" <span class=\"dim\">").t(row.id);
  html.raw("</span></th>").cell(row.kind).cell(size_text(row), "mono");
  html.cell(deeds(row, {Deed::kCreated}));
  html.cell(deeds(row, {Deed::kPreserved}));
  html.cell(state_at(row, instants(result, "freeze"), "held"));
  html.cell(state_at(row, instants(result, "kexec"), "carried over"));
  html.cell(deeds(row, {Deed::kRestored}));
  html.cell(deeds(row, {Deed::kFinished}));
  std::string fate(name(row.fate));
  const std::string given = deeds(row, {Deed::kGivenAway});
  if (!given.empty()) fate += ": given away by " + given;
  html.cell(fate, "fate");
  html.cell(fmt::format("{}", fmt::join(row.reached_by, ", "))).raw("</tr>");
}

}  // namespace

std::string html_ledger(const RunResult& result, const std::string& id) {
  if (!result.record) return {};
  const std::vector<LedgerRow>& ledger = result.record->ledger;
  // Red rows first, so that none is cut off.
  std::vector<const LedgerRow*> rows;
  for (const LedgerRow& row : ledger) rows.push_back(&row);
  std::ranges::stable_partition(rows, [](const LedgerRow* row) { return is_red(*row); });
  const auto red = static_cast<std::size_t>(std::ranges::count_if(ledger, is_red));
  const std::size_t left_out = rows.size() - std::min(rows.size(), kRowsMax);
  rows.resize(std::min(rows.size(), kRowsMax));

  Html html;
  html.add("<section id=\"{}-ledger\"><h3>Preservation ledger</h3><p class=\"lead\">", id);
  html.add("What one kernel left to the next: {} objects, ", ledger.size());
  if (red == 0) {
    html.raw("<span class=\"ok\">none lost on the way</span>.");
  } else {
    html.add(
        "<span class=\"no\">{} in red</span>: given away, forgotten, or left behind in "
        "reach of a device.",
        red);
  }
  if (left_out != 0) html.add(" {} more rows are left out here.", left_out);
  html.raw("</p><div class=\"tools needs-script\"><label>Find <input type=\"search\" ");
  html.add("data-table=\"{}-ledger-table\"></label></div><div class=\"scroll\">", id);
  html.add("<table class=\"ledger\" id=\"{}-ledger-table\"><thead><tr>", id);
  constexpr std::array kHeads{"object",    "kind", "memory",   "created",  "preserved",
                              "freeze",    "jump", "restored", "finished", "what became of it",
                              "reached by"};
  for (const char* head : kHeads) html.add("<th scope=\"col\">{}</th>", head);
  html.raw("</tr></thead><tbody>");
  for (const LedgerRow* row : rows) write_row(html, result, *row);
  html.raw("</tbody></table></div></section>");
  return html.take();
}

}  // namespace baton::harness
