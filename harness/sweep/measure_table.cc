#include "harness/sweep/measure_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "harness/report/escape.h"
#include "harness/report/failure_report.h"
#include "harness/report/text_report.h"

namespace baton::harness {
namespace {

constexpr int kLine = 20;  // pixels of the picture
constexpr int kLetter = 7;
constexpr int kBar = 60;
constexpr int kGap = 24;  // between columns

const Measurement* measurement_of(const RunRow& row, const std::string& id) {
  const auto found = std::ranges::find(row.measurements, id, &Measurement::id);
  return found == row.measurements.end() ? nullptr : &*found;
}

std::string value_text(const RunRow& row, const std::string& id) {
  const Measurement* one = measurement_of(row, id);
  return one == nullptr ? "not measured" : format_measurement(*one);
}

std::string violated_text(const RunRow& row) {
  std::vector<std::string_view> ids;
  for (const ViolatedInvariant& one : row.violated) ids.push_back(one.id);
  return ids.empty() ? "nothing" : fmt::format("{}", fmt::join(ids, ", "));
}

std::string cell(std::string_view text) {
  std::string out;
  for (const char c : clean_utf8(text)) {
    if (c == '|') out.push_back('\\');
    out.push_back(c == '\n' ? ' ' : c);
  }
  return out;
}

}  // namespace

std::string format_measure_markdown(const SweepResult& result) {
  const SweepPlan& plan = result.plan;
  std::string out = fmt::format("# {}\n\nMade by `baton sweep {} --report markdown=FILE`.\n\n|",
                                cell(plan.title), shell_word(plan.file));
  for (const Dimension& dimension : plan.dimensions) out += fmt::format(" {} |", dimension.name);
  for (const std::string& id : plan.table) out += fmt::format(" {} |", id);
  out += " violated |\n|";
  for (std::size_t i = 0; i < plan.dimensions.size(); ++i) out += "---|";
  for (std::size_t i = 0; i < plan.table.size(); ++i) out += "--:|";
  out += "---|\n";
  const std::vector<const RunRow*> rows = first_rows(result);
  for (std::size_t index = 0; index < rows.size(); ++index) {
    if (rows[index] == nullptr) continue;
    out += "|";
    for (std::size_t i = 0; i < plan.dimensions.size(); ++i) {
      out += fmt::format(" {} |", cell(plan.label(index, i)));
    }
    for (const std::string& id : plan.table) {
      out += fmt::format(" {} |", value_text(*rows[index], id));
    }
    out += fmt::format(" {} |\n", violated_text(*rows[index]));
  }
  return out;
}

namespace {

// A column: where it begins, what its longest bar stands for.
struct Column {
  std::string id;
  int left = 0;
  int width = 0;
  std::uint64_t largest = 0;
};

std::vector<Column> columns_of(const SweepResult& result, const std::vector<const RunRow*>& rows,
                               int left) {
  std::vector<Column> columns;
  for (const std::string& id : result.plan.table) {
    Column column{id, left, static_cast<int>(id.size()) * kLetter, 0};
    for (const RunRow* row : rows) {
      const Measurement* one = row == nullptr ? nullptr : measurement_of(*row, id);
      if (one == nullptr) continue;
      column.largest = std::max(column.largest, one->value);
      const auto text = static_cast<int>(format_measurement(*one).size()) * kLetter;
      column.width = std::max(column.width, kBar + 4 + text);
    }
    left += column.width + kGap;
    columns.push_back(std::move(column));
  }
  return columns;
}

int bar_length(const Column& column, std::uint64_t value) {
  if (column.largest == 0 || value == 0) return 0;
  // Divided first where the product would not fit.
  const std::uint64_t unit = std::max<std::uint64_t>(1, column.largest >> 32);
  const std::uint64_t length =
      value / unit * kBar / std::max<std::uint64_t>(1, column.largest / unit);
  return std::max(1, static_cast<int>(length));
}

}  // namespace

std::string format_measure_svg(const SweepResult& result) {
  const SweepPlan& plan = result.plan;
  const std::vector<const RunRow*> rows = first_rows(result);
  std::size_t longest = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    longest = std::max(longest, plan.cell_text(i).size());
  }
  const std::vector<Column> columns =
      columns_of(result, rows, static_cast<int>(longest) * kLetter + kLine);
  const int width = columns.empty() ? kLine : columns.back().left + columns.back().width + kLine;
  const int height = (static_cast<int>(rows.size()) + 2) * kLine;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" font-family=\"monospace\" font-size=\"12\">\n<title>{2}</title>\n<rect width=\"{0}\" "
      "height=\"{1}\" fill=\"#ffffff\"/>\n",
      width, height, xml_text(plan.title));
  const auto text = [&out](int x, int y, std::string_view what) {
    out +=
        fmt::format("<text x=\"{}\" y=\"{}\" fill=\"#000000\">{}</text>\n", x, y, xml_text(what));
  };
  for (const Column& column : columns) text(column.left, kLine - 6, column.id);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const int top = (static_cast<int>(i) + 1) * kLine;
    text(4, top + kLine - 6, plan.cell_text(i));
    if (rows[i] == nullptr) continue;
    for (const Column& column : columns) {
      const Measurement* one = measurement_of(*rows[i], column.id);
      const int length = one == nullptr ? 0 : bar_length(column, one->value);
      if (length != 0) {
        out +=
            fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"#5b8db8\"/>\n",
                        column.left, top + 4, length, kLine - 8);
      }
      text(column.left + kBar + 4, top + kLine - 6, value_text(*rows[i], column.id));
    }
  }
  return out + "</svg>\n";
}

}  // namespace baton::harness
