// baton diff: where two runs part. Status 0 when they do not, 1 when they do.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/find_token.h"
#include "harness/run/event_log.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"
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

// A file of the name that is a log of events.
std::unique_ptr<std::istream> open_log(const std::string& name) {
  auto file = std::make_unique<std::ifstream>(name, std::ios::binary);
  if (!*file || !harness::is_event_log(*file)) return nullptr;
  return file;
}

// The log that a run of this scenario has.
std::unique_ptr<std::istream> make_log(const Side& side, const std::function<bool()>& interrupted) {
  auto text = std::make_unique<std::stringstream>();
  harness::EventLog log(*text);
  log.begin(side.loaded, side.seed);
  harness::RunOptions run;
  run.seed = side.seed;
  run.interrupted = interrupted;
  run.on_event = [&log](std::uint64_t event, const sim::LogLine& line) { log.line(event, line); };
  log.end(harness::run_scenario(side.loaded, run));
  return text;
}

int diff_logs(const Options& options, Output output, const std::function<bool()>& interrupted) {
  if (options.scenarios.size() != 2) {
    output.human << "one log and nothing to compare it with: name a second log or a scenario\n";
    return kUsage;
  }
  std::array<std::unique_ptr<std::istream>, 2> logs;
  for (std::size_t i = 0; i < logs.size(); ++i) {
    const std::string& name = options.scenarios[i];
    logs[i] = open_log(name);
    if (logs[i] != nullptr) continue;
    const auto side =
        load(name, options.seed, i == 0 ? std::vector<std::string>() : options.set, output.human);
    if (!side) return kUsage;
    logs[i] = make_log(*side, interrupted);
  }
  if (interrupted && interrupted()) {
    output.human << "interrupted\n";
    return kInterrupted;
  }
  const auto diff =
      harness::diff_logs(*logs[0], options.scenarios[0], *logs[1], options.scenarios[1]);
  if (!diff) {
    output.human << diff.error() << "\n";
    return kUsage;
  }
  output.data << (options.format == "json" ? harness::format_log_diff_json(*diff)
                                           : harness::format_log_diff(*diff));
  return diff->same ? kHeld : kFailed;
}

}  // namespace

int diff_command(const Options& options, Output output, const std::function<bool()>& interrupted) {
  const auto is_log = [](const std::string& name) { return open_log(name) != nullptr; };
  if (std::ranges::any_of(options.scenarios, is_log)) {
    return diff_logs(options, output, interrupted);
  }
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
