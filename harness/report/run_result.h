// Everything that one run brought forth, for every kind of report. No host time, no host path: the
// same scenario, seed and build give the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/invariants/violation.h"
#include "harness/record/critical_path.h"
#include "harness/record/run_record.h"
#include "harness/record/stage_facts.h"
#include "harness/record/transitions.h"
#include "harness/scenario/scenario.h"
#include "sim/time.h"

namespace baton::harness {

// A stretch of the run between two phase transitions.
struct PhaseRow {
  unsigned generation = 0;
  std::string name;
  sim::Time from;
  sim::Time to;
  std::uint64_t dma_bytes = 0;     // written to memory by devices of VMs
  std::uint64_t dma_requests = 0;  // completed, reads and writes
  std::uint64_t dma_refused = 0;
};

struct InvariantVerdict {
  std::string id;
  std::uint64_t violations = 0;
  std::uint64_t checks = 0;       // how often the checker compared something
  std::string not_promised = {};  // why the scenario's kernels do not promise it; empty: they do
};

struct Measurement {
  std::string id;
  std::uint64_t value = 0;  // picoseconds, bytes or a count, by the measure's row
};

struct ExpectationOutcome {
  Expectation expectation;
  bool met = false;
  std::string seen;
};

// Something that a run without the live update does not have, or has in its place.
struct DifferenceRow {
  std::string id;   // guest-unaware or device-unaware
  std::string who;  // "dsa0 of vm0"
  sim::Time time;
  std::uint64_t event = 0;
  std::string text;
  std::string excuse;      // why it is no violation; empty when it is one
  std::uint64_t more = 0;  // differences of the same kind right after it
};

// How well founded what this run used is, counted once per thing.
struct StandingCount {
  std::string standing;  // measured, read in source, posted, assumed
  std::vector<std::string> things;
};

struct LogRow {
  sim::Time time;
  std::string text;
};

// A defect that the scenario switches on, where it says so.
struct DefectPlace {
  std::string id;
  Position at;
};

struct RunResult {
  std::string file;
  std::string text;  // of the scenario, for quoting
  std::string title;
  std::uint64_t seed = 0;
  std::string digest;                  // of scenario and dump, 8 hexadecimal digits
  std::string token;                   // for baton replay
  std::vector<std::string> overrides;  // KEY=VALUE, set beside the scenario
  std::vector<DefectPlace> defects;
  std::string host;                  // "switch.lspci (9 functions), dsa0 at 6a:01.0, 64GiB"
  std::vector<std::string> kernels;  // "0: vision", "1: vision, defects memfd-skip-folio"
  std::vector<PhaseRow> phases;
  std::vector<InvariantVerdict> verdicts;
  std::vector<Violation> violations;
  std::vector<Measurement> measurements;
  std::vector<std::string> guests;  // what each guest counted, a line each
  std::vector<ExpectationOutcome> expectations;
  std::vector<StandingCount> standings;
  std::vector<std::string> notes;  // panics, refusals, unmodelled accesses
  std::vector<LogRow> log;         // kernel and process log, when asked for
  sim::Time end;
  std::uint64_t events = 0;
  std::string fingerprint;
  StageFacts stage;      // what became of the devices
  std::string given_up;  // why it ended before what it is about; empty: it came to its end
  bool interrupted = false;
  bool stopped = false;            // at RunOptions::until_event: not judged
  std::vector<std::string> state;  // of the machine, when stopped
  std::string bug;                 // what a failed check of baton said; the run has no verdict then
  TransitionLog transitions;       // when asked for
  std::optional<RunRecord> record;         // when asked for
  std::vector<PausePath> pauses;           // what each is made of, when asked for
  std::vector<DifferenceRow> differences;  // where an expectation compares with a second run

  bool passed() const {
    for (const ExpectationOutcome& outcome : expectations) {
      if (!outcome.met) return false;
    }
    return !interrupted && !stopped && bug.empty();
  }
};

// "1.203 s", "12.5 MiB", "7": a measurement for people.
std::string format_measurement(const Measurement& measurement);
// Bytes for people, in the largest binary unit, one decimal.
std::string format_bytes(std::uint64_t bytes);

}  // namespace baton::harness
