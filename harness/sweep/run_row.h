// What a sweep keeps of one run, and its form in JSON: in reports, where `baton merge` reads it
// again, and in state files, where an interrupted sweep does.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "harness/conform/json_input.h"
#include "harness/record/function_outcomes.h"
#include "harness/report/run_result.h"

namespace baton::harness {

enum class RunVerdict : std::uint8_t { kOk, kFailed, kBug };
std::string_view name(RunVerdict verdict);

// An expectation that was not met.
struct FailedCase {
  std::string id;           // invariant or measure
  std::string name;         // "holds isolation"
  std::uint64_t event = 0;  // of the first violation; 0: none is the cause, or it is the end
};

struct ViolatedInvariant {
  std::string id;
  std::uint64_t count = 0;
  std::uint64_t event = 0;  // as above
};

struct RunRow {
  std::uint64_t run = 0;  // its number in the plan
  RunVerdict verdict = RunVerdict::kOk;
  std::vector<FailedCase> failed;
  std::vector<ViolatedInvariant> violated;  // expected or not
  std::vector<Measurement> measurements;
  std::uint64_t events = 0;
  std::uint64_t end_ps = 0;
  std::string fingerprint;
  std::string token;
  std::string bug;
  std::vector<std::string> marks;
  std::vector<FunctionOutcome> functions;

  // Nothing failed and nothing was violated, expected or not.
  bool sound() const { return verdict == RunVerdict::kOk && violated.empty(); }
  // The event by which something was wrong; without one, all of them.
  std::uint64_t events_to_failure() const;
};

RunRow make_run_row(std::uint64_t run, const RunResult& result);

boost::json::object run_row_value(const RunRow& row);
// Problems are left with the field.
RunRow read_run_row(const JsonField& field);

}  // namespace baton::harness
