// The only file that knows CLI11.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <sstream>

#include "cli/catalogue.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/text.h"
#include "harness/show/show.h"

namespace baton::cli {
namespace {

constexpr const char* kProgram =
    "Carries a running machine across a kexec and says which step broke it.";

// A command with its one-sentence text and the examples that its help begins with.
CLI::App* add_command(CLI::App& app, Options& options, Command command, const char* name,
                      const char* text, const char* first_example, const char* second_example) {
  CLI::App* added = app.add_subcommand(name, text);
  added->footer(fmt::format("baton {}\nbaton {}", first_example, second_example));
  added->callback([&options, command] { options.command = command; });
  return added;
}

void add_run(CLI::App& app, Options& options) {
  CLI::App* run = add_command(app, options, Command::kRun, "run",
                              "Run scenarios and judge them: a line or a story per run, a summary.",
                              "run scenarios/quickstart.yaml", "run scenarios/ --report json=-");
  run->add_option("SCENARIO", options.scenarios, "files, or folders of .yaml files")->required();
  run->add_option("--seed", options.seed, "seed of every random stream")
      ->type_name("N")
      ->capture_default_str();
  run->add_option("--report", options.reports,
                  "html, junit, ktap, github, markdown, sarif, json, stages")
      ->type_name("KIND=FILE")
      ->allow_extra_args(false);
  run->add_option("--trace", options.trace, "for ui.perfetto.dev; a folder if several run")
      ->type_name("FILE");
  run->add_option("--log", options.logs, "config: each configuration access")
      ->type_name("KIND=FILE")
      ->allow_extra_args(false);
  run->add_option("--set", options.set, "a value beside the scenario, end=2s")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  run->add_option("--filter", options.filter, "only files whose name contains this")
      ->type_name("NAME");
  run->add_option("-j,--jobs", options.jobs, "runs at once")
      ->type_name("N")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  run->add_flag("--fail-fast", options.fail_fast, "stop after the first run that fails");
  run->add_flag("--check-determinism", options.check_determinism, "run twice, compare each event");
  run->add_flag("-q,--quiet", options.quiet, "only failures and the summary");
  run->add_flag("-v,--verbose", options.verbosity, "story and log; -vv every transition");
}

void add_replay(CLI::App& app, Options& options) {
  CLI::App* replay = add_command(app, options, Command::kReplay, "replay",
                                 "Run again what a token stands for, and stop at an event.",
                                 "replay bt1-0badcafe-0-zzzz",
                                 "replay bt1-0badcafe-0-zzzz mine.yaml --until 1187");
  replay->add_option("TOKEN", options.what, "as a failure prints it")->required();
  replay->add_option("SCENARIO", options.scenarios, "files, folders; else scenarios/ and .");
  replay->add_option("--until", options.until, "stop after this event, show the state")
      ->type_name("EVENT");
  replay->add_flag("--force", options.force, "though the scenario has changed");
  replay->add_flag("-v,--verbose", options.verbosity, "as of run");
}

void add_sweep(CLI::App& app, Options& options) {
  CLI::App* sweep = add_command(
      app, options, Command::kSweep, "sweep",
      "Run one scenario in many variants and tell which of them break it: a table of verdicts, "
      "measurements, the smallest change that flips a verdict.",
      "sweep scenarios/quickstart.yaml --vary policies.reinject=all",
      "sweep mine.yaml --vary defects=all --seeds 1..20");
  sweep->add_option("SCENARIO", options.scenarios, "a .yaml file; its key `vary` is swept too")
      ->required()
      ->expected(1);
  sweep
      ->add_option("--vary", options.vary,
                   "values that a key takes in turn: a,b or low..high or all")
      ->type_name("KEY=VALUES")
      ->allow_extra_args(false);
  sweep->add_option("--seeds", options.seeds, "seeds of each variant, 1..100")
      ->type_name("RANGE")
      ->capture_default_str();
  sweep->add_option("--set", options.set, "a value beside the scenario, in all variants")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  sweep
      ->add_option("--report", options.reports,
                   "json, csv: a line per run; markdown, svg: each function")
      ->type_name("KIND=FILE")
      ->allow_extra_args(false);
  sweep
      ->add_option("--resume", options.resume,
                   "a file of what is done: made if it is not there, else gone on with")
      ->type_name("FILE");
  sweep->add_option("--shard", options.shard, "only every Nth run, from the Kth on; see merge")
      ->type_name("K/N");
  sweep->add_option("-j,--jobs", options.sweep_jobs, "runs at once [one for each CPU]")
      ->type_name("N")
      ->check(CLI::Range(1, 256));
  CLI::App* merge = add_command(
      app, options, Command::kMerge, "merge",
      "Make one sweep of the JSON reports of its shards: the same as without shards.",
      "merge 1.json 2.json --report json=all.json", "merge shards/*.json --report csv=-");
  merge->add_option("FILE", options.files, "json reports of `sweep --shard`")->required();
  merge->add_option("--report", options.reports, "as of sweep")
      ->type_name("KIND=FILE")
      ->allow_extra_args(false);
}

void add_diff(CLI::App& app, Options& options) {
  CLI::App* diff = add_command(
      app, options, Command::kDiff, "diff",
      "Show where two runs part: first event and transition that differ, the state there, the "
      "outcomes. Exit 1 when they do.",
      "diff scenarios/quickstart.yaml --set policies.reinject=none",
      "diff mine.yaml theirs.yaml --format json");
  diff->add_option("RUN", options.scenarios, "one or two scenarios or replay tokens")
      ->required()
      ->expected(1, 2);
  diff->add_option("--set", options.set, "a value beside the scenario, in the second run")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  diff->add_option("--seed", options.seed, "seed of both")->type_name("N")->capture_default_str();
  diff->add_option("--seed-b", options.other_seed, "seed of the second run")->type_name("N");
  diff->add_option("--format", options.format, "what to print")
      ->type_name("text|json")
      ->check(CLI::IsMember({"text", "json"}));
}

void add_check(CLI::App& app, Options& options) {
  CLI::App* check = add_command(
      app, options, Command::kCheck, "check", "Parse and validate scenarios without running them.",
      "check --expand scenarios/quickstart.yaml", "check scenarios/ --format sarif");
  check->add_option("SCENARIO", options.scenarios, "files, or folders of .yaml files")->required();
  CLI::Option* expand =
      check->add_flag("--expand", options.expand, "print every default and where it comes from");
  check->add_option("--format", options.format, "problems for machines, on stdout")
      ->type_name("human|json|sarif")
      ->excludes(expand)
      ->check(CLI::IsMember({"human", "json", "sarif"}));
}

void add_show(CLI::App& app, Options& options) {
  CLI::App* show =
      add_command(app, options, Command::kShow, "show",
                  "Look inside a run at one instant: a view of hardware, memory or records.",
                  "show topology scenarios/quickstart.yaml --at kexec",
                  "show lspci scenarios/quickstart.yaml --at boot2 --out host.lspci");
  std::vector<std::string_view> views;
  for (const harness::ShowRow& row : harness::show_rows()) views.push_back(row.what);
  show->add_option("WHAT", options.what,
                   fmt::format("{}; `baton list views` says more", fmt::join(views, ", ")))
      ->type_name(fmt::format("{}", fmt::join(views, "|")))
      ->required();
  show->add_option("SCENARIO", options.scenarios,
                   "a .yaml file; for lspci and topology also the output of lspci -xxxx")
      ->required()
      ->expected(1);
  show->add_option("--at", options.at,
                   "a time since power-on (1.2s), or boot, run, preserve, freeze, kexec, boot2, "
                   "retrieve, finish, end; run#1 is run of kernel 1, 0 is the first [end]")
      ->type_name("WHEN");
  show->add_option("--against", options.against,
                   "config-writes: what differs from a run of this scenario on the same host")
      ->type_name("SCENARIO");
  show->add_option("--out", options.out, "write to this file instead of stdout")->type_name("FILE");
  show->add_option("--report", options.reports, "format and file in one: as --format, --out")
      ->type_name("FORMAT=FILE")
      ->expected(1);
  show->add_option("--format", options.format, "one of the view's formats [its first]")
      ->type_name("text|json|dot|raw")
      ->check(CLI::IsMember({"text", "json", "dot", "raw"}));
  show->add_option("--seed", options.seed, "seed of every random stream")
      ->type_name("N")
      ->capture_default_str();
}

void add_lists(CLI::App& app, Options& options) {
  CLI::App* list = add_command(app, options, Command::kList, "list",
                               "List what there is: one row per item, its id first.",
                               "list scenarios", "list invariants");
  std::vector<std::string_view> lists;
  for (const KindRow& row : kind_rows()) lists.push_back(row.list);
  list->add_option("WHAT", options.what, fmt::format("{}", fmt::join(lists, ", ")))
      ->type_name(fmt::format("{}", fmt::join(lists, "|")))
      ->required();
  list->add_option("--folder", options.folder, "where scenarios are looked for")
      ->type_name("FOLDER");

  CLI::App* explain =
      add_command(app, options, Command::kExplain, "explain",
                  "Explain an item of any list: a page for an id, KIND:ID where two share it.",
                  "explain dma-continuity", "explain vms[].workload.size");
  explain->add_option("ID", options.what, "isolation, memfd-skip-folio, E0107, policy:interrupts")
      ->required();
  explain->add_option("VALUE", options.value, "for ids that take one: a code or a number");
  explain->add_option("--folder", options.folder, "where scenarios are looked for")
      ->type_name("FOLDER");
}

void add_authoring(CLI::App& app, Options& options) {
  CLI::App* fresh =
      add_command(app, options, Command::kNew, "new",
                  "Write a scenario that passes: NAME.yaml from a template, its host dump and "
                  "schema beside it.",
                  "new demo && baton run demo.yaml", "new lost-page --from forgotten-memfd-folio");
  fresh->add_option("NAME", options.what, "the file, with or without .yaml")->required();
  fresh->add_option("--from", options.from, "a template of `baton list templates`")
      ->type_name("TEMPLATE")
      ->capture_default_str();
  fresh->add_option("--folder", options.folder, "where templates are looked for")
      ->type_name("FOLDER");

  CLI::App* schema =
      add_command(app, options, Command::kSchema, "schema",
                  "Print the keys of a scenario: JSON Schema (draft-07), or Markdown; or the "
                  "requests and errno of the kernels' user interface.",
                  "schema > scenario.schema.json", "schema --format markdown");
  schema->add_option("--format", options.format, "what to print")
      ->type_name("json|markdown|uapi")
      ->check(CLI::IsMember({"json", "markdown", "uapi"}));
}

void add_shell(CLI::App& app, Options& options) {
  CLI::App* completion = add_command(
      app, options, Command::kCompletion, "completion", "Print a completion script for a shell.",
      "completion bash > ~/.local/share/bash-completion/completions/baton",
      "completion zsh > ~/.zfunc/_baton");
  completion->add_option("SHELL", options.what, "bash or zsh")
      ->type_name("bash|zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  add_command(app, options, Command::kMan, "man", "Print the manual page.",
              "man > ~/.local/share/man/man1/baton.1", "man | man -l -");
}

void add_conform(CLI::App& app, Options& options) {
  CLI::App* conform = add_command(
      app, options, Command::kConform, "conform",
      "Hold a model against measured records: a line per category, exit 1 on a failure.",
      "conform vtd -v vectors.json",
      "conform linux-enum tests/conformance/data/t03-switch.json.gz");
  conform
      ->add_option("SUITE", options.what,
                   "vtd: vectors of a VT-d remapping unit; vtd-writes: what a kernel wrote to one; "
                   "linux-enum: what a kernel wrote to configuration space")
      ->required();
  conform->add_option("FILE", options.files, "records, JSON or gzip of it")->required();
  conform->add_flag("-v,--verbose", options.verbosity, "show every field that differs");
}

// Every command, in the order in which the program's help shows them.
void add_commands(CLI::App& app, Options& options) {
  add_run(app, options);
  add_check(app, options);
  add_replay(app, options);
  add_sweep(app, options);
  add_diff(app, options);
  add_show(app, options);
  add_lists(app, options);
  add_authoring(app, options);
  add_conform(app, options);
  add_shell(app, options);
}

OptionHelp describe(const CLI::Option& option) {
  OptionHelp help;
  for (const std::string& name : option.get_snames()) help.flags.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) help.flags.push_back("--" + name);
  const bool takes_value = option.get_type_size() != 0;
  // A check appends its own description to the type's name; "a|b" are choices.
  const std::string type = option.get_type_name().substr(0, option.get_type_name().find(':'));
  if (takes_value) help.value = help.positional() ? option.get_single_name() : type;
  if (takes_value && type.find('|') != std::string::npos) {
    std::istringstream choices(type);
    for (std::string one; std::getline(choices, one, '|');) help.choices.push_back(one);
  }
  help.text = option.get_description();
  help.fallback = option.get_default_str();
  help.required = option.get_required();
  help.repeated = takes_value && option.get_expected_max() > 1;
  return help;
}

CommandHelp describe(const CLI::App& app, std::string name) {
  CommandHelp help;
  help.name = std::move(name);
  help.text = app.get_description();
  std::istringstream examples(app.get_footer());
  for (std::string line; std::getline(examples, line);) help.examples.push_back(line);
  for (const bool positional : {true, false}) {
    for (const CLI::Option* option : app.get_options()) {
      if (option->get_positional() == positional) help.options.push_back(describe(*option));
    }
  }
  return help;
}

std::vector<CommandHelp> describe_all(const CLI::App& app) {
  std::vector<CommandHelp> result{describe(app, "")};
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    result.push_back(describe(*command, command->get_name()));
  }
  return result;
}

std::unique_ptr<CLI::App> make_app(Options& options) {
  auto app = std::make_unique<CLI::App>(kProgram, "baton");
  app->footer(
      "baton run scenarios/quickstart.yaml\n"
      "baton explain dma-continuity");
  app->set_help_flag("-h,--help", "print this");
  app->set_version_flag("--version", fmt::format("baton {}", BATON_VERSION), "print the version");
  app->require_subcommand(0, 1);
  add_commands(*app, options);
  return app;
}

// What is wrong, what was probably meant, where to read on.
std::string usage_error(const CLI::ParseError& error, const CLI::App& app,
                        const std::vector<CommandHelp>& all) {
  const std::vector<CLI::App*> selected = app.get_subcommands();
  const std::string name = selected.empty() ? "" : selected.front()->get_name();
  const std::string prefix = name.empty() ? "baton" : "baton " + name;
  const auto command = std::ranges::find(all, name, &CommandHelp::name);
  std::string text;
  for (const std::string& extra : app.remaining(true)) {
    if (!extra.starts_with('-')) {
      text += fmt::format("{}: one argument too many: \"{}\"\n", prefix, extra);
      continue;
    }
    const std::string option = extra.substr(0, extra.find('='));
    std::vector<std::string_view> known;
    for (const OptionHelp& other : command->options) {
      known.insert(known.end(), other.flags.begin(), other.flags.end());
    }
    text += fmt::format("{}: no option \"{}\".{}\n", prefix, option, suggestion(option, known));
  }
  if (text.empty()) text = fmt::format("{}: {}\n", prefix, error.what());
  for (const OptionHelp& option : command->options) {
    const bool missing = error.get_name() == "RequiredError" && option.positional();
    if (missing) text += fmt::format("{}: {}\n", option.value, option.text);
  }
  return text + fmt::format("usage: {}   (`{} --help` says more)\n", command->usage(), prefix);
}

}  // namespace

std::vector<CommandHelp> command_help() {
  Options unused;
  return describe_all(*make_app(unused));
}

Parsed parse_arguments(int argc, const char* const* argv, std::ostream& data, std::ostream& human) {
  Parsed parsed;
  parsed.done = true;
  const std::unique_ptr<CLI::App> app = make_app(parsed.options);
  const std::vector<CommandHelp> all = describe_all(*app);
  const std::string first = argc > 1 ? argv[1] : "";
  if (first.empty()) {
    human << format_help(all.front(), all);
    parsed.exit_code = kUsage;
    return parsed;
  }
  std::vector<std::string_view> names;
  for (const CommandHelp& command : all) names.push_back(command.name);
  if (!first.starts_with('-') && std::ranges::count(names, first) == 0) {
    names.erase(names.begin());
    human << fmt::format("baton: no command \"{}\".{}\ncommands: {}\n", first,
                         suggestion(first, names), fmt::join(names, ", "));
    parsed.exit_code = kUsage;
    return parsed;
  }
  try {
    app->parse(argc, argv);
    parsed.done = parsed.options.command == Command::kNone;
    parsed.exit_code = parsed.done ? kUsage : kHeld;
  } catch (const CLI::CallForHelp&) {
    const std::vector<CLI::App*> selected = app->get_subcommands();
    const std::string name = selected.empty() ? "" : selected.front()->get_name();
    data << format_help(*std::ranges::find(all, name, &CommandHelp::name), all);
    parsed.exit_code = kHeld;
  } catch (const CLI::CallForVersion& version) {
    data << version.what() << "\n";
    parsed.exit_code = kHeld;
  } catch (const CLI::ParseError& error) {
    human << usage_error(error, *app, all);
    parsed.exit_code = kUsage;
  }
  return parsed;
}

}  // namespace baton::cli
