#include "harness/report/report_kinds.h"

#include <algorithm>
#include <array>

#include "harness/report/ci_reports.h"
#include "harness/report/html_report.h"
#include "harness/report/json_report.h"
#include "harness/report/stages_report.h"

namespace baton::harness {
namespace {

constexpr std::array kKinds{
    ReportKind{"junit", "JUnit XML, for CI servers", format_junit},
    ReportKind{"ktap", "KTAP, for kernel test harnesses", format_ktap},
    ReportKind{"github", "annotations of a GitHub workflow; to stdout: github=-", format_github},
    ReportKind{"markdown", "a summary, for $GITHUB_STEP_SUMMARY", format_markdown},
    ReportKind{"sarif", "SARIF 2.1.0, for code scanning", format_sarif},
    ReportKind{"json", "everything, documented in docs/report-json.md", format_json, 0, false,
               true},
    ReportKind{"html", "a page to read and to look at, one file", format_html, 20'000, true, true},
    ReportKind{"stages", "a table of what a live update keeps, a column for each run",
               format_stages},
};

}  // namespace

std::span<const ReportKind> report_kinds() { return kKinds; }

const ReportKind* report_kind(std::string_view name) {
  const auto found = std::ranges::find(kKinds, name, &ReportKind::name);
  return found == kKinds.end() ? nullptr : &*found;
}

}  // namespace baton::harness
