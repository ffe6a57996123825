// From the parsed options to the command.

#include "cli/commands.h"
#include "cli/exit_code.h"

namespace baton::cli {

int run_program(const Options& options, Output output, const std::function<bool()>& interrupted) {
  switch (options.command) {
    case Command::kRun:
      return run_command(options, output, interrupted);
    case Command::kReplay:
      return replay_command(options, output, interrupted);
    case Command::kSweep:
      return sweep_command(options, output, interrupted);
    case Command::kMerge:
      return merge_command(options, output);
    case Command::kDiff:
      return diff_command(options, output, interrupted);
    case Command::kCheck:
      return check_command(options, output);
    case Command::kList:
      return list_command(options, output);
    case Command::kExplain:
      return explain_command(options, output);
    case Command::kSchema:
      return schema_command(options, output);
    case Command::kNew:
      return new_command(options, output);
    case Command::kCompletion:
      return completion_command(options, output);
    case Command::kMan:
      return man_command(output);
    case Command::kConform:
      return conform_command(options, output);
    case Command::kShow:
      return show_command(options, output, interrupted);
    case Command::kNone:
      break;
  }
  return kUsage;
}

}  // namespace baton::cli
