// Runs one scenario from power-on to its end and judges it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
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
  std::size_t keep_transitions = 0;  // this many, the last ones
  bool keep_record = false;          // ledger, configuration writes, topology, curves
  bool keep_critical_path = false;   // of each guest's pause
  // Ends the run after the event of this number, as the fingerprint counts; 0: runs to its end.
  std::uint64_t until_event = 0;
  // Asked between slices of simulated time; true ends the run where it is.
  std::function<bool()> interrupted;
  // Attached in this order before power-on; they outlive the run.
  std::vector<RunObserver*> observers;
  // Given every event and every line of the log, before anything else keeps it.
  std::function<void(std::uint64_t event, const sim::LogLine&)> on_event;
  // What a test does to the simulation before power-on, to see what notices.
  std::function<void(sim::Simulation&)> perturb;
  // What a test does to the memory that is handed over, at the instant of each jump.
  std::function<void(sim::PhysicalMemory&, const host::KexecImage&)> at_jump;
};

// One run, a slice of simulated time after the other. `loaded` has been checked (check_scenario). A
// bug in baton throws sim::BugError.
class ScenarioRun {
 public:
  ScenarioRun(const Loaded& loaded, RunOptions options);
  ~ScenarioRun();
  ScenarioRun(const ScenarioRun&) = delete;
  ScenarioRun& operator=(const ScenarioRun&) = delete;

  // False when the run has come to its end.
  bool advance();
  // Judges it; once, at the end.
  RunResult finish();

  const sim::Fingerprint& fingerprint() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// All of it.
RunResult run_scenario(const Loaded& loaded, const RunOptions& options);

}  // namespace baton::harness
