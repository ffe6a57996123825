// The only file that knows CLI11.

#include <CLI/CLI.hpp>

#include "cli/exit_code.h"
#include "cli/options.h"

namespace baton::cli {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  baton run scenarios/quickstart.yaml\n"
    "  baton check --expand scenarios/quickstart.yaml\n\n"
    "Exit status: 0 all expectations held; 1 one failed; 2 usage or scenario error; 3 nothing\n"
    "selected; 6 output not written; 70 bug in baton; 130 interrupted.";

void add_run(CLI::App& app, Options& options) {
  CLI::App* run = app.add_subcommand("run", "Run scenarios and judge them");
  run->add_option("SCENARIO", options.scenarios, "Files, or folders of .yaml files")->required();
  run->add_option("--seed", options.seed, "Seed of every random stream")->capture_default_str();
  run->add_option("--report", options.reports, "KIND=FILE; kind: json; FILE - is stdout")
      ->allow_extra_args(false);
  run->add_flag("-v,--verbose", options.verbose, "Tell each run's story, with its log");
  run->callback([&options] { options.command = Command::kRun; });
}

void add_check(CLI::App& app, Options& options) {
  CLI::App* check = app.add_subcommand("check", "Parse and validate scenarios without running");
  check->add_option("SCENARIO", options.scenarios, "Files, or folders of .yaml files")->required();
  check->add_flag("--expand", options.expand, "Print every default and where it comes from");
  check->callback([&options] { options.command = Command::kCheck; });
}

void add_lists(CLI::App& app, Options& options) {
  CLI::App* list = app.add_subcommand("list", "What there is");
  list->add_option("WHAT", options.what,
                   "invariants, defects, policies, measures, problems or scenarios")
      ->required();
  list->add_option("--folder", options.folder, "Where scenarios are looked for")
      ->capture_default_str();
  list->callback([&options] { options.command = Command::kList; });

  CLI::App* explain = app.add_subcommand("explain", "Explain an invariant, a defect or an error");
  explain->add_option("ID", options.what, "isolation, memfd-skip-folio, E0107")->required();
  explain->callback([&options] { options.command = Command::kExplain; });
}

}  // namespace

Parsed parse_arguments(int argc, char** argv) {
  Parsed parsed;
  CLI::App app("baton carries a running machine across a kexec and says which step broke it.",
               "baton");
  app.footer(kExamples);
  app.require_subcommand(1);
  add_run(app, parsed.options);
  add_check(app, parsed.options);
  add_lists(app, parsed.options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    parsed.done = true;
    parsed.exit_code = app.exit(error) == 0 ? kHeld : kUsage;
  }
  return parsed;
}

}  // namespace baton::cli
