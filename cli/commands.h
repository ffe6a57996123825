// The subcommands: each returns the program's exit status. Human text goes to `human` (stderr),
// data to `data` (stdout).
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "cli/options.h"

namespace baton::cli {

struct Output {
  std::ostream& data;
  std::ostream& human;
  bool data_is_terminal = false;   // a person reads `data`: headings are welcome
  bool human_is_terminal = false;  // progress can be shown on one line
  bool ci = false;                 // continuous integration: progress now and then
};

int run_command(const Options& options, Output output, const std::function<bool()>& interrupted);
int replay_command(const Options& options, Output output, const std::function<bool()>& interrupted);
int sweep_command(const Options& options, Output output, const std::function<bool()>& interrupted);
int merge_command(const Options& options, Output output);
int diff_command(const Options& options, Output output, const std::function<bool()>& interrupted);
int check_command(const Options& options, Output output);
int list_command(const Options& options, Output output);
int explain_command(const Options& options, Output output);
int schema_command(const Options& options, Output output);
int new_command(const Options& options, Output output);
int completion_command(const Options& options, Output output);
int man_command(Output output);
int conform_command(const Options& options, Output output);
int show_command(const Options& options, Output output, const std::function<bool()>& interrupted);

// Runs the command that the options name.
int run_program(const Options& options, Output output, const std::function<bool()>& interrupted);

// Files as given, folders as the .yaml files in and below them, sorted. A name that is neither
// stays: reading it gives the error.
std::vector<std::string> select_scenarios(const std::vector<std::string>& given);

}  // namespace baton::cli
