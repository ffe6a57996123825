#include <fmt/format.h>

#include <filesystem>

#include "harness/report/cases.h"
#include "harness/report/ci_reports.h"
#include "harness/report/escape.h"

namespace baton::harness {
namespace {

// A description has no "#", which begins a directive, and no white space, so that tools that split
// at it see one word.
std::string description(const RunResult& result, const Case& one) {
  std::string text = clean_utf8(
      fmt::format("{}.{}", std::filesystem::path(result.file).stem().string(), one.name));
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || c == '#') c = '-';
  }
  return text;
}

std::string diagnostics(std::string_view details) {
  std::string text;
  while (!details.empty()) {
    const std::size_t end = details.find('\n');
    text += fmt::format("# {}\n", clean_utf8(details.substr(0, end)));
    if (end == std::string_view::npos) break;
    details.remove_prefix(end + 1);
  }
  return text;
}

}  // namespace

std::string format_ktap(std::span<const RunResult> results) {
  std::size_t number = 0;
  std::string lines;
  for (const RunResult& result : results) {
    lines += fmt::format("# {}: seed {}, token {}, fingerprint {}\n", clean_utf8(result.file),
                         result.seed, result.token, result.fingerprint);
    for (const Case& one : cases_of(result)) {
      const bool bad = one.outcome == Outcome::kFailed || one.outcome == Outcome::kBug;
      if (bad) lines += diagnostics(one.details);
      const std::string_view directive = one.outcome == Outcome::kUnknown ? " # SKIP interrupted"
                                         : one.outcome == Outcome::kUnchecked
                                             ? " # SKIP nothing to check"
                                             : "";
      lines += fmt::format("{} {} {}{}\n", bad ? "not ok" : "ok", ++number,
                           description(result, one), directive);
    }
  }
  return fmt::format("KTAP version 1\n1..{}\n{}", number, lines);
}

}  // namespace baton::harness
