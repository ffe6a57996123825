// What the command line asks for, parsed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace baton::cli {

enum class Command { kNone, kRun, kCheck, kList, kExplain };

struct Options {
  Command command = Command::kNone;
  std::vector<std::string> scenarios;  // files or folders
  std::uint64_t seed = 0;
  bool verbose = false;
  bool expand = false;
  std::vector<std::string> reports;  // kind=file
  std::string what;                  // of list and explain
  std::string folder = "scenarios";  // of list scenarios
};

struct Parsed {
  Options options;
  // Set when the program ends here: help was printed, or the usage was wrong.
  bool done = false;
  int exit_code = 0;
};

// Prints help to stdout and usage errors to stderr.
Parsed parse_arguments(int argc, char** argv);

}  // namespace baton::cli
