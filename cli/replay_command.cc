// baton replay: finds the scenario that a token was made of, runs it as it was run, and stops at an
// event if one is given.

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <optional>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/run_outcome.h"
#include "harness/report/failure_report.h"
#include "harness/report/text_report.h"
#include "harness/report/token.h"
#include "harness/report/transition_report.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"

namespace baton::cli {
namespace {

constexpr std::size_t kTransitionsShown = 40;
constexpr std::size_t kEventsShown = 12;

struct Looked {
  std::string file;
  std::string outcome;  // "digest 1234abcd", "has errors"
};

std::vector<std::string> places(const Options& options) {
  if (!options.scenarios.empty()) return options.scenarios;
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

// The scenario with the token's digest; with --force the one that was named, whatever it is now.
std::optional<harness::Loaded> find(const Options& options, const harness::Token& token,
                                    std::ostream& human) {
  std::vector<Looked> looked;
  for (const std::string& file : select_scenarios(places(options))) {
    const harness::Loaded loaded = harness::load_scenario(file, token.overrides);
    const std::string digest = harness::scenario_digest(loaded);
    if (digest == token.digest) return harness::check_scenario(file, token.overrides);
    looked.push_back(
        {file, fmt::format("digest {}{}", digest, loaded.good() ? "" : ", has errors")});
  }
  if (options.scenarios.size() == 1 && looked.size() == 1) {
    const std::string& file = looked.front().file;
    if (options.force) return harness::check_scenario(file, token.overrides);
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

// The last events, whole, while a run goes on.
class Tail {
 public:
  void add(std::uint64_t event, const sim::LogLine& line) {
    if (lines_.size() == kEventsShown) lines_.pop_front();
    lines_.push_back(fmt::format("{:>14} {:>9}  {:<12}  {}",
                                 harness::format_microseconds(line.time), event, line.actor,
                                 line.text));
  }
  std::string text() const { return fmt::format("{}\n", fmt::join(lines_, "\n")); }

 private:
  std::deque<std::string> lines_;
};

// Everything about the stop: what led there, what is wrong, how things stand.
int tell_stop(const harness::RunResult& result, const Options& options, const Tail& tail,
              std::ostream& human) {
  human << fmt::format("{}\n  scenario  {}  seed {}\n\n", result.title, result.file, result.seed);
  for (const std::string& note : result.notes) human << fmt::format("  note: {}\n", note);
  human << harness::format_transitions(result.transitions, kTransitionsShown, options.until);
  human << "\nthe last events, one by one\n" << tail.text();
  bool wrong = false;
  for (const harness::Violation& violation : result.violations) {
    wrong = wrong || violation.event >= options.until;
    human << fmt::format(
        "\n{} violated at event {}{}\n  subject   {}\n  expected  {}\n  seen      {}\n",
        violation.id, violation.event, violation.event >= options.until ? ", here" : "",
        violation.subject, violation.expected, violation.seen);
    for (const harness::StateChange& change : violation.changes) {
      human << fmt::format("  ledger    {}: {} -> {}\n", change.what, change.before, change.after);
    }
  }
  human << fmt::format("\nstopped after event {} at {} us{}\n", result.events,
                       harness::format_microseconds(result.end),
                       wrong ? "" : "; nothing is wrong in this very event");
  for (const std::string& line : result.state) human << fmt::format("  {}\n", line);
  return result.violations.empty() ? kHeld : kFailed;
}

}  // namespace

int replay_command(const Options& options, Output output,
                   const std::function<bool()>& interrupted) {
  const auto token = harness::parse_token(options.what);
  if (!token) {
    output.human << fmt::format("{}: not a replay token: {}\n", options.what, token.error());
    return kUsage;
  }
  const auto scenario = find(options, *token, output.human);
  if (!scenario) return kUsage;
  if (!scenario->good()) {
    output.human << scenario->errors();
    return kUsage;
  }
  const auto detail = static_cast<harness::Detail>(std::clamp(options.verbosity, 0, 2));
  Tail tail;
  harness::RunOptions run_options;
  run_options.seed = token->seed;
  run_options.interrupted = interrupted;
  run_options.keep_log = detail == harness::Detail::kLog;
  run_options.until_event = options.until;
  if (options.until != 0) {
    run_options.keep_transitions = kTransitionsShown;
    run_options.on_event = [&tail](std::uint64_t event, const sim::LogLine& line) {
      tail.add(event, line);
    };
  } else if (detail == harness::Detail::kTransitions) {
    run_options.keep_transitions = SIZE_MAX;
  }
  const std::vector<harness::RunResult> results{run_guarded(
      *scenario, token->seed, [&] { return harness::run_scenario(*scenario, run_options); })};
  const harness::RunResult& result = results.front();
  if (result.stopped) return tell_stop(result, options, tail, output.human);
  output.human << harness::format_story(result, detail);
  const std::string failures = harness::format_failures(result);
  if (!failures.empty()) output.human << "\n" << failures;
  if (options.until != 0 && result.bug.empty() && !result.interrupted) {
    output.human << fmt::format("--until {}: the run ends after {} events\n", options.until,
                                result.events);
    return kUsage;
  }
  return exit_code(results, true, true, false);
}

}  // namespace baton::cli
