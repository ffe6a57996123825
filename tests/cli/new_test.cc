// baton new: what it writes passes, wherever it is, and it overwrites nothing.

#include <algorithm>

#include "cli/catalogue.h"
#include "cli/exit_code.h"
#include "cli/library.h"
#include "harness/scenario/key_reference.h"
#include "tests/cli/program.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::cli;
using baton::testing::file_content;
using baton::testing::Ran;
using baton::testing::run_baton;
using baton::testing::TemporaryFolder;

namespace {

const std::string kFolder = baton::testing::source_dir() + "/scenarios";

Ran make(const std::string& name, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{"new", name, "--folder", kFolder};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_baton(arguments);
}

}  // namespace

TEST_CASE("a new scenario is checked and run without a change") {
  const TemporaryFolder folder("new");
  const Ran made = make(folder.file("demo"));
  INFO(made.human);
  REQUIRE(made.code == kHeld);
  CHECK(made.data.empty());
  const std::string text = file_content(folder.path() / "demo.yaml");
  CHECK(text.starts_with("# yaml-language-server: $schema=scenario.schema.json\n# demo, made by"));
  CHECK(text.find("lspci: hosts/switch.lspci\n") != std::string::npos);
  CHECK(file_content(folder.path() / "scenario.schema.json") == harness::scenario_schema());
  CHECK(run_baton({"check", folder.file("demo.yaml")}).code == kHeld);
  CHECK(run_baton({"run", folder.file("demo.yaml")}).code == kHeld);
  // A second one finds schema and dump beside it.
  CHECK(make(folder.file("other.yaml"), {"--from", "cold-reboot"}).code == kHeld);
}

TEST_CASE("every scenario of the library is a template whose copy is good") {
  const TemporaryFolder folder("templates");
  const std::vector<LibraryScenario> library = read_library(kFolder);
  CHECK(items_of(Kind::kTemplates, kFolder).size() == library.size());
  for (const LibraryScenario& one : library) {
    const Ran made = make(folder.file("my-" + one.id), {"--from", one.id});
    INFO(one.id << ": " << made.human);
    CHECK(made.code == kHeld);
    const Ran checked = run_baton({"check", folder.file("my-" + one.id + ".yaml")});
    INFO(checked.human);
    CHECK(checked.code == kHeld);
  }
}

TEST_CASE("beside docs with the schema no copy of it is written") {
  const TemporaryFolder folder("checkout");
  std::filesystem::create_directories(folder.path() / "docs");
  std::filesystem::create_directories(folder.path() / "scenarios");
  std::ofstream(folder.file("docs/scenario.schema.json")) << "{}";
  CHECK(make(folder.file("scenarios/x")).code == kHeld);
  CHECK(file_content(folder.path() / "scenarios/x.yaml")
            .starts_with("# yaml-language-server: $schema=../docs/scenario.schema.json\n"));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "scenarios/scenario.schema.json"));
}

TEST_CASE("nothing is overwritten") {
  const TemporaryFolder folder("keep");
  std::ofstream(folder.file("demo.yaml")) << "mine";
  const Ran there = make(folder.file("demo"));
  CHECK(there.code == kUsage);
  CHECK(there.human.find("exists") != std::string::npos);
  CHECK(file_content(folder.path() / "demo.yaml") == "mine");
  std::filesystem::create_directories(folder.path() / "hosts");
  std::ofstream(folder.file("hosts/switch.lspci")) << "mine";
  CHECK(make(folder.file("second")).code == kUsage);
  CHECK(file_content(folder.path() / "hosts/switch.lspci") == "mine");
  CHECK_FALSE(std::filesystem::exists(folder.path() / "second.yaml"));
}

TEST_CASE("an unknown template and a folder that cannot be written are refused") {
  const TemporaryFolder folder("refused");
  const Ran unknown = make(folder.file("a"), {"--from", "quickstrat"});
  CHECK(unknown.code == kUsage);
  CHECK(unknown.human.find("did you mean \"quickstart\"?") != std::string::npos);
  const Ran beginning = make(folder.file("a"), {"--from", "cold"});
  CHECK(beginning.human.find("did you mean \"cold-reboot\"?") != std::string::npos);
  CHECK(make("/proc/nonexistent/a").code == kNotWritten);
  CHECK(run_baton({"new", folder.file("a"), "--folder", "/nonexistent"}).code == kUsage);
}

TEST_CASE("the library is found from the program's own place") {
  CHECK(find_library("").has_value());
  CHECK_FALSE(find_library("/nonexistent").has_value());
}
