#include <fmt/format.h>

#include <algorithm>

#include "harness/report/cases.h"
#include "harness/report/ci_reports.h"
#include "harness/report/escape.h"

namespace baton::harness {
namespace {

// Workflow commands escape their data, and the values of properties further (GitHub's page
// "Workflow commands", and command.ts of actions/toolkit).
std::string escape(std::string_view text, bool property) {
  std::string result;
  for (const char c : clean_utf8(text)) {
    switch (c) {
      case '%':
        result += "%25";
        break;
      case '\r':
        result += "%0D";
        break;
      case '\n':
        result += "%0A";
        break;
      case ':':
        result += property ? "%3A" : ":";
        break;
      case ',':
        result += property ? "%2C" : ",";
        break;
      default:
        result.push_back(c);
    }
  }
  return result;
}

bool failed(const Case& one) {
  return one.outcome == Outcome::kFailed || one.outcome == Outcome::kBug;
}

// A cell of a table, on one line.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : xml_text(text)) {
    if (c == '|') result += "\\";
    result.push_back(c == '\n' || c == '\r' ? ' ' : c);
  }
  return result;
}

std::string word(const RunResult& result) {
  if (result.passed()) return "ok";
  if (!result.bug.empty()) return "bug";
  return result.interrupted ? "interrupted" : "**failed**";
}

}  // namespace

std::string format_github(std::span<const RunResult> results) {
  std::string text;
  std::size_t count = 0;
  for (const RunResult& result : results) {
    for (const Case& one : cases_of(result)) {
      if (!failed(one) || ++count > kAnnotations) continue;
      // The place of an option is no place in a file.
      const Position at = one.at.source == 0 ? one.at : Position{1, 1, 1};
      text +=
          fmt::format("::error file={},line={},col={},title={}::{}\n", escape(result.file, true),
                      at.line, at.column, escape(one.title, true), escape(one.details, false));
    }
  }
  if (count > kAnnotations) {
    text += fmt::format("::error title=baton::{} more failures\n", count - kAnnotations);
  }
  return text;
}

std::string format_markdown(std::span<const RunResult> results) {
  std::string text =
      "## baton\n\n| scenario | verdict | expectations | seed | fingerprint |\n"
      "|---|---|---|---|---|\n";
  std::string failures;
  for (const RunResult& result : results) {
    const std::vector<Case> cases = cases_of(result);
    const auto met = std::ranges::count(cases, Outcome::kMet, &Case::outcome);
    text += fmt::format("| {} | {} | {} of {} | {} | `{}` |\n", cell(result.file), word(result),
                        met, cases.size(), result.seed, result.fingerprint.substr(0, 8));
    for (const Case& one : cases) {
      if (!failed(one)) continue;
      failures += fmt::format("\n<details><summary>{}: {}</summary>\n<pre>\n{}</pre>\n</details>\n",
                              xml_text(result.file), xml_text(one.title), xml_text(one.details));
    }
  }
  return text + failures;
}

}  // namespace baton::harness
