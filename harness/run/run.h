// Runs one scenario from power-on to its end and judges it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "harness/record/observer.h"
#include "harness/report/run_result.h"
#include "harness/scenario/scenario.h"
#include "model/host/handoff.h"
#include "sim/memory.h"

namespace baton::harness {

struct RunOptions {
  std::uint64_t seed = 0;
  bool keep_log = false;
  // Asked between slices of simulated time; true ends the run where it is.
  std::function<bool()> interrupted;
  // Attached in this order before power-on; they outlive the run.
  std::vector<RunObserver*> observers;
  // What a test does to the memory that is handed over, at the instant of each jump.
  std::function<void(sim::PhysicalMemory&, const host::KexecImage&)> at_jump;
};

// `loaded` has been checked (check_scenario). A bug in baton throws sim::BugError.
RunResult run_scenario(const Loaded& loaded, const RunOptions& options);

}  // namespace baton::harness
