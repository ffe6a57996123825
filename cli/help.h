// What the command line takes, as data: read from CLI11's tree by arguments.cc, printed as help
// texts, shell completion (completion.cc) and the manual page (manual.cc). None of the three can
// say anything that the parser does not do.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace baton::cli {

struct OptionHelp {
  std::vector<std::string> flags;    // "-v", "--verbose"; empty: a positional argument
  std::string value;                 // "N", "json|sarif"; empty: a switch
  std::vector<std::string> choices;  // if only these may stand there
  std::string text;
  std::string fallback;  // the default, as text
  bool required = false;
  bool repeated = false;

  bool positional() const { return flags.empty(); }
  // "-v, --verbose", "--seed N", "SCENARIO..."
  std::string synopsis() const;
};

struct CommandHelp {
  std::string name;  // empty: the program itself
  std::string text;
  std::vector<std::string> examples;
  std::vector<OptionHelp> options;

  // "baton run [OPTIONS] SCENARIO..."
  std::string usage() const;
};

// The program first, then its commands.
std::vector<CommandHelp> command_help();

// One screen: examples, what it does, usage, options; for the program its commands and exit
// statuses.
std::string format_help(const CommandHelp& command, std::span<const CommandHelp> all);

std::string bash_completion(std::span<const CommandHelp> all);
std::string zsh_completion(std::span<const CommandHelp> all);
// The page in man(7) macros.
std::string manual_page(std::span<const CommandHelp> all);

}  // namespace baton::cli
