#include "cli/find_token.h"

#include <fmt/format.h>

#include <filesystem>

#include "cli/commands.h"
#include "harness/run/host_builder.h"

namespace baton::cli {
namespace {

struct Looked {
  std::string file;
  std::string outcome;  // "digest 1234abcd", "has errors"
};

std::vector<std::string> places(const std::vector<std::string>& scenarios) {
  if (!scenarios.empty()) return scenarios;
  std::vector<std::string> result;
  std::error_code error;
  if (std::filesystem::is_directory("scenarios", error)) result.emplace_back("scenarios");
  result.emplace_back(".");
  return result;
}

std::string list_of(const std::vector<Looked>& looked) {
  constexpr std::size_t kShown = 20;
  std::string text;
  for (std::size_t i = 0; i < looked.size() && i < kShown; ++i) {
    text += fmt::format("  {}: {}\n", looked[i].file, looked[i].outcome);
  }
  if (looked.size() > kShown) text += fmt::format("  and {} more\n", looked.size() - kShown);
  return text;
}

}  // namespace

std::optional<harness::Loaded> find_token(const harness::Token& token,
                                          const std::vector<std::string>& scenarios, bool force,
                                          std::ostream& human) {
  std::vector<Looked> looked;
  for (const std::string& file : select_scenarios(places(scenarios))) {
    const harness::Loaded loaded = harness::load_scenario(file, token.overrides);
    const std::string digest = harness::scenario_digest(loaded);
    if (digest == token.digest) return harness::check_scenario(file, token.overrides);
    looked.push_back(
        {file, fmt::format("digest {}{}", digest, loaded.good() ? "" : ", has errors")});
  }
  if (scenarios.size() == 1 && looked.size() == 1) {
    const std::string& file = looked.front().file;
    if (force) return harness::check_scenario(file, token.overrides);
    human << fmt::format(
        "{}: the scenario, or the dump that it imports, has changed since the token was made: its "
        "digest is {}, the token's {}\n  --force replays it as it is now\n",
        file, harness::scenario_digest(harness::load_scenario(file, token.overrides)),
        token.digest);
    return std::nullopt;
  }
  human << fmt::format("no scenario has the token's digest {}; {} looked at\n{}", token.digest,
                       looked.empty() ? "no file was" : "these were", list_of(looked));
  human << "  name the scenario: baton replay TOKEN SCENARIO\n";
  return std::nullopt;
}

}  // namespace baton::cli
