// baton check: everything that can be wrong before the first event.

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "harness/run/host_builder.h"

namespace baton::cli {

int check_command(const Options& options, Output output) {
  const std::vector<std::string> files = select_scenarios(options.scenarios);
  if (files.empty()) {
    output.human << "nothing selected: no .yaml file there\n";
    return kNothing;
  }
  bool good = true;
  for (const std::string& file : files) {
    const harness::Loaded loaded = harness::check_scenario(file);
    if (!loaded.good()) {
      output.human << loaded.errors();
      good = false;
      continue;
    }
    if (options.expand) {
      output.data << harness::expand(loaded);
    } else {
      output.human << fmt::format("ok  {}\n", file);
    }
  }
  return good ? kHeld : kUsage;
}

}  // namespace baton::cli
