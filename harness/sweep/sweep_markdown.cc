// What became of each function in each cell, as a Markdown table and as an SVG picture. Of a cell
// with several seeds the first one is shown.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "harness/report/escape.h"
#include "harness/report/failure_report.h"
#include "harness/sweep/measure_table.h"
#include "harness/sweep/sweep_report.h"

namespace baton::harness {
namespace {

constexpr int kLine = 20;  // pixels of the picture
constexpr int kLetter = 7;
constexpr int kColumn = 190;

std::vector<std::string> device_names(const SweepResult& result) {
  std::vector<std::string> names;
  for (const RunRow& row : result.rows) {
    for (const FunctionOutcome& one : row.functions) {
      if (std::ranges::count(names, one.device) == 0) names.push_back(one.device);
    }
  }
  return names;
}

const FunctionOutcome* outcome_of(const RunRow& row, const std::string& device) {
  const auto found = std::ranges::find(row.functions, device, &FunctionOutcome::device);
  return found == row.functions.end() ? nullptr : &*found;
}

std::string cell(std::string_view text) {
  std::string out;
  for (const char c : clean_utf8(text)) {
    if (c == '|') out.push_back('\\');
    out.push_back(c == '\n' ? ' ' : c);
  }
  return out;
}

std::string harms_text(const FunctionOutcome& outcome) {
  if (outcome.unharmed()) return "unharmed";
  std::string text;
  for (const HarmSeen& harm : outcome.harms) {
    text += fmt::format("{}{} at {} ({})", text.empty() ? "" : ", then ", row_of(harm.harm).text,
                        sim::to_string(harm.time), harm.phase);
  }
  return text;
}

std::uint64_t missing(const RunRow& row) {
  const auto found = std::ranges::find(row.measurements, "functions_missing", &Measurement::id);
  return found == row.measurements.end() ? 0 : found->value;
}

// Colours that differ in lightness, too.
std::string_view colour(const FunctionOutcome& outcome) {
  if (outcome.unharmed()) return "#d8ead3";
  switch (outcome.harms.front().harm) {
    case Harm::kForeignMemory:
      return "#a02020";
    case Harm::kAcsViolation:
      return "#e0a040";
    case Harm::kLostCompletion:
      return "#d07830";
    case Harm::kRemappingFault:
    case Harm::kSourceMismatch:
      return "#b05898";
    default:
      return "#c8c0b0";
  }
}

}  // namespace

std::string format_sweep_markdown(const SweepResult& result) {
  const SweepPlan& plan = result.plan;
  if (!plan.table.empty()) return format_measure_markdown(result);
  const std::vector<std::string> devices = device_names(result);
  std::string out = fmt::format("# {}\n\nMade by `baton sweep {} --report markdown=FILE`.\n\n|",
                                cell(plan.title), shell_word(plan.file));
  for (const Dimension& dimension : plan.dimensions) out += fmt::format(" {} |", dimension.name);
  for (const std::string& device : devices) out += fmt::format(" {} |", cell(device));
  const std::vector<const RunRow*> rows = first_rows(result);
  const bool some_missing = std::ranges::any_of(
      rows, [](const RunRow* row) { return row != nullptr && missing(*row) != 0; });
  if (some_missing) out += " functions not found |";
  out += " violated |\n|";
  const std::size_t columns = plan.dimensions.size() + devices.size() + (some_missing ? 2 : 1);
  for (std::size_t i = 0; i < columns; ++i) out += "---|";
  out += "\n";
  for (std::size_t index = 0; index < rows.size(); ++index) {
    if (rows[index] == nullptr) continue;
    out += "|";
    for (std::size_t i = 0; i < plan.dimensions.size(); ++i) {
      out += fmt::format(" {} |", cell(plan.label(index, i)));
    }
    for (const std::string& device : devices) {
      const FunctionOutcome* outcome = outcome_of(*rows[index], device);
      if (outcome == nullptr) {
        out += " no handover |";
        continue;
      }
      const bool moved = outcome->before != outcome->after;
      out += fmt::format(" {}{}{}: {} |", cell(outcome->before), moved ? " to " : "",
                         moved ? cell(outcome->after) : "", harms_text(*outcome));
    }
    if (some_missing) out += fmt::format(" {} |", missing(*rows[index]));
    std::vector<std::string_view> ids;
    for (const ViolatedInvariant& one : rows[index]->violated) ids.push_back(one.id);
    out +=
        fmt::format(" {} |\n", ids.empty() ? "nothing" : fmt::format("{}", fmt::join(ids, ", ")));
  }
  return out;
}

std::string format_sweep_svg(const SweepResult& result) {
  const SweepPlan& plan = result.plan;
  if (!plan.table.empty()) return format_measure_svg(result);
  const std::vector<std::string> devices = device_names(result);
  const std::vector<const RunRow*> rows = first_rows(result);
  std::size_t longest = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    longest = std::max(longest, plan.cell_text(i).size());
  }
  const int left = static_cast<int>(longest) * kLetter + kLine;
  const int width = left + static_cast<int>(devices.size()) * kColumn + kLine;
  const int height = (static_cast<int>(rows.size()) + 2) * kLine;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" font-family=\"monospace\" font-size=\"12\">\n<title>{2}</title>\n<rect width=\"{0}\" "
      "height=\"{1}\" fill=\"#ffffff\"/>\n",
      width, height, xml_text(plan.title));
  const auto text = [&out](int x, int y, std::string_view fill, std::string_view what) {
    out +=
        fmt::format("<text x=\"{}\" y=\"{}\" fill=\"{}\">{}</text>\n", x, y, fill, xml_text(what));
  };
  for (std::size_t d = 0; d < devices.size(); ++d) {
    text(left + static_cast<int>(d) * kColumn, kLine - 6, "#000000", devices[d]);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const int top = (static_cast<int>(i) + 1) * kLine;
    text(4, top + kLine - 6, "#000000", plan.cell_text(i));
    if (rows[i] == nullptr) continue;
    for (std::size_t d = 0; d < devices.size(); ++d) {
      const FunctionOutcome* outcome = outcome_of(*rows[i], devices[d]);
      if (outcome == nullptr) continue;
      const int x = left + static_cast<int>(d) * kColumn;
      const bool dark = !outcome->unharmed() && outcome->harms.front().harm == Harm::kForeignMemory;
      out += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n", x,
                         top + 1, kColumn - 2, kLine - 2, colour(*outcome));
      text(x + 4, top + kLine - 6, dark ? "#ffffff" : "#000000",
           outcome->unharmed() ? std::string_view("unharmed")
                               : row_of(outcome->harms.front().harm).text);
    }
  }
  return out + "</svg>\n";
}

}  // namespace baton::harness
