// run and replay as a user meets them: values set beside a scenario, several runs at once, reports,
// interruption, determinism, and the way from a failure's text back to the wrong event.

#include <atomic>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include <unistd.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/progress.h"
#include "tests/support/source_dir.h"

using namespace baton::cli;

namespace {

const std::string kSource = baton::testing::source_dir();

struct Ran {
  int code = 0;
  std::string data;
  std::string human;
};

Ran run(const Options& options, const std::function<bool()>& interrupted = [] { return false; }) {
  std::ostringstream data;
  std::ostringstream human;
  Ran result;
  result.code = run_program(options, {data, human}, interrupted);
  result.data = data.str();
  result.human = human.str();
  return result;
}

// A folder of scenarios of its own.
class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("baton-run-test-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string file(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return file(name);
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// A guest at work for some milliseconds; `title` makes it another scenario.
std::string short_run(const std::string& title, const std::string& expect) {
  return "baton: 1\ntitle: " + title + "\nmachine:\n  memory: 8GiB\n  topology: {lspci: \"" +
         kSource +
         "/scenarios/hosts/flat.lspci\", add: [{kind: dsa, name: dsa0, bus: 0x6a}]}\n"
         "vms:\n  - {name: vm0, memory: 64MiB, devices: [dsa0], workload: {size: 16KiB, depth: 16, "
         "rate: 20MB/s}}\nend: 5ms\nexpect: " +
         expect + "\n";
}

const std::string kHolds = "[{holds: all}]";
const std::string kFails = "[{measure: live_updates, above: 1}]";

Options of_run(std::vector<std::string> scenarios) {
  Options options;
  options.command = Command::kRun;
  options.scenarios = std::move(scenarios);
  return options;
}

Options of_replay(const std::string& token, std::vector<std::string> places) {
  Options options;
  options.command = Command::kReplay;
  options.what = token;
  options.scenarios = std::move(places);
  return options;
}

std::string found(const std::string& text, const std::string& pattern) {
  std::smatch match;
  if (!std::regex_search(text, match, std::regex(pattern))) return "";
  return match[1];
}

std::vector<std::string> fingerprints(const std::string& json) {
  std::vector<std::string> result;
  const boost::json::value document = boost::json::parse(json);
  for (const auto& one : document.at("runs").as_array()) {
    result.emplace_back(one.at("fingerprint").as_string());
  }
  return result;
}

}  // namespace

TEST_CASE("several runs at once give what they give one after the other, in the same order") {
  const Folder folder;
  for (const char* name : {"a", "b", "c", "d"}) {
    folder.write(std::string(name) + ".yaml", short_run(name, kHolds));
  }
  Options options = of_run({folder.path()});
  options.reports = {"json=-"};
  const Ran one = run(options);
  options.jobs = 4;
  const Ran four = run(options);
  CHECK(one.code == kHeld);
  CHECK(one.data == four.data);
  CHECK(one.human == four.human);
  CHECK(fingerprints(four.data).size() == 4);
}

TEST_CASE("a value set beside the scenario is used, told, and part of the token") {
  const Folder folder;
  const std::string file = folder.write("s.yaml", short_run("t", kFails));
  Options options = of_run({file});
  options.set = {"end=7ms"};
  const Ran ran = run(options);
  CHECK(ran.code == kFailed);
  CHECK(ran.human.find("  set       end=7ms\n") != std::string::npos);
  const std::string token = found(ran.human, "baton replay (bt1-[0-9a-z-]+)");
  REQUIRE_FALSE(token.empty());
  const Ran again = run(of_replay(token, {file}));
  CHECK(again.code == kFailed);
  CHECK(again.human.find("  set       end=7ms\n") != std::string::npos);
  CHECK(found(again.human, "fingerprint ([0-9a-f]{32})") ==
        found(ran.human, "fingerprint ([0-9a-f]{32})"));
  options.set = {"nonsense=1"};
  const Ran wrong = run(options);
  CHECK(wrong.code == kUsage);
  CHECK(wrong.human.find("--> --set:1:1") != std::string::npos);
}

TEST_CASE("from a failure's text, the printed command stops at the first wrong event") {
  const std::string file = kSource + "/scenarios/forgotten-page-table.yaml";
  Options options = of_run({file});
  options.set = {"expect=[{holds: all}]"};
  const Ran ran = run(options);
  CHECK(ran.code == kFailed);
  const std::string command = found(ran.human, "replay    (baton replay [^\n]+ --until [0-9]+)");
  INFO(ran.human);
  REQUIRE_FALSE(command.empty());
  CHECK(command.find(file) != std::string::npos);
  Options replay = of_replay(found(command, "(bt1-[0-9a-z-]+)"), {file});
  replay.until = std::stoull(found(command, "--until ([0-9]+)"));
  const Ran stopped = run(replay);
  INFO(stopped.human);
  CHECK(stopped.code == kFailed);
  CHECK(stopped.human.find(", here\n") != std::string::npos);
  CHECK(stopped.human.find("stopped after event ") != std::string::npos);
  CHECK(stopped.human.find("device dsa0 of vm0 at ") != std::string::npos);
  replay.until = std::uint64_t{1} << 60;
  const Ran beyond = run(replay);
  CHECK(beyond.code == kUsage);
  CHECK(beyond.human.find("the run ends after ") != std::string::npos);
}

TEST_CASE("replay says what is wrong with a token, and where it looked for its scenario") {
  const Folder folder;
  const std::string file = folder.write("s.yaml", short_run("t", kFails));
  const std::string token = found(run(of_run({file})).human, "baton replay (bt1-[0-9a-z-]+)");
  REQUIRE_FALSE(token.empty());
  std::string mistyped = token;
  mistyped[6] = mistyped[6] == '0' ? '1' : '0';
  const Ran wrong = run(of_replay(mistyped, {file}));
  CHECK(wrong.code == kUsage);
  CHECK(wrong.human.find("a digit is mistyped") != std::string::npos);

  folder.write("other.yaml", short_run("another", kHolds));
  CHECK(run(of_replay(token, {folder.path()})).code == kFailed);
  folder.write("s.yaml", short_run("changed", kHolds));
  const Ran nowhere = run(of_replay(token, {folder.path()}));
  CHECK(nowhere.code == kUsage);
  CHECK(nowhere.human.find("no scenario has the token's digest") != std::string::npos);
  CHECK(nowhere.human.find("other.yaml: digest ") != std::string::npos);
  const Ran changed = run(of_replay(token, {file}));
  CHECK(changed.code == kUsage);
  CHECK(changed.human.find("has changed since the token was made") != std::string::npos);
  Options force = of_replay(token, {file});
  force.force = true;
  CHECK(run(force).code == kHeld);
}

TEST_CASE("runs that are the same twice say so, and runs that are not end with status 5") {
  const Folder folder;
  Options options = of_run({folder.write("s.yaml", short_run("t", kHolds))});
  options.check_determinism = true;
  const Ran same = run(options);
  CHECK(same.code == kHeld);
  CHECK(same.human.find("deterministic: ") != std::string::npos);
  options.disturb_second_run = true;
  const Ran other = run(options);
  CHECK(other.code == kNotDeterministic);
  CHECK(other.human.find("NOT DETERMINISTIC  seed 0: ") != std::string::npos);
}

TEST_CASE("an interrupted batch reports what there is and ends with 130") {
  const Folder folder;
  for (const char* name : {"a", "b", "c"}) {
    folder.write(std::string(name) + ".yaml", short_run(name, kHolds));
  }
  std::atomic<int> asked = 0;
  Options options = of_run({folder.path()});
  options.reports = {"json=" + folder.file("out.json"), "ktap=-"};
  const Ran ran = run(options, [&asked] { return ++asked > 3; });
  CHECK(ran.code == kInterrupted);
  CHECK(std::filesystem::exists(folder.file("out.json")));
  CHECK(ran.data.starts_with("KTAP version 1\n"));
  CHECK(ran.data.find("# SKIP interrupted") != std::string::npos);
}

TEST_CASE("--fail-fast stops after the first failure, and --filter chooses by name") {
  const Folder folder;
  folder.write("a.yaml", short_run("a", kFails));
  folder.write("b.yaml", short_run("b", kHolds));
  Options options = of_run({folder.path()});
  options.quiet = true;
  options.fail_fast = true;
  const Ran fast = run(options);
  CHECK(fast.code == kFailed);
  CHECK(fast.human.find("1 run: 0 ok, 1 failed") != std::string::npos);
  options.fail_fast = false;
  options.filter = "b.yaml";
  const Ran filtered = run(options);
  CHECK(filtered.code == kHeld);
  CHECK(filtered.human == "1 run: 1 ok, 0 failed\n");
  options.filter = "nothing like it";
  const Ran none = run(options);
  CHECK(none.code == kNothing);
  CHECK(none.human.find("nothing like it") != std::string::npos);
}

TEST_CASE("a report that cannot be written is known before anything runs") {
  const Folder folder;
  Options options = of_run({folder.write("s.yaml", short_run("t", kHolds))});
  options.reports = {"junit=" + folder.file("no/such/folder.xml")};
  const Ran ran = run(options);
  CHECK(ran.code == kNotWritten);
  CHECK(ran.human.find("expectations") == std::string::npos);
  options.reports = {"junit=-", "ktap=-"};
  CHECK(run(options).code == kUsage);
  options.reports = {"pdf=x"};
  CHECK(run(options).human.find("kinds: junit, ktap, github, markdown, sarif, json") !=
        std::string::npos);
}

TEST_CASE("-vv tells every transition under its legend, and changes nothing") {
  const Folder folder;
  Options options = of_run({folder.write("s.yaml", short_run("t", kHolds))});
  const Ran plain = run(options);
  options.verbosity = 2;
  const Ran told = run(options);
  CHECK(told.human.find("time_us K phase") != std::string::npos);
  CHECK(told.human.find("guest vm0 starts") != std::string::npos);
  CHECK(found(told.human, "fingerprint ([0-9a-f]{32})") ==
        found(plain.human, "fingerprint ([0-9a-f]{32})"));
  CHECK(run(options).human == told.human);
}

TEST_CASE("progress is one line on a terminal, and nothing where nobody asked") {
  std::ostringstream terminal;
  {
    Progress progress(terminal, ProgressMode::kTerminal, 3);
    baton::harness::RunResult result;
    result.file = "a.yaml";
    progress.count(result);
    result.interrupted = true;
    progress.count(result);
    CHECK(progress.line() == "[2/3] ok 1  fail 0  unknown 1  last: a.yaml");
    progress.show();
  }
  CHECK(terminal.str().starts_with("\r"));
  CHECK(terminal.str().ends_with("\r\x1b[K"));
  CHECK(terminal.str().find('\n') == std::string::npos);
  std::ostringstream nothing;
  Progress(nothing, ProgressMode::kNone, 3).show();
  Progress(nothing, ProgressMode::kTerminal, 1).show();
  Progress(nothing, ProgressMode::kLines, 3).show();
  CHECK(nothing.str().empty());
}
