// The texts of a RunDiff.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "harness/report/json_text.h"
#include "harness/report/transition_report.h"
#include "harness/run/run_diff.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

constexpr std::size_t kStateShown = 24;
constexpr std::size_t kPagesShown = 8;

std::string side_text(std::string_view which, const RunResult& result) {
  std::string text = fmt::format("  {}  {}  seed {}\n", which, result.file, result.seed);
  for (const std::string& set : result.overrides) text += fmt::format("     set {}\n", set);
  return text;
}

std::string line_text(std::string_view which, const std::optional<DiffLine>& line) {
  if (!line) return fmt::format("  {:<7} nothing more\n", which);
  return fmt::format("  {:<7} {:>14} {:>9}  {:<12} {}\n", which, format_microseconds(line->time),
                     line->event, line->actor, line->text);
}

std::string transitions_text(const RunDiff& diff) {
  if (diff.transitions_a.empty() && diff.transitions_b.empty()) {
    return "\nno architectural transition differs\n";
  }
  std::string out = "\ntransitions: the last that both have, then those of each\n";
  const auto add = [&out](std::string_view which, const std::vector<Transition>& rows) {
    for (const Transition& row : rows) {
      out +=
          fmt::format("  {:<4} {:>14} {} {:<9} {:<12} {}\n", which, format_microseconds(row.time),
                      row.generation ? fmt::to_string(*row.generation) : "-", row.phase,
                      row.device.empty() ? "-" : row.device, row.text);
    }
    if (rows.empty()) out += fmt::format("  {:<4} none\n", which);
  };
  add("both", diff.transitions_common);
  add("A", diff.transitions_a);
  add("B", diff.transitions_b);
  return out;
}

std::string state_text(const RunDiff& diff) {
  if (diff.state.empty() && diff.pages.empty()) {
    return "\nthe state right after it is the same but for what devices and kernels hold inside\n";
  }
  std::string out = "\nthe state right after it\n";
  const auto or_none = [](const std::string& text) { return text.empty() ? "not there" : text; };
  std::size_t shown = 0;
  for (const StateDifference& one : diff.state) {
    if (shown++ == kStateShown) {
      out += fmt::format("  and {} more: --format json has all\n", diff.state.size() - kStateShown);
      break;
    }
    out += fmt::format("  {}: {} | {}\n", one.what, or_none(one.a), or_none(one.b));
  }
  shown = 0;
  for (const PageDifference& one : diff.pages) {
    if (shown++ == kPagesShown) break;
    out +=
        fmt::format("  memory: {} {}, first {:#x}: {}\n", one.pages,
                    one.pages == 1 ? "page" : "pages", one.first,
                    one.owner_a == one.owner_b ? one.owner_a
                                               : fmt::format("{} | {}", one.owner_a, one.owner_b));
  }
  return out;
}

// Verdicts and measurements that differ.
std::vector<StateDifference> outcome(const RunDiff& diff) {
  std::vector<StateDifference> result;
  for (const InvariantVerdict& in_a : diff.a.verdicts) {
    const auto in_b = std::ranges::find(diff.b.verdicts, in_a.id, &InvariantVerdict::id);
    const std::uint64_t other = in_b == diff.b.verdicts.end() ? 0 : in_b->violations;
    const auto word = [](std::uint64_t count) {
      return count == 0 ? std::string("holds") : fmt::format("violated x{}", count);
    };
    if (in_a.violations != other) result.push_back({in_a.id, word(in_a.violations), word(other)});
  }
  for (const Measurement& in_a : diff.a.measurements) {
    const auto in_b = std::ranges::find(diff.b.measurements, in_a.id, &Measurement::id);
    if (in_b == diff.b.measurements.end() || in_b->value == in_a.value) continue;
    result.push_back({in_a.id, format_measurement(in_a), format_measurement(*in_b)});
  }
  if (diff.a.events != diff.b.events) {
    result.push_back({"events", fmt::to_string(diff.a.events), fmt::to_string(diff.b.events)});
  }
  return result;
}

json::value line_value(const std::optional<DiffLine>& line) {
  if (!line) return nullptr;
  return json::object{{"event", line->event},
                      {"time_ps", line->time.ps()},
                      {"actor", line->actor},
                      {"text", line->text}};
}

json::array transitions_value(const std::vector<Transition>& rows) {
  json::array result;
  for (const Transition& row : rows) {
    json::object value{
        {"event", row.event},   {"time_ps", row.time.ps()},       {"phase", row.phase},
        {"device", row.device}, {"what", row_of(row.glyph).name}, {"text", row.text}};
    if (row.generation) value["kernel"] = *row.generation;
    result.push_back(std::move(value));
  }
  return result;
}

json::object side_value(const RunResult& result) {
  return {{"scenario", result.file},
          {"seed", result.seed},
          {"token", result.token},
          {"set", json::value_from(result.overrides)},
          {"events", result.events},
          {"end_ps", result.end.ps()},
          {"fingerprint", result.fingerprint}};
}

json::array differences_value(const std::vector<StateDifference>& rows) {
  json::array result;
  for (const StateDifference& one : rows) {
    result.push_back(json::object{{"what", one.what}, {"a", one.a}, {"b", one.b}});
  }
  return result;
}

}  // namespace

std::string format_diff(const RunDiff& diff) {
  std::string out = side_text("A", diff.a) + side_text("B", diff.b);
  if (diff.same) {
    return out +
           fmt::format("the same: {} events, fingerprint {}\n", diff.a.events, diff.a.fingerprint);
  }
  const std::optional<DiffLine>& line = diff.in_a ? diff.in_a : diff.in_b;
  if (!line) {
    out += "\nthe same events, but not the same facts: the fingerprints differ\n";
  } else {
    out += fmt::format("\nfirst difference at event {}, {} us, phase {}\n", line->event,
                       format_microseconds(line->time), diff.phase);
    out += line_text("before", diff.common) + line_text("A", diff.in_a) + line_text("B", diff.in_b);
  }
  out += transitions_text(diff) + state_text(diff);
  const std::vector<StateDifference> rows = outcome(diff);
  if (!rows.empty()) out += "\nwhat they came to\n";
  for (const StateDifference& one : rows) {
    out += fmt::format("  {:<24} {} | {}\n", one.what, one.a, one.b);
  }
  return out;
}

std::string format_diff_json(const RunDiff& diff) {
  json::array pages;
  for (const PageDifference& one : diff.pages) {
    pages.push_back(json::object{{"owner_a", one.owner_a},
                                 {"owner_b", one.owner_b},
                                 {"pages", one.pages},
                                 {"first", one.first}});
  }
  return json_text(json::object{
      {"baton_diff", 1},
      {"same", diff.same},
      {"a", side_value(diff.a)},
      {"b", side_value(diff.b)},
      {"phase", diff.phase},
      {"common", line_value(diff.common)},
      {"in_a", line_value(diff.in_a)},
      {"in_b", line_value(diff.in_b)},
      {"transitions", json::object{{"common", transitions_value(diff.transitions_common)},
                                   {"a", transitions_value(diff.transitions_a)},
                                   {"b", transitions_value(diff.transitions_b)}}},
      {"state", differences_value(diff.state)},
      {"pages", std::move(pages)},
      {"outcome", differences_value(outcome(diff))}});
}

}  // namespace baton::harness
