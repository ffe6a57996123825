// Scenarios that end badly, each with the change that avoids it: a line "# Avoided with: --set
// KEY=VALUE" of the head comment. What the scenario expects to be violated holds with it. Those of
// scenarios/hazards are held against more (hazards_test.cc).
#include <algorithm>
#include <filesystem>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

std::vector<std::string> overrides_of(const std::string& text) {
  constexpr std::string_view kLine = "# Avoided with:";
  constexpr std::string_view kSet = " --set ";
  std::vector<std::string> overrides;
  const std::size_t at = text.find(kLine);
  if (at == std::string::npos) return overrides;
  const std::string line = text.substr(at, text.find('\n', at) - at);
  for (std::size_t set = line.find(kSet); set != std::string::npos;) {
    const std::size_t from = set + kSet.size();
    set = line.find(kSet, from);
    overrides.push_back(line.substr(from, set == std::string::npos ? set : set - from));
  }
  return overrides;
}

std::vector<std::string> expected_violations(const Scenario& scenario) {
  std::vector<std::string> ids;
  for (const Expectation& expectation : scenario.expect) {
    if (expectation.kind != ExpectationKind::kViolates) continue;
    ids.insert(ids.end(), expectation.ids.begin(), expectation.ids.end());
  }
  return ids;
}

// Of those whose interrupts nobody takes, with and without it.
constexpr std::array kStays{std::pair{"remapping-briefly-off", "irq-no-orphan"}};

}  // namespace

TEST_CASE("what the head comment of a scenario says avoids its violation does") {
  unsigned found = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(testing::source_dir() + "/scenarios")) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string file = entry.path().string();
    const Loaded plain = check_scenario(file);
    const std::vector<std::string> overrides = overrides_of(plain.text);
    if (overrides.empty()) continue;
    ++found;
    const std::string name = entry.path().stem().string();
    const Loaded loaded = check_scenario(file, overrides);
    INFO(name << loaded.errors());
    REQUIRE(loaded.good());
    const RunResult result = run_scenario(loaded, {});
    for (const std::string& id : expected_violations(plain.scenario)) {
      INFO(id);
      const bool stays = std::ranges::any_of(
          kStays, [&](const auto& each) { return name == each.first && id == each.second; });
      CHECK(std::ranges::none_of(result.violations, [&](const Violation& violation) {
              return violation.id == id;
            }) == !stays);
    }
  }
  CHECK(found >= 4);
}

TEST_CASE(
    "a message in the moment without remapping is told apart, and with the table handed over"
    " there is no such moment") {
  const std::string file = testing::source_dir() + "/scenarios/remapping-briefly-off.yaml";
  const auto lost_so = [&](std::vector<std::string> overrides) {
    const RunResult result = run_scenario(check_scenario(file, std::move(overrides)), {});
    return std::ranges::any_of(result.violations, [](const Violation& violation) {
      return violation.seen.find("interrupt remapping is off") != std::string::npos;
    });
  };
  CHECK(lost_so({}));
  CHECK_FALSE(lost_so({"policies.interrupt_table=preserve"}));
}
