#include <fmt/format.h>

#include "harness/report/cases.h"
#include "harness/report/ci_reports.h"
#include "harness/report/escape.h"

namespace baton::harness {
namespace {

struct Counts {
  std::size_t tests = 0;
  std::size_t failures = 0;
  std::size_t errors = 0;
  std::size_t skipped = 0;

  void count(Outcome outcome) {
    ++tests;
    failures += outcome == Outcome::kFailed ? 1 : 0;
    errors += outcome == Outcome::kBug ? 1 : 0;
    skipped += outcome == Outcome::kUnknown || outcome == Outcome::kUnchecked ? 1 : 0;
  }

  std::string attributes() const {
    return fmt::format(R"(tests="{}" failures="{}" errors="{}" skipped="{}" time="0")", tests,
                       failures, errors, skipped);
  }
};

std::string property(std::string_view name, std::string_view value) {
  return fmt::format("      <property name=\"{}\" value=\"{}\"/>\n", name, xml_text(value));
}

std::string properties(const RunResult& result) {
  std::string text = "    <properties>\n";
  text += property("seed", fmt::format("{}", result.seed));
  text += property("token", result.token);
  text += property("digest", result.digest);
  text += property("fingerprint", result.fingerprint);
  text += property("events", fmt::format("{}", result.events));
  text += property("simulated_time_ps", fmt::format("{}", result.end.ps()));
  for (const std::string& set : result.overrides) text += property("set", set);
  return text + "    </properties>\n";
}

std::string testcase(const RunResult& result, const Case& one) {
  const std::string head = fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"0\"",
                                       xml_text(result.title), xml_text(one.name));
  const auto child = [&](std::string_view element, std::string_view type) {
    return fmt::format("{}>\n      <{} type=\"{}\" message=\"{}\">{}</{}>\n    </testcase>\n", head,
                       element, xml_text(type), xml_text(one.title), xml_text(one.details),
                       element);
  };
  switch (one.outcome) {
    case Outcome::kMet:
      break;
    case Outcome::kFailed:
      return child("failure", one.id);
    case Outcome::kBug:
      return child("error", "bug");
    case Outcome::kUnchecked:
    case Outcome::kUnknown:
      return fmt::format("{}>\n      <skipped message=\"{}\"/>\n    </testcase>\n", head,
                         xml_text(one.details.substr(0, one.details.find('\n'))));
  }
  return head + "/>\n";
}

}  // namespace

std::string format_junit(std::span<const RunResult> results) {
  Counts all;
  std::string suites;
  for (const RunResult& result : results) {
    Counts counts;
    std::string cases;
    for (const Case& one : cases_of(result)) {
      counts.count(one.outcome);
      all.count(one.outcome);
      cases += testcase(result, one);
    }
    suites += fmt::format("  <testsuite name=\"{}\" {}>\n{}{}  </testsuite>\n",
                          xml_text(result.file), counts.attributes(), properties(result), cases);
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"baton\" {}>\n{}"
      "</testsuites>\n",
      all.attributes(), suites);
}

}  // namespace baton::harness
