// One HTML page for a run or a set of runs: a single file that asks nobody for anything, the same
// bytes for the same runs, readable without scripts, in light and dark.
//
// The page is kept under kHtmlMax bytes: the event table gives way first, then the ledger and the
// configuration writes keep their most telling rows (each says what it leaves out). Of a set of
// many runs the page tells those that failed first, at most kHtmlRuns and as many as there is room
// for, and lists all.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "harness/report/run_result.h"

namespace baton::harness {

inline constexpr std::size_t kHtmlMax = 2'000'000;
inline constexpr std::size_t kHtmlRuns = 12;

// The frame of a page; `navigation` and `main` are markup.
std::string html_page(std::string_view title, std::string_view navigation, std::string_view main);

std::string format_html(std::span<const RunResult> results);

}  // namespace baton::harness
