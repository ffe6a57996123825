// What a run can say of a promise: that it was broken, that it was kept, or nothing, because its
// checker never compared anything. Silence is no proof: where `holds` is expected, a run that was
// given up must have looked at each promise, and every run at one of them.
#pragma once

#include <string>
#include <string_view>

#include "harness/report/run_result.h"

namespace baton::harness {

enum class PromiseVerdict : std::uint8_t { kHeld, kViolated, kUnchecked };

PromiseVerdict verdict_of(const InvariantVerdict& verdict);
// "holds", "violated", "unchecked".
std::string_view name(PromiseVerdict verdict);

// Why `holds` of this invariant is not shown by a run in which nothing violated it; empty: it is.
// `expectation` is the one that names it.
std::string not_shown(const RunResult& result, const Expectation& expectation,
                      std::string_view invariant);

}  // namespace baton::harness
