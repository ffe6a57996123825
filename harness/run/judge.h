// From what the checkers found and what was measured to the verdict on each expectation.
#pragma once

#include <memory>
#include <span>

#include "harness/invariants/watch.h"
#include "harness/report/run_result.h"
#include "harness/scenario/scenario.h"

namespace baton::harness {

// Fills verdicts, violations and expectations; result.measurements must be there.
void judge(RunResult& result, const Scenario& scenario,
           std::span<const std::unique_ptr<Checker>> checkers, const Findings& findings);

}  // namespace baton::harness
