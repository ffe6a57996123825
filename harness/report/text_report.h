// Reports for people: one line per run, the story of a run on one screen, the block that explains a
// failure.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "harness/report/run_result.h"

namespace baton::harness {

// "ok    scenarios/quickstart.yaml  4 of 4 expectations  ..."
std::string format_line(const RunResult& result);

// How much the story tells beside the figures: nothing, the log of kernels and processes, or every
// architectural transition.
enum class Detail : std::uint8_t { kFigures, kLog, kTransitions };

// Phases, DMA, verdicts, measurements, standing, fingerprint; then what was violated.
std::string format_story(const RunResult& result, Detail detail);

// One block per expectation that was not met.
std::string format_failures(const RunResult& result);

// "3 runs: 2 ok, 1 failed"
std::string format_summary(std::span<const RunResult> results);

}  // namespace baton::harness
