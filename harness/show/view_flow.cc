// The chart of a live update, as text and as a picture.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "harness/report/escape.h"
#include "harness/report/json_text.h"
#include "harness/show/views.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

constexpr std::size_t kLane = 11;  // characters of a column
constexpr int kColumn = 150;       // pixels of one
constexpr int kLeft = 110;
constexpr int kRow = 22;
constexpr std::size_t kLabelMax = 88;

std::size_t index(FlowActor actor) { return static_cast<std::size_t>(actor); }

std::string label(const FlowStep& step) {
  return step.times == 1 ? step.text : fmt::format("{} ({} times)", step.text, step.times);
}

// The lanes of a row: a line for each actor, with the step's arrow over them.
std::string lanes(const FlowStep& step) {
  std::string row(kLane * kFlowActors, ' ');
  const auto at = [](FlowActor actor) { return index(actor) * kLane + kLane / 2; };
  for (std::size_t i = 0; i < kFlowActors; ++i) row[i * kLane + kLane / 2] = '|';
  if (step.kind == FlowStep::Kind::kBreak) {
    std::ranges::fill(row, '=');
    return row;
  }
  if (step.from == step.to) {
    row[at(step.from)] = '*';
    return row;
  }
  const bool right = at(step.to) > at(step.from);
  const char dash = step.kind == FlowStep::Kind::kAnswer ? '.' : '-';
  const std::size_t low = std::min(at(step.from), at(step.to));
  const std::size_t high = std::max(at(step.from), at(step.to));
  for (std::size_t i = low + 1; i < high; ++i) row[i] = dash;
  row[right ? high - 1 : low + 1] = right ? '>' : '<';
  return row;
}

std::string shortened(std::string text) {
  if (text.size() <= kLabelMax) return text;
  text.resize(kLabelMax - 3);
  return text + "...";
}

void draw_arrow(std::string& out, const FlowStep& step, int y) {
  const auto x = [](FlowActor actor) {
    return kLeft + static_cast<int>(index(actor)) * kColumn + kColumn / 2;
  };
  const int from = x(step.from);
  const int to = x(step.to);
  if (from == to) {
    out += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"3.5\" fill=\"#2450b8\"/>\n", from, y - 4);
    return;
  }
  const int back = to > from ? -8 : 8;
  out += fmt::format(
      "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"#2450b8\" stroke-width=\"1.5\"{}/>\n",
      from, y - 4, to, y - 4,
      step.kind == FlowStep::Kind::kAnswer ? " stroke-dasharray=\"4 4\"" : "");
  out += fmt::format("<polygon points=\"{},{} {},{} {},{}\" fill=\"#2450b8\"/>\n", to, y - 4,
                     to + back, y - 8, to + back, y);
}

}  // namespace

std::string format_flow(const Flow& flow) {
  std::string out = fmt::format("{:>14} {} ", "time", "K");
  for (std::size_t i = 0; i < kFlowActors; ++i) {
    out += fmt::format("{:^{}}", name(static_cast<FlowActor>(i)), kLane);
  }
  out += "\n";
  for (const FlowStep& step : flow.steps()) {
    const std::string text = label(step);
    out += fmt::format("{:>14} {} {}  {}\n", sim::to_string(step.time), step.generation,
                       lanes(step), text);
  }
  if (flow.left_out() != 0) out += fmt::format("and {} more steps\n", flow.left_out());
  return out;
}

std::string format_flow_svg(const Flow& flow, std::string_view title) {
  const int right = kLeft + static_cast<int>(kFlowActors) * kColumn;
  const int width = right + static_cast<int>(kLabelMax) * 7;
  const int height = (static_cast<int>(flow.steps().size()) + 3) * kRow;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" font-family=\"monospace\" font-size=\"11\">\n<title>{2}</title>\n<rect width=\"{0}\" "
      "height=\"{1}\" fill=\"#ffffff\"/>\n",
      width, height, xml_text(title));
  for (std::size_t i = 0; i < kFlowActors; ++i) {
    const int x = kLeft + static_cast<int>(i) * kColumn + kColumn / 2;
    out += fmt::format(
        "<line x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\" stroke=\"#c4cad6\" "
        "stroke-dasharray=\"3 4\"/>\n<text x=\"{0}\" y=\"18\" text-anchor=\"middle\" "
        "font-weight=\"bold\">{3}</text>\n",
        x, kRow + 4, height - kRow, name(static_cast<FlowActor>(i)));
  }
  int y = 2 * kRow;
  for (const FlowStep& step : flow.steps()) {
    const std::string text = xml_text(shortened(label(step)));
    if (step.kind == FlowStep::Kind::kBreak) {
      out += fmt::format(
          "<rect x=\"0\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"#eef1f8\"/>\n<text x=\"{}\" "
          "y=\"{}\" font-weight=\"bold\">{}</text>\n",
          y - 15, width, kRow - 3, kLeft, y, text);
    } else {
      draw_arrow(out, step, y);
      out += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", right, y, text);
    }
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#565d6b\">{}</text>\n",
                       kLeft - 12, y, sim::to_string(step.time));
    y += kRow;
  }
  return out + "</svg>\n";
}

std::string format_flow_json(const Flow& flow) {
  constexpr std::array<std::string_view, 4> kKinds{"call", "answer", "note", "break"};
  json::array steps;
  for (const FlowStep& step : flow.steps()) {
    steps.push_back(json::object{{"kind", kKinds.at(static_cast<std::size_t>(step.kind))},
                                 {"time_ps", step.time.ps()},
                                 {"kernel", step.generation},
                                 {"from", name(step.from)},
                                 {"to", name(step.to)},
                                 {"text", step.text},
                                 {"times", step.times}});
  }
  return json_text(json::object{{"steps", std::move(steps)}, {"left_out", flow.left_out()}});
}

ShowResult show_flow(const ShowContext& context, std::ostream& out) {
  if (context.flow.steps().empty()) {
    return std::unexpected("nothing has to do with a live update in this run up to there");
  }
  out << (context.format == "json"  ? format_flow_json(context.flow)
          : context.format == "svg" ? format_flow_svg(context.flow, context.scenario.title)
                                    : format_flow(context.flow));
  return {};
}

}  // namespace baton::harness
