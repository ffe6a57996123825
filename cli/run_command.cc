// baton run: checks all scenarios first, runs them, tells and reports.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>

#include "cli/batch.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/progress.h"
#include "cli/report_files.h"
#include "cli/run_logs.h"
#include "cli/run_outcome.h"
#include "cli/trace_output.h"
#include "harness/report/text_report.h"
#include "harness/report/token.h"
#include "harness/run/determinism.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "harness/trace/trace_observer.h"
#include "sim/check.h"

namespace baton::cli {
namespace {

std::vector<std::string> select(const Options& options) {
  std::vector<std::string> files = select_scenarios(options.scenarios);
  std::erase_if(files, [&options](const std::string& file) {
    return file.find(options.filter) == std::string::npos;
  });
  return files;
}

// All scenarios, or nothing after their errors have been printed.
std::optional<std::vector<harness::Loaded>> load_all(const std::vector<std::string>& files,
                                                     const Options& options, std::ostream& human) {
  std::vector<harness::Loaded> loaded;
  bool good = true;
  for (const std::string& file : files) {
    loaded.push_back(harness::check_scenario(file, options.set));
    if (!loaded.back().good()) {
      human << loaded.back().errors();
      good = false;
    }
  }
  if (!good) return std::nullopt;
  return loaded;
}

// What one batch of runs is made with, and what comes out beside the results.
class Runner {
 public:
  Runner(const Options& options, Output output, const std::function<bool()>& interrupted,
         RunLogs& logs)
      : options_(options), output_(output), interrupted_(interrupted), logs_(logs) {
    detail_ = static_cast<harness::Detail>(std::clamp(options.verbosity, 0, 2));
  }

  int run(const std::vector<harness::Loaded>& scenarios, std::span<const ReportRequest> requests,
          const std::vector<std::string>& traces) {
    story_ = !options_.quiet && (options_.verbosity > 0 || scenarios.size() == 1);
    Progress progress(output_.human, progress_mode(), scenarios.size());
    Batch batch;
    batch.count = scenarios.size();
    batch.jobs = options_.jobs;
    batch.fail_fast = options_.fail_fast;
    batch.interrupted = interrupted_;
    batch.run = [&](std::size_t index) {
      return run_one(scenarios[index], index, requests,
                     traces.empty() ? std::string() : traces[index]);
    };
    std::size_t index = 0;
    batch.waiting = [&progress] { progress.show(); };
    batch.done = [&](const harness::RunResult& result) {
      progress.clear();
      progress.count(result);
      tell(result, index);
      if (!traces.empty()) {
        traced_ = tell_trace(traces[index], is_traced(index), output_.human) && traced_;
      }
      ++index;
      progress.show();
    };
    const std::vector<harness::RunResult> results = run_batch(batch);
    progress.clear();
    output_.human << harness::format_summary(results);
    // A user who interrupts still gets what there is.
    const bool logged = logs_.close(output_);
    const bool written = write_reports(requests, results, output_) && logged;
    return exit_code(results, differences_.empty(), written && traced_,
                     results.size() < scenarios.size() && interrupted_());
  }

 private:
  ProgressMode progress_mode() const {
    if (options_.quiet) return ProgressMode::kNone;
    if (output_.human_is_terminal) return ProgressMode::kTerminal;
    return output_.ci ? ProgressMode::kLines : ProgressMode::kNone;
  }

  // On any thread.
  harness::RunResult run_one(const harness::Loaded& scenario, std::size_t index,
                             std::span<const ReportRequest> requests, const std::string& trace) {
    harness::RunOptions run_options;
    run_options.seed = options_.seed;
    run_options.keep_log = detail_ == harness::Detail::kLog;
    run_options.keep_critical_path = detail_ != harness::Detail::kFigures;
    if (detail_ == harness::Detail::kTransitions) run_options.keep_transitions = SIZE_MAX;
    for (const ReportRequest& request : requests) {
      run_options.keep_transitions =
          std::max(run_options.keep_transitions, request.kind->transitions);
      run_options.keep_record = run_options.keep_record || request.kind->record;
      run_options.keep_critical_path = run_options.keep_critical_path || request.kind->pauses;
    }
    run_options.interrupted = interrupted_;
    std::optional<TraceFile> file;
    if (!trace.empty()) file.emplace(trace);
    harness::TraceObserver observer(file ? file->sink() : harness::TraceSink());
    if (file) run_options.observers.push_back(&observer);
    for (harness::RunObserver* log : logs_.observers()) run_options.observers.push_back(log);
    run_options.on_event = logs_.begin(scenario, run_options.seed);
    harness::RunResult result = run_guarded(scenario, run_options.seed, [&] {
      return options_.check_determinism ? run_twice(scenario, run_options, index)
                                        : harness::run_scenario(scenario, run_options);
    });
    logs_.end(result);
    const std::scoped_lock lock(mutex_);
    if (file && file->finish()) traced_runs_.insert(index);
    return result;
  }

  harness::RunResult run_twice(const harness::Loaded& scenario, harness::RunOptions first,
                               std::size_t index) {
    harness::RunOptions second;
    second.seed = first.seed;
    if (options_.disturb_second_run) {
      second.perturb = [](sim::Simulation& simulation) {
        simulation.fold(simulation.add_actor("disturbance"), "test", 1);
      };
    }
    second.interrupted = first.interrupted;
    harness::DeterminismCheck check = harness::check_determinism(scenario, first, second);
    const std::scoped_lock lock(mutex_);
    if (check.difference) differences_[index] = *check.difference;
    return std::move(check.result);
  }

  void tell(const harness::RunResult& result, std::size_t index) {
    if (story_) {
      output_.human << harness::format_story(result, detail_);
    } else if (!options_.quiet) {
      output_.human << harness::format_line(result);
    }
    const std::string failures = harness::format_failures(result);
    if (!failures.empty()) output_.human << "\n" << failures << "\n";
    const std::scoped_lock lock(mutex_);
    if (const auto found = differences_.find(index); found != differences_.end()) {
      output_.human << "\n" << result.file << "\n" << found->second << "\n";
    } else if (options_.check_determinism && !options_.quiet && !result.interrupted) {
      output_.human << fmt::format("  deterministic: {} events twice\n", result.events);
    }
    output_.human << std::flush;
  }

  bool is_traced(std::size_t index) {
    const std::scoped_lock lock(mutex_);
    return traced_runs_.contains(index);
  }

  const Options& options_;
  Output output_;
  const std::function<bool()>& interrupted_;
  RunLogs& logs_;
  harness::Detail detail_ = harness::Detail::kFigures;
  bool story_ = false;
  bool traced_ = true;
  std::mutex mutex_;                   // over what runs leave beside their results
  std::set<std::size_t> traced_runs_;  // whose trace is written
  std::map<std::size_t, std::string> differences_;
};

}  // namespace

harness::RunResult run_guarded(const harness::Loaded& scenario, std::uint64_t seed,
                               const std::function<harness::RunResult()>& run) {
  try {
    return run();
  } catch (const sim::BugError& error) {
    harness::RunResult result;
    result.file = scenario.file;
    result.text = scenario.text;
    result.title = scenario.scenario.title;
    result.seed = seed;
    result.digest = harness::scenario_digest(scenario);
    result.overrides = scenario.overrides;
    result.token = harness::format_token({result.digest, seed, scenario.overrides});
    result.bug = error.what();
    return result;
  }
}

int exit_code(std::span<const harness::RunResult> results, bool deterministic, bool written,
              bool cut_short) {
  const auto any = [&results](auto what) { return std::ranges::any_of(results, what); };
  if (any([](const harness::RunResult& result) { return !result.bug.empty(); })) return kBug;
  if (!deterministic) return kNotDeterministic;
  if (cut_short || any([](const harness::RunResult& result) { return result.interrupted; })) {
    return kInterrupted;
  }
  if (!written) return kNotWritten;
  return std::ranges::all_of(results, &harness::RunResult::passed) ? kHeld : kFailed;
}

int run_command(const Options& options, Output output, const std::function<bool()>& interrupted) {
  const auto requests = parse_reports(options.reports, output.human);
  if (!requests) return kUsage;
  const std::vector<std::string> files = select(options);
  if (files.empty()) {
    output.human << (options.filter.empty()
                         ? std::string("nothing selected: no .yaml file there\n")
                         : fmt::format("nothing selected: no scenario's name contains \"{}\"\n",
                                       options.filter));
    return kNothing;
  }
  const auto scenarios = load_all(files, options, output.human);
  if (!scenarios) return kUsage;
  std::vector<std::string> traces;
  if (!options.trace.empty()) {
    const auto names = trace_files(options.trace, files, output.human);
    if (!names) return kUsage;
    traces = *names;
  }
  // A log is one stream of all runs, in their order.
  if (!options.logs.empty() && options.jobs > 1) {
    output.human << "--log and --jobs do not go together: a log is written while a run goes on\n";
    return kUsage;
  }
  const bool events = std::ranges::any_of(
      options.logs, [](const std::string& log) { return log.starts_with("events="); });
  if (events && options.check_determinism) {
    output.human << "--log events and --check-determinism do not go together: both listen to every "
                    "event\n";
    return kUsage;
  }
  if (!writable(*requests, output.human)) return kNotWritten;
  RunLogs logs;
  if (const auto wrong = logs.open(options.logs, output)) return *wrong;
  return Runner(options, output, interrupted, logs).run(*scenarios, *requests, traces);
}

}  // namespace baton::cli
