// What the command line asks for, parsed.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace baton::cli {

enum class Command {
  kNone,
  kRun,
  kReplay,
  kSweep,
  kMerge,
  kDiff,
  kCheck,
  kList,
  kExplain,
  kSchema,
  kNew,
  kCompletion,
  kMan,
  kConform,
  kShow,
};

struct Options {
  Command command = Command::kNone;
  std::vector<std::string> scenarios;  // files or folders
  std::uint64_t seed = 0;
  int verbosity = 0;  // -v: story and log; -vv: every transition
  bool quiet = false;
  unsigned jobs = 1;
  bool fail_fast = false;
  bool check_determinism = false;
  bool disturb_second_run = false;  // by a test of the determinism check
  std::string filter;               // of file names
  std::vector<std::string> set;     // KEY=VALUE
  std::uint64_t until = 0;          // of replay: the event; 0 is none
  bool force = false;
  bool expand = false;
  std::vector<std::string> reports;         // kind=file
  std::vector<std::string> vary;            // of sweep: KEY=VALUES
  std::string seeds = "0";                  // of sweep: FIRST..LAST
  std::string shard;                        // of sweep: K/N
  std::string resume;                       // of sweep: the state file
  std::optional<std::uint64_t> other_seed;  // of diff: the second run's
  unsigned sweep_jobs = 0;                  // of sweep; 0: one for each CPU
  std::string trace;                        // file or folder
  std::string what;                         // of list, explain, new, completion, replay, conform
  std::vector<std::string> files;           // of conform and merge
  std::string value;                        // the second word of explain
  std::string format;                       // of check, schema and show
  std::string from = "quickstart";          // of new: the template
  std::string against;                      // of show config-writes: another scenario
  std::string at;                           // of show: WHEN; empty: end
  std::string out;                          // of show: a file; empty or "-" is stdout
  std::vector<std::string> logs;            // of run: kind=file
  std::string folder;                       // where scenarios are looked for; empty: the library
};

struct Parsed {
  Options options;
  // Set when the program ends here: help was printed, or the usage was wrong.
  bool done = false;
  int exit_code = 0;
};

// Prints help to `data` and usage errors to `human`.
Parsed parse_arguments(int argc, const char* const* argv, std::ostream& data, std::ostream& human);

}  // namespace baton::cli
