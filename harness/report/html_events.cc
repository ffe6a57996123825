// The table of events. Its rows travel as data and are drawn by the page's script, a screenful at a
// time; without a script the page shows the last of them as plain rows.
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <map>
#include <vector>

#include "harness/report/html_sections.h"
#include "harness/report/html_writer.h"

namespace baton::harness {
namespace {

constexpr std::size_t kPlainRows = 60;

// Every text once; rows name them by number.
class Texts {
 public:
  std::size_t place(std::string_view text) {
    const auto found = places_.find(text);
    if (found != places_.end()) return found->second;
    const std::size_t place = texts_.size();
    places_.emplace(std::string(text), place);
    texts_.emplace_back(text);
    return place;
  }
  std::size_t cost(std::string_view text) const {
    return places_.contains(text) ? 0 : text.size() + 4;
  }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::map<std::string, std::size_t, std::less<>> places_;
  std::vector<std::string> texts_;
};

std::string row_of_event(Texts& texts, const Transition& event) {
  const int kernel = event.generation ? static_cast<int>(*event.generation) : -1;
  return fmt::format(
      "[{},{},{},{},{},{},{}]", event.event, event.time.ps(), kernel, texts.place(event.phase),
      texts.place(event.device),
      boost::json::serialize(boost::json::string(std::string(1, row_of(event.glyph).sign))),
      texts.place(event.text));
}

// JSON inside a script element: nothing in it may look like markup.
std::string for_script(std::string json) {
  std::string result;
  for (const char c : json) {
    if (c == '<') {
      result += "\\u003c";
    } else {
      result += c;
    }
  }
  return result;
}

void plain_row(Html& html, const Transition& event) {
  html.raw("<tr>").cell(sim::to_string(event.time), "num");
  html.cell(fmt::format("{}", event.event), "num");
  html.cell(event.generation ? fmt::format("{}", *event.generation) : "-");
  html.cell(event.phase).cell(event.device);
  html.cell(std::string(1, row_of(event.glyph).sign), "mono").cell(event.text, "what");
  html.raw("</tr>");
}

// From the last event backwards, as many as the budget allows: the end of a run tells how it ended.
std::size_t first_that_fits(const std::deque<Transition>& rows, std::size_t budget) {
  Texts texts;
  std::size_t used = 0;
  std::size_t first = rows.size();
  while (first > 0) {
    const Transition& event = rows[first - 1];
    used += 40 + texts.cost(event.text) + texts.cost(event.device) + texts.cost(event.phase);
    if (used > budget) break;
    texts.place(event.text);
    texts.place(event.device);
    texts.place(event.phase);
    --first;
  }
  return first;
}

}  // namespace

std::string html_events(const RunResult& result, const std::string& id, std::size_t budget) {
  const std::deque<Transition>& rows = result.transitions.rows;
  if (rows.empty()) return {};
  const std::size_t first = first_that_fits(rows, budget);
  const std::uint64_t missing = result.transitions.dropped + first;
  Texts texts;
  std::string data;
  for (std::size_t i = first; i < rows.size(); ++i) {
    if (!data.empty()) data += ",\n";
    data += row_of_event(texts, rows[i]);
  }
  std::string words;
  for (const std::string& text : texts.texts()) {
    if (!words.empty()) words += ',';
    words += boost::json::serialize(boost::json::string(text));
  }
  Html html;
  html.add("<section id=\"{}-events\"><h3>Events</h3><p class=\"lead\">", id);
  html.raw(
      "The architectural transitions of the run, in their order. The number is that of "
      "<code>baton replay --until</code>.");
  if (missing != 0) html.add(" The first {} are left out: <code>run -vv</code> has them.", missing);
  html.raw(
      "</p><noscript><p class=\"dim\">Without scripts only the last events are shown, and "
      "clicks on phases select nothing.</p></noscript>");
  html.raw(
      "<div class=\"tools needs-script\"><label>Find <input type=\"search\" "
      "class=\"events-search\">"
      "</label> <span class=\"count events-count\" role=\"status\"></span></div>");
  html.raw("<div class=\"scroll\" tabindex=\"0\"><table class=\"events\"><thead><tr>");
  constexpr std::array kHeads{"time", "event", "kernel", "phase", "device", "", "what"};
  for (const char* head : kHeads) html.add("<th scope=\"col\">{}</th>", head);
  html.raw("</tr></thead><tbody>");
  for (std::size_t i = std::max(first, rows.size() - std::min(rows.size(), kPlainRows));
       i < rows.size(); ++i) {
    plain_row(html, rows[i]);
  }
  html.raw("</tbody></table></div>");
  html.raw("<details><summary>What the signs mean</summary><p class=\"dim\">");
  for (const GlyphRow& row : glyph_rows()) {
    html.raw("<span class=\"mono\">").t(std::string(1, row.sign)).raw("</span> ").t(row.text);
    html.raw("; ");
  }
  html.raw("</p></details><script type=\"application/json\" class=\"events-data\">");
  html.raw(for_script("{\"texts\":[" + words + "],\n\"rows\":[" + data + "]}"));
  html.raw("</script></section>");
  return html.take();
}

}  // namespace baton::harness
