#include "harness/report/html_sequence.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "harness/report/html_writer.h"

namespace baton::harness {
namespace {

constexpr int kTop = 46;
constexpr int kStep = 44;
constexpr int kTimeWidth = 96;
constexpr int kHeadHeight = 28;
constexpr std::size_t kTextMax = 130;

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

std::string_view first_word(std::string_view text) {
  return text.substr(0, text.find_first_of(" ,:;"));
}

// "page 0x1000", "table 0x2000": the first such thing in the text.
std::optional<std::string> thing_in(std::string_view text) {
  for (const std::string_view kind : {"page 0x", "table 0x"}) {
    const std::size_t at = text.find(kind);
    if (at == std::string_view::npos) continue;
    const std::size_t end = text.find_first_not_of("0123456789abcdef", at + kind.size());
    return std::string(text.substr(at, end == std::string_view::npos ? end : end - at));
  }
  return std::nullopt;
}

// Who acts, and how much of the text names it: "kernel 0", "guest vm0", "dsa0".
std::optional<std::string> actor_of(std::string_view text) {
  for (const std::string_view kind : {"kernel ", "guest "}) {
    if (!text.starts_with(kind)) continue;
    const std::string_view name = first_word(text.substr(kind.size()));
    return std::string(kind) + std::string(name);
  }
  const std::string_view word = first_word(text);
  const bool device = word.size() > 1 && is_digit(word.back()) &&
                      std::isalpha(static_cast<unsigned char>(word.front())) != 0;
  if (device) return std::string(word);
  return std::nullopt;
}

// Whether what an actor does is done to the thing.
bool acts_on_thing(std::string_view rest) {
  return rest.find(" it") != std::string_view::npos ||
         rest.find("the page") != std::string_view::npos || thing_in(rest).has_value();
}

std::size_t place_of(Sequence& sequence, const std::string& name) {
  const auto found = std::ranges::find(sequence.participants, name);
  if (found == sequence.participants.end()) sequence.participants.push_back(name);
  return static_cast<std::size_t>(std::ranges::find(sequence.participants, name) -
                                  sequence.participants.begin());
}

SequenceStep step_of(Sequence& sequence, const ChainLink& link,
                     const std::optional<std::string>& thing) {
  std::string_view text = link.text;
  // "table 0x1000: kernel 0 creates it": said of the thing that the chain is about.
  const std::optional<std::string> about = thing_in(text);
  if (about && text.starts_with(*about + ": ")) {
    const std::string_view rest = text.substr(about->size() + 2);
    if (actor_of(rest)) text = rest;
  }
  SequenceStep step;
  step.time = link.time;
  const std::optional<std::string> actor = actor_of(text);
  if (actor) {
    step.from = place_of(sequence, *actor);
    std::string_view rest = text.substr(actor->size());
    step.to = thing && acts_on_thing(rest) ? place_of(sequence, *thing) : step.from;
    rest.remove_prefix(std::min(rest.find_first_not_of(" :,;"), rest.size()));
    step.text = std::string(rest);
  } else {
    const bool of_thing = thing && text.starts_with(*thing);
    step.from = place_of(sequence, of_thing ? *thing : "host");
    step.to = step.from;
    std::string_view rest = of_thing ? text.substr(thing->size()) : text;
    rest.remove_prefix(std::min(rest.find_first_not_of(" :,;"), rest.size()));
    step.text = std::string(rest);
  }
  return step;
}

std::string shortened(const std::string& text) {
  if (text.size() <= kTextMax) return text;
  return fmt::format("{}...", std::string_view(text).substr(0, kTextMax - 3));
}

// Columns wide enough for their labels, narrow enough for a page.
int column_width(const Sequence& sequence) {
  const auto count = std::max<std::size_t>(1, sequence.participants.size());
  return std::clamp(static_cast<int>(1000 / count), 170, 330);
}

void draw_heads(Html& html, const Sequence& sequence, int width, int bottom) {
  for (std::size_t i = 0; i < sequence.participants.size(); ++i) {
    const int x = kTimeWidth + width / 2 + static_cast<int>(i) * width;
    html.add("<line class=\"life\" x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\"/>", x,
             kHeadHeight + 2, bottom);
    html.add("<rect class=\"head\" x=\"{}\" y=\"1\" width=\"{}\" height=\"{}\" rx=\"6\"/>", x - 75,
             150, kHeadHeight);
    html.add("<text class=\"headtext\" x=\"{}\" y=\"20\" text-anchor=\"middle\">", x);
    html.t(sequence.participants[i]).raw("</text>");
  }
}

void draw_step(Html& html, const SequenceStep& step, int y, int width, int right, bool last) {
  const int from = kTimeWidth + width / 2 + static_cast<int>(step.from) * width;
  const int to = kTimeWidth + width / 2 + static_cast<int>(step.to) * width;
  html.add("<g{}><text class=\"time\" x=\"{}\" y=\"{}\" text-anchor=\"end\">",
           last ? " class=\"last\"" : "", kTimeWidth - 12, y + 4);
  html.t(sim::to_string(step.time)).raw("</text>");
  if (from == to) {
    html.add("<circle class=\"dot\" cx=\"{}\" cy=\"{}\" r=\"4.5\"/>", from, y);
  } else {
    const int tip = to > from ? -9 : 9;
    html.add("<line class=\"arrow\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>", from, y, to + tip,
             y);
    html.add("<polygon class=\"tip\" points=\"{},{} {},{} {},{}\"/>", to, y, to + tip, y - 4,
             to + tip, y + 4);
  }
  const std::string text = shortened(step.text);
  // A label starts at its line; one that would leave the picture ends at its right edge.
  const int length = static_cast<int>(text.size()) * 7;
  int x = std::min(from, to) + 10;
  const bool ends = x + length > right;
  if (ends) x = right - 6;
  html.add("<text class=\"label\" x=\"{}\" y=\"{}\"{}>", x, y - 8,
           ends ? " text-anchor=\"end\"" : "");
  html.t(text).raw("</text></g>");
}

}  // namespace

Sequence sequence_of(const Violation& violation) {
  Sequence sequence;
  std::optional<std::string> thing = thing_in(violation.subject);
  for (const ChainLink& link : violation.chain) {
    if (!thing) thing = thing_in(link.text);
  }
  const std::size_t count = violation.chain.size();
  for (std::size_t i = 0; i < count; ++i) {
    // The beginning and the end of a chain say most.
    if (count > kSequenceMax && i >= kSequenceMax / 2 && i < count - kSequenceMax / 2) {
      ++sequence.left_out;
      continue;
    }
    sequence.steps.push_back(step_of(sequence, violation.chain[i], thing));
  }
  return sequence;
}

std::string draw_sequence(const Sequence& sequence, const std::string& id) {
  const int width = column_width(sequence);
  const int columns = static_cast<int>(sequence.participants.size());
  std::size_t longest = 0;
  for (const SequenceStep& step : sequence.steps) longest = std::max(longest, step.text.size());
  const int needed = kTimeWidth + 40 + static_cast<int>(std::min(longest, kTextMax)) * 7;
  const int right = std::max(kTimeWidth + columns * width, needed);
  const int bottom = kTop + static_cast<int>(sequence.steps.size()) * kStep;
  Html html;
  html.add("<svg class=\"sequence\" viewBox=\"0 0 {} {}\" width=\"{}\" role=\"img\" ", right,
           bottom + 6, right);
  html.add("aria-labelledby=\"{0}\"><title id=\"{0}\">", id);
  html.t("Causes in the order of time; the same as a list below").raw("</title>");
  draw_heads(html, sequence, width, bottom);
  int y = kTop + kStep / 2 + 4;
  for (std::size_t i = 0; i < sequence.steps.size(); ++i) {
    draw_step(html, sequence.steps[i], y, width, right, i + 1 == sequence.steps.size());
    y += kStep;
  }
  html.raw("</svg>");
  return html.take();
}

}  // namespace baton::harness
