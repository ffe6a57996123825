// Reports for the tools that people have: JUnit XML for CI servers, KTAP for kernel test harnesses,
// annotations and a summary for GitHub, SARIF for code scanning. All are made of cases_of().
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "harness/report/run_result.h"

namespace baton::harness {

// One testsuite per run, one testcase per case. Times are 0: the same run gives the same bytes.
std::string format_junit(std::span<const RunResult> results);

// KTAP version 1 [linux Documentation/dev-tools/ktap.rst]: one plan, one line per case.
std::string format_ktap(std::span<const RunResult> results);

// A workflow shows ten annotations of a step: nine failures, and how many more there are.
inline constexpr std::size_t kAnnotations = 9;
std::string format_github(std::span<const RunResult> results);
// For $GITHUB_STEP_SUMMARY: a table of runs, the failures folded in.
std::string format_markdown(std::span<const RunResult> results);

// SARIF 2.1.0: invariants and measures as rules, failures as results at their expectation.
std::string format_sarif(std::span<const RunResult> results);

}  // namespace baton::harness
