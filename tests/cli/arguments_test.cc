// The command line: help texts, completion, manual, and what is wrong with an argument.

#include <algorithm>
#include <cstdlib>

#include "cli/exit_code.h"
#include "cli/help.h"
#include "tests/cli/program.h"
#include "tests/support/source_dir.h"

using namespace baton::cli;
using baton::testing::file_content;
using baton::testing::lines_of;
using baton::testing::Ran;
using baton::testing::run_baton;
using baton::testing::TemporaryFolder;

namespace {

bool installed(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0;
}

// The exit status of a shell script.
int sh(const std::string& command) { return std::system(command.c_str()) == 0 ? 0 : 1; }

}  // namespace

TEST_CASE("each help text is one screen, begins with two examples and names every option") {
  for (const CommandHelp& command : command_help()) {
    INFO(command.name);
    std::vector<std::string> arguments{"--help"};
    if (!command.name.empty()) arguments.insert(arguments.begin(), command.name);
    const Ran ran = run_baton(arguments);
    CHECK(ran.code == kHeld);
    CHECK(ran.human.empty());
    const std::vector<std::string> lines = lines_of(ran.data);
    CHECK(lines.size() <= 24);
    REQUIRE(lines.size() > 4);
    CHECK(lines[0] == "Examples:");
    CHECK(lines[1].starts_with("  baton "));
    CHECK(lines[2].starts_with("  baton "));
    CHECK(lines[3].empty());
    for (const std::string& line : lines) {
      INFO(line);
      CHECK(line.size() <= 80);
    }
    for (const OptionHelp& option : command.options) {
      INFO(option.synopsis());
      CHECK(option.text.size() > 5);
      if (!command.name.empty()) {
        CHECK(ran.data.find("  " + option.synopsis()) != std::string::npos);
      }
      // CLI11's names of types say nothing.
      CHECK(option.value != "TEXT");
      CHECK(option.value != "UINT");
    }
  }
}

TEST_CASE("the examples of a help text are command lines that the parser takes") {
  for (const CommandHelp& command : command_help()) {
    CHECK(command.examples.size() == 2);
    for (const std::string& example : command.examples) {
      INFO(example);
      std::istringstream words(example.substr(0, example.find_first_of(">|&")));
      std::vector<std::string> arguments;
      for (std::string word; words >> word;) arguments.push_back(word);
      REQUIRE(arguments.size() >= 2);
      CHECK(arguments[0] == "baton");
      std::vector<const char*> pointers;
      for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
      std::ostringstream data;
      std::ostringstream human;
      const Parsed parsed =
          parse_arguments(static_cast<int>(pointers.size()), pointers.data(), data, human);
      INFO(human.str());
      CHECK_FALSE(parsed.done);
    }
  }
}

TEST_CASE("--version prints the program's name and version") {
  const Ran ran = run_baton({"--version"});
  CHECK(ran.code == kHeld);
  CHECK(ran.human.empty());
  CHECK(ran.data.starts_with("baton "));
  CHECK(lines_of(ran.data).size() == 1);
  CHECK(ran.data.find_first_of("0123456789") == 6);
}

TEST_CASE("what the parser does not know is status 2 with what was probably meant") {
  const Ran command = run_baton({"rnu", "x.yaml"});
  CHECK(command.code == kUsage);
  CHECK(command.human.find("no command \"rnu\". did you mean \"run\"?") != std::string::npos);
  CHECK(command.human.find("commands: run, check") != std::string::npos);
  const Ran option = run_baton({"run", "x.yaml", "--sede=4"});
  CHECK(option.code == kUsage);
  CHECK(option.human.find("baton run: no option \"--sede\". did you mean \"--seed\"?") !=
        std::string::npos);
  const Ran missing = run_baton({"run"});
  CHECK(missing.code == kUsage);
  CHECK(missing.human.find("SCENARIO") != std::string::npos);
  CHECK(run_baton({"list"}).human.find("WHAT: scenarios, templates, policies") !=
        std::string::npos);
  const Ran value = run_baton({"run", "x.yaml", "--seed", "many"});
  CHECK(value.code == kUsage);
  CHECK(value.human.find("--seed") != std::string::npos);
  const Ran format = run_baton({"check", "x.yaml", "--format", "xml"});
  CHECK(format.code == kUsage);
  CHECK(format.human.find("xml") != std::string::npos);
  const Ran both = run_baton({"check", "x.yaml", "--format", "json", "--expand"});
  CHECK(both.code == kUsage);
  CHECK(both.human.find("--expand") != std::string::npos);
  const Ran extra = run_baton({"man", "please"});
  CHECK(extra.code == kUsage);
  CHECK(extra.human.find("one argument too many: \"please\"") != std::string::npos);
  CHECK(run_baton({"completion", "fish"}).code == kUsage);
}

TEST_CASE("without an argument the help goes to stderr, with status 2") {
  const Ran ran = run_baton({});
  CHECK(ran.code == kUsage);
  CHECK(ran.data.empty());
  CHECK(ran.human.starts_with("Examples:\n"));
}

TEST_CASE("every exit status has a row, in order") {
  int before = -1;
  for (const ExitRow& row : kExitRows) {
    CHECK(row.code > before);
    before = row.code;
    const std::string help = run_baton({"--help"}).data;
    CHECK(help.find(fmt::format("{}", static_cast<int>(row.code))) != std::string::npos);
  }
}

TEST_CASE("bash completes commands, options, their values, ids and files") {
  if (!installed("bash")) {
    WARN("bash is not installed: its completion is not tested");
    return;
  }
  const TemporaryFolder folder("completion");
  std::ofstream(folder.file("baton.bash")) << run_baton({"completion", "bash"}).data;
  std::ofstream(folder.file("my.yaml")) << "";
  const auto complete = [&folder](const std::string& words) {
    const std::string script = fmt::format(
        "cd '{}'\n. ./baton.bash\nCOMP_WORDS=({})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        "_baton\nprintf '%s\\n' \"${{COMPREPLY[@]}}\" >out\n",
        folder.path().string(), words);
    std::ofstream(folder.file("ask.bash")) << script;
    REQUIRE(sh(fmt::format("bash '{}' 2>'{}'", folder.file("ask.bash"), folder.file("errors"))) ==
            0);
    CHECK(file_content(folder.path() / "errors").empty());
    return lines_of(file_content(folder.path() / "out"));
  };
  using Words = std::vector<std::string>;
  CHECK(complete("baton ex") == Words{"explain"});
  CHECK(complete("baton list pol") == Words{"policies"});
  CHECK(complete("baton explain isola") == Words{"isolation"});
  CHECK(complete("baton explain E010").size() == 9);
  CHECK(complete("baton run my") == Words{"my.yaml"});
  CHECK(complete("baton run --see") == Words{"--seed"});
  CHECK(complete("baton check my.yaml --format s") == Words{"sarif"});
  CHECK(complete("baton completion ''") == Words{"bash", "zsh"});
  for (const CommandHelp& command : command_help()) {
    if (command.name.empty()) continue;
    const Words found = complete(fmt::format("baton {} -", command.name));
    for (const OptionHelp& option : command.options) {
      for (const std::string& flag : option.flags) CHECK(std::ranges::count(found, flag) == 1);
    }
  }
}

TEST_CASE("zsh takes its completion script") {
  const std::string script = run_baton({"completion", "zsh"}).data;
  CHECK(script.starts_with("#compdef baton\n"));
  for (const CommandHelp& command : command_help()) {
    if (!command.name.empty()) CHECK(script.find("'" + command.name + ":") != std::string::npos);
  }
  if (!installed("zsh")) {
    WARN("zsh is not installed: its completion is not run");
    return;
  }
  const TemporaryFolder folder("zsh");
  std::ofstream(folder.file("_baton")) << script;
  CHECK(sh(fmt::format("zsh -n '{}'", folder.file("_baton"))) == 0);
}

TEST_CASE("docs/baton.1 is what `tools/generate-docs` writes, and has every option") {
  const std::string page = run_baton({"man"}).data;
  CHECK(file_content(baton::testing::source_dir() + "/docs/baton.1") == page);
  for (const CommandHelp& command : command_help()) {
    for (const OptionHelp& option : command.options) {
      for (std::string flag : option.flags) {
        for (std::size_t at = 0; (at = flag.find('-', at)) != std::string::npos; at += 2) {
          flag.insert(at, 1, '\\');
        }
        if (!command.name.empty()) CHECK(page.find(flag) != std::string::npos);
      }
    }
  }
}

TEST_CASE("groff reads the manual page without a warning") {
  if (!installed("groff")) {
    WARN("groff is not installed: the manual page is not formatted");
    return;
  }
  const TemporaryFolder folder("manual");
  std::ofstream(folder.file("baton.1")) << run_baton({"man"}).data;
  CHECK(sh(fmt::format("groff -man -Tascii -P-cbou -ww '{}' >'{}' 2>'{}'", folder.file("baton.1"),
                       folder.file("page"), folder.file("warnings"))) == 0);
  CHECK(file_content(folder.path() / "warnings").empty());
  CHECK(file_content(folder.path() / "page").find("EXIT STATUS") != std::string::npos);
}
