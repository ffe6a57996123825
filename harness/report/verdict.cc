#include "harness/report/verdict.h"

#include <fmt/format.h>

#include <algorithm>

namespace baton::harness {
namespace {

bool unchecked(const RunResult& result, std::string_view id) {
  const auto found = std::ranges::find(result.verdicts, id, &InvariantVerdict::id);
  return found == result.verdicts.end() || verdict_of(*found) == PromiseVerdict::kUnchecked;
}

}  // namespace

PromiseVerdict verdict_of(const InvariantVerdict& verdict) {
  if (verdict.violations != 0) return PromiseVerdict::kViolated;
  return verdict.checks == 0 ? PromiseVerdict::kUnchecked : PromiseVerdict::kHeld;
}

std::string_view name(PromiseVerdict verdict) {
  switch (verdict) {
    case PromiseVerdict::kHeld:
      return "holds";
    case PromiseVerdict::kViolated:
      return "violated";
    case PromiseVerdict::kUnchecked:
      break;
  }
  return "unchecked";
}

std::string not_shown(const RunResult& result, const Expectation& expectation,
                      std::string_view invariant) {
  if (!unchecked(result, invariant)) return {};
  if (!result.given_up.empty()) {
    return fmt::format("{} was not checked: the run was given up, {}", invariant, result.given_up);
  }
  const bool anything = std::ranges::any_of(
      expectation.ids, [&](const std::string& id) { return !unchecked(result, id); });
  return anything ? std::string() : fmt::format("{} was not checked", invariant);
}

}  // namespace baton::harness
