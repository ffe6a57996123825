// baton diff: where two runs part. Status 0 when they do not, 1 when they do.

#include <fmt/format.h>

#include <array>
#include <optional>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/find_token.h"
#include "harness/run/host_builder.h"
#include "harness/run/run_diff.h"

namespace baton::cli {
namespace {

struct Side {
  harness::Loaded loaded;
  std::uint64_t seed = 0;
};

std::optional<Side> load(const std::string& what, std::uint64_t seed, std::vector<std::string> set,
                         std::ostream& human) {
  Side side{{}, seed};
  if (what.starts_with("bt1-")) {
    auto token = harness::parse_token(what);
    if (!token) {
      human << fmt::format("{}: not a replay token: {}\n", what, token.error());
      return std::nullopt;
    }
    side.seed = token->seed;
    token->overrides.insert(token->overrides.end(), set.begin(), set.end());
    auto found = find_token(*token, {}, false, human);
    if (!found) return std::nullopt;
    side.loaded = std::move(*found);
  } else {
    side.loaded = harness::check_scenario(what, std::move(set));
  }
  if (side.loaded.good()) return side;
  human << side.loaded.errors();
  return std::nullopt;
}

}  // namespace

int diff_command(const Options& options, Output output, const std::function<bool()>& interrupted) {
  if (options.scenarios.size() == 1 && options.set.empty() &&
      options.other_seed.value_or(options.seed) == options.seed) {
    output.human << "one run and nothing that is different in the other: name two, or give --set "
                    "or --seed-b\n";
    return kUsage;
  }
  const std::string& first = options.scenarios.front();
  const auto a = load(first, options.seed, {}, output.human);
  if (!a) return kUsage;
  const auto b = load(options.scenarios.back(), options.other_seed.value_or(options.seed),
                      options.set, output.human);
  if (!b) return kUsage;
  const auto diff = harness::diff_runs({&a->loaded, a->seed}, {&b->loaded, b->seed}, interrupted);
  if (!diff) {
    output.human << "interrupted\n";
    return kInterrupted;
  }
  if (options.format == "json") {
    output.data << harness::format_diff_json(*diff);
  } else {
    output.data << harness::format_diff(*diff);
  }
  return diff->same ? kHeld : kFailed;
}

}  // namespace baton::cli
