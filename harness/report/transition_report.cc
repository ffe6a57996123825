#include "harness/report/transition_report.h"

#include <fmt/format.h>

#include <algorithm>

namespace baton::harness {
namespace {

constexpr std::size_t kLegendWidth = 96;
constexpr std::string_view kDeviceSigns = "0123456789abcdefghijklmnopqrstuvwxyz";

// What stands above a lane.
char lane_sign(std::size_t lane, std::size_t lanes) {
  if (lane == 0) return 'S';
  if (lane == 1) return 'I';
  if (lane + 1 == lanes) return '*';
  return kDeviceSigns[(lane - 2) % kDeviceSigns.size()];
}

std::string lane_signs(std::size_t lanes) {
  std::string signs;
  for (std::size_t lane = 0; lane < lanes; ++lane) signs.push_back(lane_sign(lane, lanes));
  return signs;
}

std::string format_row(const Transition& row, std::size_t lanes) {
  std::string signs(lanes, '.');
  if (row.lane < lanes) signs[row.lane] = row_of(row.glyph).sign;
  const std::string kernel = row.generation ? fmt::format("{}", *row.generation) : "-";
  return fmt::format("{:>14} {} {:<9} {:>9}  {}  {:<12}  {}", format_microseconds(row.time), kernel,
                     row.phase, row.event, signs, row.device.empty() ? "-" : row.device, row.text);
}

}  // namespace

std::string format_microseconds(sim::Time time) {
  const std::int64_t ns = time.ps() / 1000;
  return fmt::format("{}.{:03}", ns / 1000, ns % 1000);
}

std::string format_legend() {
  std::string text;
  std::string line;
  for (const GlyphRow& row : glyph_rows()) {
    const std::string one = fmt::format("  {} {}", row.sign, row.name);
    if (line.size() + one.size() > kLegendWidth) {
      text += line + "\n";
      line.clear();
    }
    line += one;
  }
  return text + line + "\n";
}

std::string format_transitions(const TransitionLog& log, std::size_t most,
                               std::uint64_t wrong_event) {
  const std::size_t lanes = log.lanes.size();
  const std::size_t skipped = log.rows.size() - std::min(most, log.rows.size());
  std::string text = fmt::format("{:>14} K {:<9} {:>9}  {}  {:<12}  detail\n", "time_us", "phase",
                                 "event", lane_signs(lanes), "device");
  if (const std::uint64_t left_out = log.dropped + skipped; left_out != 0) {
    text += fmt::format("{:>14} {} earlier transitions\n", "...", left_out);
  }
  bool marked = wrong_event == 0;
  for (std::size_t i = skipped; i < log.rows.size(); ++i) {
    text += format_row(log.rows[i], lanes);
    if (!marked && log.rows[i].event >= wrong_event) {
      text += "   <== the first wrong event";
      marked = true;
    }
    text += "\n";
  }
  return text;
}

}  // namespace baton::harness
