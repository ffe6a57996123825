// baton completion, baton man.

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/help.h"

namespace baton::cli {

int completion_command(const Options& options, Output output) {
  const std::vector<CommandHelp> all = command_help();
  output.data << (options.what == "zsh" ? zsh_completion(all) : bash_completion(all));
  return kHeld;
}

int man_command(Output output) {
  output.data << manual_page(command_help());
  return kHeld;
}

}  // namespace baton::cli
