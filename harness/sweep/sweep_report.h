// Reports of a sweep. All are made of the result alone: the same sweep gives the same bytes,
// whatever ended first, however many worked at it, in one piece or merged from shards.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/sweep/summary.h"

namespace baton::harness {

// For people: matrix, measurements, failures, smallest change, marks never reached.
std::string format_sweep(const SweepResult& result);

// Everything; a line per run. `baton merge` reads it.
std::string format_sweep_json(const SweepResult& result);
// A line per run: its alternatives, seed, verdict, measurements. RFC 4180.
std::string format_sweep_csv(const SweepResult& result);
// What became of each function in each cell: a table, and a picture.
std::string format_sweep_markdown(const SweepResult& result);
std::string format_sweep_svg(const SweepResult& result);
// A page to look at, one file.
std::string format_sweep_html(const SweepResult& result);

struct SweepReportKind {
  std::string_view name;  // of --report NAME=FILE
  std::string (*write)(const SweepResult& result);
};
std::span<const SweepReportKind> sweep_report_kinds();

// A report that format_sweep_json() wrote. The error is a sentence.
std::expected<SweepResult, std::string> read_sweep_json(const std::string& file);

// One sweep of all its shards, in any order. The error is a sentence: shards of another sweep, one
// that is missing, there twice or not complete.
std::expected<SweepResult, std::string> merge_sweeps(const std::vector<std::string>& files);

}  // namespace baton::harness
