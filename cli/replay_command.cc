// baton replay: finds the scenario that a token was made of, runs it as it was run, and stops at an
// event if one is given.

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/find_token.h"
#include "cli/run_outcome.h"
#include "harness/report/failure_report.h"
#include "harness/report/text_report.h"
#include "harness/report/token.h"
#include "harness/report/transition_report.h"
#include "harness/run/run.h"

namespace baton::cli {
namespace {

constexpr std::size_t kTransitionsShown = 40;
constexpr std::size_t kEventsShown = 12;

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
  const auto scenario = find_token(*token, options.scenarios, options.force, output.human);
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
