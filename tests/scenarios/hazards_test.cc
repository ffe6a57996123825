// The hazards: each names the configuration write and the transaction that it broke, and what its
// head comment says avoids it does.
//
// A line "# Avoided with: --set KEY=VALUE [--set KEY=VALUE]" of the head comment is carried out
// here.
#include <algorithm>
#include <filesystem>
#include <iterator>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

std::vector<std::string> scenarios_in(const std::string& name) {
  std::vector<std::string> files;
  const std::string folder = testing::source_dir() + "/scenarios/" + name;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
  }
  std::ranges::sort(files);
  return files;
}

// The overrides of each line that says how the hazard is avoided.
std::vector<std::vector<std::string>> avoided_with(const std::string& text) {
  constexpr std::string_view kLine = "# Avoided with:";
  constexpr std::string_view kSet = " --set ";
  std::vector<std::vector<std::string>> result;
  for (std::size_t at = text.find(kLine); at != std::string::npos; at = text.find(kLine, at + 1)) {
    std::string line = text.substr(at, text.find('\n', at) - at);
    std::vector<std::string> overrides;
    for (std::size_t set = line.find(kSet); set != std::string::npos;) {
      const std::size_t from = set + kSet.size();
      set = line.find(kSet, from);
      overrides.push_back(line.substr(from, set == std::string::npos ? set : set - from));
    }
    result.push_back(std::move(overrides));
  }
  return result;
}

// Of more than the writes themselves.
bool expects_violations(const Scenario& scenario) {
  return std::ranges::any_of(scenario.expect, [](const Expectation& expectation) {
    return expectation.kind == ExpectationKind::kViolates &&
           std::ranges::any_of(expectation.ids,
                               [](const std::string& id) { return id != "config-writes"; });
  });
}

// Some violation's chain names who changed which register, and ends with a request, an interrupt
// or a halt that broke.
bool names_write_and_transaction(const RunResult& result) {
  return std::ranges::any_of(result.violations, [](const Violation& violation) {
    if (violation.id == "config-writes" || violation.chain.empty()) return false;
    return std::ranges::any_of(violation.chain, [](const ChainLink& link) {
      return link.text.starts_with("kernel ") && link.text.find(" changes ") != std::string::npos;
    });
  });
}

std::string first_lines(const RunResult& result) {
  std::string text;
  for (const Violation& violation : result.violations) {
    text += fmt::format("{}: {}: {}\n", violation.id, violation.subject, violation.seen);
    for (const ChainLink& link : violation.chain) text += fmt::format("    {}\n", link.text);
  }
  return text;
}

}  // namespace

TEST_CASE("a hazard names the configuration write and the transaction that it breaks") {
  for (const std::string& file : scenarios_in("hazards")) {
    const Loaded loaded = check_scenario(file);
    INFO(file << loaded.errors());
    REQUIRE(loaded.good());
    if (!expects_violations(loaded.scenario)) continue;
    const RunResult result = run_scenario(loaded, {});
    INFO(first_lines(result));
    CHECK(names_write_and_transaction(result));
  }
}

TEST_CASE("every hazard is avoided by what its head comment says") {
  std::vector<std::string> files = scenarios_in("hazards");
  std::ranges::copy(scenarios_in("driver-binding"), std::back_inserter(files));
  for (const std::string& file : files) {
    const Loaded loaded = check_scenario(file);
    REQUIRE(loaded.good());
    if (!expects_violations(loaded.scenario)) continue;
    const auto ways = avoided_with(loaded.text);
    INFO(file);
    CHECK_FALSE(ways.empty());
    for (const auto& overrides : ways) {
      CHECK_FALSE(overrides.empty());
      const Loaded avoided = check_scenario(file, overrides);
      INFO(avoided.errors());
      REQUIRE(avoided.good());
      const RunResult result = run_scenario(avoided, {});
      INFO(first_lines(result));
      CHECK(result.violations.empty());
    }
  }
}
