// Values set beside a scenario: they replace what stands in it, are made where nothing stands, and
// a wrong one is a diagnostic in the option's own text.

#include "harness/scenario/override.h"

#include "harness/scenario/scenario.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kText =
    "baton: 1\n"
    "title: t\n"
    "machine:\n"
    "  memory: 8GiB\n"
    "  topology: {lspci: hosts/flat.lspci}\n"
    "kernels:\n"
    "  - {preset: vision}\n"
    "expect: []\n";

Loaded load(std::vector<std::string> overrides) {
  return parse_scenario("s.yaml", kText, testing::source_dir() + "/scenarios",
                        std::move(overrides));
}

std::string errors(std::string text) { return load({std::move(text)}).errors(); }

}  // namespace

TEST_CASE("an override replaces a value, makes maps on the way and appends to lists") {
  const Loaded loaded = load({"title=other", "machine.memory=16GiB", "policies.reinject=none",
                              "kernels[0].defects=[memfd-skip-folio]", "kernels[1].cmdline=quiet",
                              "kernels[1].preset=vision"});
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  CHECK(loaded.scenario.title == "other");
  CHECK(loaded.scenario.machine.memory == std::uint64_t{16} << 30);
  REQUIRE(loaded.scenario.kernels.size() == 2);
  CHECK(loaded.scenario.kernels[0].config.policies.reinject == linux::ReinjectPolicy::kNone);
  CHECK(loaded.scenario.kernels[0].config.defects.has(*linux::defect_by_id("memfd-skip-folio")));
  CHECK(loaded.scenario.kernels[1].command_line == "quiet");
  CHECK(loaded.text == kText);
}

TEST_CASE("a wrong value is shown in the option, with what was meant") {
  CHECK(errors("policies.reinject=nune") ==
        "error[E0107]: unknown policy reinject \"nune\"\n"
        "  --> --set:1:19\n"
        "   1 | policies.reinject=nune\n"
        "     |                   ^^^^ did you mean \"none\"?\n"
        "     = choices: spurious, none, pending-only\n");
  CHECK(errors("policy.reinject=none").find("--> --set:1:1") != std::string::npos);
  CHECK(errors("machine.memory=[").find("--> --set:1:") != std::string::npos);
}

TEST_CASE("a path that leads nowhere is refused") {
  CHECK(errors("title").find("KEY=VALUE is expected") != std::string::npos);
  CHECK(errors("=x").find("KEY=VALUE is expected") != std::string::npos);
  CHECK(errors("kernels[7].preset=vision").find("has 1 entries, the next one is [1]") !=
        std::string::npos);
  CHECK(errors("kernels[x].preset=vision").find("[NUMBER] is expected") != std::string::npos);
  CHECK(errors("kernels[0=x").find("[NUMBER] is expected") != std::string::npos);
  CHECK(errors("title.x=1").find("\"title\" is no mapping") != std::string::npos);
  CHECK(errors("title[0]=1").find("\"title\" is no list") != std::string::npos);
  CHECK(errors("machine..memory=1GiB").find("a key is expected here") != std::string::npos);
  CHECK(errors("kernels[0]preset=vision").find("a dot is expected here") != std::string::npos);
}

TEST_CASE("check --expand says which values were set beside the scenario") {
  const Loaded loaded = load({"machine.memory=16GiB"});
  REQUIRE(loaded.good());
  CHECK(expand(loaded).find("# --set") != std::string::npos);
}
