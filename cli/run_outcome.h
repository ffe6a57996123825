// What `run` and `replay` share: a bug of baton in one run is that run's outcome, and one exit
// status stands for all runs.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "harness/report/run_result.h"

namespace baton::cli {

// A failed check of baton becomes RunResult::bug, with the token that repeats it.
harness::RunResult run_guarded(const harness::Loaded& scenario, std::uint64_t seed,
                               const std::function<harness::RunResult()>& run);

// The gravest of them: bug, not deterministic, interrupted, not written, failed.
int exit_code(std::span<const harness::RunResult> results, bool deterministic, bool written,
              bool cut_short);

}  // namespace baton::cli
