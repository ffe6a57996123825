// baton check: everything that can be wrong before the first event.

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "harness/run/host_builder.h"
#include "harness/scenario/diagnostic_report.h"

namespace baton::cli {
namespace {

void tell(const harness::Loaded& loaded, bool expand, Output output) {
  if (!loaded.good()) {
    output.human << loaded.errors();
  } else if (expand) {
    output.data << harness::expand(loaded);
  } else {
    output.human << fmt::format("ok  {}\n", loaded.file);
  }
}

}  // namespace

int check_command(const Options& options, Output output) {
  const std::vector<std::string> files = select_scenarios(options.scenarios);
  if (files.empty()) {
    output.human << "nothing selected: no .yaml file there\n";
    return kNothing;
  }
  bool good = true;
  const bool human = options.format.empty() || options.format == "human";
  std::vector<harness::Loaded> all;
  for (const std::string& file : files) {
    harness::Loaded loaded = harness::check_scenario(file);
    good = good && loaded.good();
    if (human) tell(loaded, options.expand, output);
    // For machines the problems alone are kept, not the tree.
    loaded.root = {};
    if (!human) all.push_back(std::move(loaded));
  }
  if (options.format == "json") output.data << harness::diagnostics_json(all);
  if (options.format == "sarif") output.data << harness::diagnostics_sarif(all);
  return good ? kHeld : kUsage;
}

}  // namespace baton::cli
