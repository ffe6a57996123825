// A run as a file: every event and every line of the log, as JSON lines, so that runs of two
// versions of the program can be compared.
//
//   {"baton_events":1,"scenario":FILE,"title":...,"seed":0,"set":[...],"digest":"..."}
//   {"event":1,"time_ps":0,"actor":"kernel0","text":"..."}
//   {"end_ps":...,"events":...,"fingerprint":"..."}
//
// A file has the runs of one command, one after the other.
#pragma once

#include <cstdint>
#include <expected>
#include <istream>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "harness/run/run_diff.h"

namespace baton::harness {

class EventLog {
 public:
  // The stream outlives it.
  explicit EventLog(std::ostream& out) : out_(out) {}
  void begin(const Loaded& loaded, std::uint64_t seed);
  void line(std::uint64_t event, const sim::LogLine& line);
  void end(const RunResult& result);

 private:
  std::ostream& out_;
};

// Whether a file's first byte is that of a log, and not of a scenario.
bool is_event_log(std::istream& in);

struct LogDiff {
  struct Side {
    std::string scenario;
    std::uint64_t seed = 0;
    std::vector<std::string> set;
    std::string digest;
    std::string fingerprint;      // empty when the log ends before the run
    std::uint64_t events = 0;     // of the run in which they part
    std::vector<DiffLine> lines;  // from the first that differs on, some
  };
  Side a;
  Side b;
  bool same = false;
  std::uint64_t runs = 0;  // compared until they part
  std::optional<DiffLine> common;
};

// Reads both line by line. The error is a sentence with file and line.
std::expected<LogDiff, std::string> diff_logs(std::istream& a, const std::string& name_a,
                                              std::istream& b, const std::string& name_b);

std::string format_log_diff(const LogDiff& diff);
std::string format_log_diff_json(const LogDiff& diff);

}  // namespace baton::harness
