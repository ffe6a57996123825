// The JSON of a sweep, written and read again.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "harness/report/escape.h"
#include "harness/sweep/sweep_report.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kFormatVersion = 1;

json::object plan_value(const SweepPlan& plan) {
  json::array dimensions;
  for (const Dimension& dimension : plan.dimensions) {
    json::array alternatives;
    for (const Alternative& one : dimension.alternatives) {
      alternatives.push_back(
          json::object{{"name", clean_utf8(one.label)}, {"set", json::value_from(one.set)}});
    }
    dimensions.push_back(json::object{{"name", clean_utf8(dimension.name)},
                                      {"alternatives", std::move(alternatives)}});
  }
  json::object value{{"scenario", clean_utf8(plan.file)},
                     {"title", clean_utf8(plan.title)},
                     {"digest", plan.digest},
                     {"set", json::value_from(plan.set)},
                     {"first_seed", plan.first_seed},
                     {"last_seed", plan.last_seed},
                     {"excluded", plan.excluded},
                     {"dimensions", std::move(dimensions)},
                     {"cells", json::value_from(plan.cells)}};
  if (!plan.table.empty()) value["table"] = json::value_from(plan.table);
  return value;
}

template <class Map>
json::object counts_value(const Map& counts) {
  json::object value;
  for (const auto& [id, count] : counts) value[id] = count;
  return value;
}

json::object cell_value(const SweepPlan& plan, std::size_t index, const CellSummary& cell) {
  json::object values;
  for (std::size_t i = 0; i < plan.dimensions.size(); ++i) {
    values[clean_utf8(plan.dimensions[i].name)] = clean_utf8(plan.label(index, i));
  }
  json::object measurements;
  for (const auto& [id, one] : cell.measurements) {
    measurements[id] = json::object{{"minimum", one.minimum},
                                    {"median", one.median},
                                    {"p99", one.p99},
                                    {"maximum", one.maximum}};
  }
  return {{"cell", index},
          {"values", std::move(values)},
          {"runs", cell.runs},
          {"ok", cell.ok},
          {"bugs", cell.bugs},
          {"failed", counts_value(cell.failed)},
          {"violated", counts_value(cell.violated)},
          {"measurements", std::move(measurements)}};
}

json::object group_value(const SweepResult& result, const FailureGroup& group) {
  const RunRow& row = result.rows[group.quickest];
  return {{"id", group.id},
          {"title", group.title},
          {"expected", group.expected},
          {"runs", group.runs},
          {"cells", group.cells},
          {"run", row.run},
          {"seed", result.plan.seed_of(row.run)},
          {"event", group.event},
          {"token", row.token},
          {"command", run_command_of(result.plan, row.run)}};
}

json::object flip_value(const SweepResult& result, const Flip& flip) {
  const Dimension& dimension = result.plan.dimensions[flip.dimension];
  return {{"dimension", clean_utf8(dimension.name)},
          {"from", clean_utf8(dimension.alternatives[flip.from].label)},
          {"to", clean_utf8(dimension.alternatives[flip.to].label)},
          {"flipped", flip.flipped},
          {"compared", flip.compared},
          {"sound_run", result.rows[flip.sound].run},
          {"broken_run", result.rows[flip.broken].run}};
}

// "key": [ a line per value ]
template <class Rows, class ToValue>
void add_lines(std::string& out, std::string_view key, const Rows& rows, ToValue to_value) {
  out += fmt::format("  \"{}\": [", key);
  const char* before = "\n    ";
  for (const auto& row : rows) {
    out += before + json::serialize(to_value(row));
    before = ",\n    ";
  }
  out += rows.empty() ? "]" : "\n  ]";
}

SweepPlan read_plan(const JsonField& field) {
  SweepPlan plan;
  plan.file = field.at("scenario").text();
  plan.title = field.at("title").text();
  plan.digest = field.at("digest").text();
  for (const JsonField& one : field.at("set").items()) plan.set.push_back(one.text());
  if (field.has("table")) {
    for (const JsonField& one : field.at("table").items()) plan.table.push_back(one.text());
  }
  plan.first_seed = field.at("first_seed").number();
  plan.last_seed = field.at("last_seed").number();
  plan.excluded = field.at("excluded").number();
  for (const JsonField& one : field.at("dimensions").items()) {
    Dimension dimension{one.at("name").text(), {}, {}};
    for (const JsonField& item : one.at("alternatives").items()) {
      Alternative alternative{item.at("name").text(), {}};
      for (const JsonField& set : item.at("set").items()) alternative.set.push_back(set.text());
      dimension.alternatives.push_back(std::move(alternative));
    }
    plan.dimensions.push_back(std::move(dimension));
  }
  for (const JsonField& one : field.at("cells").items()) {
    std::vector<std::uint32_t> cell;
    for (const JsonField& item : one.items()) {
      const std::size_t d = cell.size();
      const std::uint64_t index = item.number(UINT32_MAX);
      if (d >= plan.dimensions.size() || index >= plan.dimensions[d].alternatives.size()) {
        item.fail("no such alternative");
        return plan;
      }
      cell.push_back(static_cast<std::uint32_t>(index));
    }
    if (cell.size() != plan.dimensions.size()) one.fail("an alternative of each dimension");
    plan.cells.push_back(std::move(cell));
  }
  if (plan.cells.empty()) field.fail("no cells");
  if (plan.last_seed < plan.first_seed || plan.last_seed - plan.first_seed >= kSweepRunsMax) {
    field.fail("these are no seeds");
  } else if (plan.cells.size() > kCellsMax || plan.runs() > kSweepRunsMax) {
    field.fail("too many runs");
  }
  return plan;
}

void read_rows(const JsonField& field, SweepResult& result) {
  for (const JsonField& one : field.items()) {
    RunRow row = read_run_row(one);
    const bool in_order = result.rows.empty() || result.rows.back().run < row.run;
    if (row.run >= result.plan.runs() || !result.shard.has(row.run) || !in_order) {
      one.fail("a run that is not of this shard, or not in order");
      return;
    }
    result.rows.push_back(std::move(row));
  }
}

std::uint64_t runs_of(const SweepPlan& plan, const Shard& shard) {
  return (plan.runs() + shard.of - shard.index) / shard.of;
}

std::expected<void, std::string> check_same(const SweepResult& first, const SweepResult& other,
                                            const std::string& file) {
  if (json::serialize(plan_value(first.plan)) != json::serialize(plan_value(other.plan))) {
    return std::unexpected(fmt::format("{}: a shard of another sweep", file));
  }
  if (first.shard.of != other.shard.of) {
    return std::unexpected(
        fmt::format("{}: of {} shards, the others of {}", file, other.shard.of, first.shard.of));
  }
  return {};
}

}  // namespace

std::string format_sweep_json(const SweepResult& result) {
  const SweepSummary summary = summarise(result);
  std::string out = fmt::format("{{\n  \"baton_sweep\": {},\n  \"plan\": {},\n", kFormatVersion,
                                json::serialize(plan_value(result.plan)));
  if (!result.shard.whole()) {
    out += fmt::format("  \"shard\": {{\"index\":{},\"of\":{}}},\n", result.shard.index,
                       result.shard.of);
  }
  out += fmt::format("  \"complete\": {},\n", result.complete);
  add_lines(out, "runs", result.rows, [](const RunRow& row) { return run_row_value(row); });
  out += ",\n";
  std::size_t index = 0;
  add_lines(out, "cells", summary.cells,
            [&](const CellSummary& cell) { return cell_value(result.plan, index++, cell); });
  out += ",\n";
  add_lines(out, "failures", summary.failures,
            [&](const FailureGroup& group) { return group_value(result, group); });
  out += ",\n";
  add_lines(out, "flips", summary.flips,
            [&](const Flip& flip) { return flip_value(result, flip); });
  out += ",\n";
  add_lines(out, "marks", summary.marks, [](const MarkCount& mark) {
    return json::object{{"mark", mark.id}, {"runs", mark.runs}};
  });
  return out + "\n}\n";
}

std::expected<SweepResult, std::string> read_sweep_json(const std::string& file) {
  const auto value = load_json(file);
  if (!value) return std::unexpected(value.error());
  std::string error;
  const JsonField root(*value, error);
  const JsonField version = root.at("baton_sweep");
  if (version.number() != kFormatVersion) version.fail("not a sweep of this version of baton");
  SweepResult result;
  if (error.empty()) result.plan = read_plan(root.at("plan"));
  if (const auto shard = root.maybe("shard"); shard && error.empty()) {
    result.shard = {shard->at("index").number(), shard->at("of").number()};
    if (result.shard.index == 0 || result.shard.index > result.shard.of) shard->fail("no shard");
  }
  if (error.empty()) read_rows(root.at("runs"), result);
  if (error.empty()) {
    result.complete = root.at("complete").boolean();
    if (result.complete != (result.rows.size() == runs_of(result.plan, result.shard))) {
      root.at("complete").fail("does not fit the number of runs");
    }
  }
  if (!error.empty()) return std::unexpected(fmt::format("{}: {}", file, error));
  return result;
}

std::expected<SweepResult, std::string> merge_sweeps(const std::vector<std::string>& files) {
  std::vector<SweepResult> shards;
  for (const std::string& file : files) {
    auto shard = read_sweep_json(file);
    if (!shard) return std::unexpected(shard.error());
    if (!shard->complete) return std::unexpected(fmt::format("{}: it was interrupted", file));
    if (!shards.empty()) {
      if (const auto same = check_same(shards.front(), *shard, file); !same) {
        return std::unexpected(same.error());
      }
    }
    if (std::ranges::count(shards, shard->shard, &SweepResult::shard) != 0) {
      return std::unexpected(
          fmt::format("{}: shard {}/{} is there twice", file, shard->shard.index, shard->shard.of));
    }
    shards.push_back(std::move(*shard));
  }
  SweepResult merged;
  merged.plan = shards.front().plan;
  for (SweepResult& shard : shards) {
    std::ranges::move(shard.rows, std::back_inserter(merged.rows));
  }
  std::ranges::sort(merged.rows, {}, &RunRow::run);
  if (shards.size() != shards.front().shard.of) {
    return std::unexpected(fmt::format("{} of {} shards: the others are missing", shards.size(),
                                       shards.front().shard.of));
  }
  merged.complete = true;
  return merged;
}

}  // namespace baton::harness
