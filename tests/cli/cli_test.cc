// The command line: what each command prints where, and the exit status.

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "tests/support/source_dir.h"

using namespace baton::cli;

namespace {

const std::string kSource = baton::testing::source_dir();

struct Ran {
  int code = 0;
  std::string data;
  std::string human;
};

Ran run(Options options) {
  std::ostringstream data;
  std::ostringstream human;
  Ran result;
  result.code = run_program(options, {data, human}, [] { return false; });
  result.data = data.str();
  result.human = human.str();
  return result;
}

Options make(Command command, std::vector<std::string> scenarios = {}, std::string what = {}) {
  Options options;
  options.command = command;
  options.scenarios = std::move(scenarios);
  options.what = std::move(what);
  return options;
}

// A file in a folder of its own beside the dumps.
class TemporaryScenario {
 public:
  explicit TemporaryScenario(const std::string& text) {
    folder_ =
        std::filesystem::temp_directory_path() / ("baton-cli-test-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "s.yaml") << text;
  }
  ~TemporaryScenario() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  TemporaryScenario(const TemporaryScenario&) = delete;
  TemporaryScenario& operator=(const TemporaryScenario&) = delete;

  std::string file() const { return (folder_ / "s.yaml").string(); }
  std::string folder() const { return folder_.string(); }

 private:
  std::filesystem::path folder_;
};

std::string short_run(const std::string& expect) {
  return "baton: 1\ntitle: t\nmachine:\n  memory: 8GiB\n  topology: {lspci: \"" + kSource +
         "/scenarios/hosts/flat.lspci\"}\nend: 5ms\nexpect: " + expect + "\n";
}

}  // namespace

TEST_CASE("check says ok for a good scenario and status 2 with a place for a bad one") {
  const TemporaryScenario good(short_run("[{holds: all}]"));
  const Ran ok = run(make(Command::kCheck, {good.file()}));
  CHECK(ok.code == kHeld);
  CHECK(ok.data.empty());
  CHECK(ok.human.starts_with("ok "));
  const TemporaryScenario bad(short_run("[{hold: all}]"));
  const Ran wrong = run(make(Command::kCheck, {bad.file()}));
  CHECK(wrong.code == kUsage);
  CHECK(wrong.human.find("error[E0103]") != std::string::npos);
  CHECK(wrong.human.find("did you mean \"holds\"?") != std::string::npos);
}

TEST_CASE("check --expand prints the scenario on stdout") {
  const TemporaryScenario scenario(short_run("[{holds: all}]"));
  Options options = make(Command::kCheck, {scenario.file()});
  options.expand = true;
  const Ran ran = run(options);
  CHECK(ran.code == kHeld);
  CHECK(ran.data.find("# default") != std::string::npos);
}

TEST_CASE("run ends with 0, 1, 2 or 3 by what came out") {
  const TemporaryScenario held(short_run("[{measure: live_updates, below: 1}]"));
  CHECK(run(make(Command::kRun, {held.file()})).code == kHeld);
  const TemporaryScenario failed(short_run("[{measure: live_updates, above: 1}]"));
  const Ran ran = run(make(Command::kRun, {failed.file()}));
  CHECK(ran.code == kFailed);
  CHECK(ran.human.find("FAIL  measure: live_updates, above: 1") != std::string::npos);
  CHECK(run(make(Command::kRun, {"/nonexistent.yaml"})).code == kUsage);
  CHECK(run(make(Command::kRun, {kSource + "/sim"})).code == kNothing);
}

TEST_CASE("nothing is run when one of several scenarios is wrong") {
  const TemporaryScenario good(short_run("[{measure: live_updates, below: 1}]"));
  const Ran ran = run(make(Command::kRun, {good.file(), "/nonexistent.yaml"}));
  CHECK(ran.code == kUsage);
  CHECK(ran.human.find("expectations") == std::string::npos);
}

TEST_CASE("a JSON report goes to stdout or to a file, and status 6 says it could not be written") {
  const TemporaryScenario scenario(short_run("[{measure: live_updates, below: 1}]"));
  Options options = make(Command::kRun, {scenario.file()});
  options.reports = {"json=-"};
  const Ran to_stdout = run(options);
  CHECK(to_stdout.code == kHeld);
  CHECK(boost::json::parse(to_stdout.data).at("runs").as_array().size() == 1);
  options.reports = {"json=" + scenario.folder() + "/out.json"};
  CHECK(run(options).code == kHeld);
  CHECK(std::filesystem::exists(scenario.folder() + "/out.json"));
  options.reports = {"json=" + scenario.folder() + "/missing/out.json"};
  CHECK(run(options).code == kNotWritten);
  options.reports = {"pdf=out"};
  CHECK(run(options).code == kUsage);
  options.reports = {"json"};
  CHECK(run(options).code == kUsage);
}

TEST_CASE("problems for machines are data, with the same exit status as for people") {
  const TemporaryScenario bad(short_run("[{hold: all}]"));
  for (const char* format : {"json", "sarif"}) {
    Options options = make(Command::kCheck, {bad.file()});
    options.format = format;
    const Ran ran = run(options);
    CHECK(ran.code == kUsage);
    CHECK(ran.human.empty());
    CHECK(boost::json::parse(ran.data).is_object());
    CHECK(ran.data.find("E0103") != std::string::npos);
  }
  Options good = make(Command::kCheck, {kSource + "/scenarios/quickstart.yaml"});
  good.format = "json";
  CHECK(run(good).code == kHeld);
}

TEST_CASE("show writes a view to stdout or to a file, and says what it does not know") {
  const std::string quickstart = kSource + "/scenarios/quickstart.yaml";
  Options options = make(Command::kShow, {quickstart}, "topology");
  options.at = "kexec";
  const Ran shown = run(options);
  CHECK(shown.code == kHeld);
  CHECK(shown.data.starts_with("0000:[00-69]\n"));
  CHECK(shown.human.empty());

  const std::string file =
      (std::filesystem::temp_directory_path() / ("baton-show-" + std::to_string(::getpid())))
          .string();
  options.out = file;
  CHECK(run(options).data.empty());
  std::ostringstream written;
  written << std::ifstream(file).rdbuf();
  CHECK(written.str() == shown.data);
  // What cannot be shown leaves the file as it is.
  options.at = "kexec#7";
  const Ran never = run(options);
  CHECK(never.code == kUsage);
  CHECK(never.human.find("kexec#7 never happens") != std::string::npos);
  written.str("");
  written << std::ifstream(file).rdbuf();
  CHECK(written.str() == shown.data);
  std::filesystem::remove(file);

  options = make(Command::kShow, {quickstart}, "topology");
  options.against = quickstart;
  CHECK(run(options).human == "--against is of config-writes alone, not of topology\n");

  options = make(Command::kShow, {quickstart}, "topolgy");
  CHECK(run(options).human.find("did you mean \"topology\"?") != std::string::npos);
  options = make(Command::kShow, {quickstart}, "lspci");
  options.format = "dot";
  CHECK(run(options).human.find("formats: text") != std::string::npos);
  options.format = "";
  options.at = "never";
  CHECK(run(options).code == kUsage);
  options.at = "kexec";
  options.out = "/nonexistent/x";
  CHECK(run(options).code == kNotWritten);
  options = make(Command::kShow, {quickstart}, "luo");
  options.at = "boot";
  CHECK(run(options).code == kNothing);
}

TEST_CASE("a host that cannot run can be imported and exported") {
  const std::string host = kSource + "/tests/pci/data/ppc-2domains.D.lspci";
  const Ran lspci = run(make(Command::kShow, {host}, "lspci"));
  CHECK(lspci.code == kHeld);
  CHECK(lspci.data.starts_with("0000:00:02.0 00ff: 1234:11e8 (rev 10)\n"));
  CHECK(run(make(Command::kShow, {host}, "topology")).data.find("0001:[00-ff]") !=
        std::string::npos);
  CHECK(run(make(Command::kShow, {host}, "ledger")).code == kUsage);
  Options at = make(Command::kShow, {host}, "lspci");
  at.at = "run";
  CHECK(run(at).code == kUsage);
  CHECK(run(make(Command::kShow, {kSource + "/README.md"}, "lspci")).human.find("README.md:") !=
        std::string::npos);
  CHECK(run(make(Command::kShow, {"/nonexistent.lspci"}, "lspci")).code == kUsage);
}

TEST_CASE("a log of configuration accesses is JSON lines, with reads and the kernel function") {
  Options options = make(Command::kRun, {kSource + "/scenarios/quickstart.yaml"});
  options.logs = {"config=-"};
  const Ran ran = run(options);
  CHECK(ran.code == kHeld);
  std::istringstream lines(ran.data);
  std::string line;
  std::getline(lines, line);
  CHECK(boost::json::parse(line).as_object().contains("scenario"));
  std::size_t reads = 0;
  std::size_t writes = 0;
  while (std::getline(lines, line)) {
    const boost::json::value value = boost::json::parse(line);
    const auto& access = value.as_object();
    CHECK_FALSE(access.at("by").as_string().empty());
    const bool write = access.at("access").as_string() == "write";
    CHECK(access.contains("old") == write);
    ++(write ? writes : reads);
  }
  CHECK(reads > 1000);
  CHECK(writes > 100);
  CHECK(run(options).data == ran.data);
  options.logs = {"mmio=x"};
  CHECK(run(options).code == kUsage);
  options.logs = {"config=/nonexistent/x"};
  CHECK(run(options).code == kNotWritten);
}

TEST_CASE("show config-writes --against compares the accesses of two runs on one host") {
  const std::string acs = kSource + "/scenarios/reassign-busses-acs.yaml";
  Options options = make(Command::kShow, {acs}, "config-writes");
  options.against = acs;
  const Ran same = run(options);
  CHECK(same.code == kHeld);
  CHECK(same.data.ends_with("no configuration access differs\n"));

  // The same host, kernels that keep the bus numbers.
  std::ostringstream content;
  content << std::ifstream(acs).rdbuf();
  std::string text = content.str();
  const std::string with = "cmdline: \"pci=assign-busses\", policies: {bus_numbers: reassign}";
  text.replace(text.find(with), with.size(), "cmdline: \"\"");
  const std::size_t host = text.find("hosts/");
  text.insert(host, kSource + "/scenarios/");
  const TemporaryScenario other(text);
  options.against = other.file();
  const Ran differs = run(options);
  CHECK(differs.code == kHeld);
  CHECK(differs.data.find("  kernel 1, boot\n    pci_scan_bridge_extend\n") != std::string::npos);
  CHECK(differs.data.find("rows differ: writes ") != std::string::npos);
  options.format = "json";
  const auto json = boost::json::parse(run(options).data);
  CHECK_FALSE(json.at("differences").as_array().empty());

  options.against = kSource + "/scenarios/quickstart.yaml";
  const Ran hosts = run(options);
  CHECK(hosts.code == kUsage);
  CHECK(hosts.human.find("the two have different hosts: ") != std::string::npos);
  options.against = kSource + "/scenarios/nothing.yaml";
  CHECK(run(options).code == kUsage);
}
