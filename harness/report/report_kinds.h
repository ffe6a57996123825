// The reports that can be written of a set of runs: one row per kind. All of them are texts made
// from RunResult alone, so that the same runs give the same bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "harness/report/run_result.h"

namespace baton::harness {

struct ReportKind {
  std::string_view name;  // of --report NAME=FILE
  std::string_view text;
  std::string (*write)(std::span<const RunResult> results);
  std::size_t transitions = 0;  // how many of each run's last transitions it wants to be kept
  bool record = false;          // whether it wants RunResult::record
  bool pauses = false;          // and RunResult::pauses
};

std::span<const ReportKind> report_kinds();
const ReportKind* report_kind(std::string_view name);

}  // namespace baton::harness
