// baton run: checks all scenarios first, runs them, tells and reports.

#include <fmt/format.h>

#include <fstream>
#include <optional>
#include <utility>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/run_logs.h"
#include "cli/trace_output.h"
#include "harness/report/json_report.h"
#include "harness/report/text_report.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "harness/trace/trace_observer.h"

namespace baton::cli {
namespace {

struct ReportRequest {
  std::string kind;
  std::string file;
};

std::optional<std::vector<ReportRequest>> parse_reports(const std::vector<std::string>& texts,
                                                        std::ostream& human) {
  std::vector<ReportRequest> result;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals + 1 == text.size()) {
      human << fmt::format("--report {}: KIND=FILE is expected, for example json=out.json\n", text);
      return std::nullopt;
    }
    ReportRequest request{text.substr(0, equals), text.substr(equals + 1)};
    if (request.kind != "json") {
      human << fmt::format("--report {}: unknown kind \"{}\"; kinds: json\n", text, request.kind);
      return std::nullopt;
    }
    result.push_back(std::move(request));
  }
  return result;
}

bool write_report(const ReportRequest& request, const std::string& text, Output output) {
  if (request.file == "-") {
    output.data << text << std::flush;
    return static_cast<bool>(output.data);
  }
  std::ofstream stream(request.file, std::ios::binary | std::ios::trunc);
  stream << text << std::flush;
  if (!stream) {
    output.human << fmt::format("cannot write \"{}\"\n", request.file);
    return false;
  }
  output.human << fmt::format("wrote {}\n", request.file);
  return true;
}

// All scenarios, or nothing after their errors have been printed.
std::optional<std::vector<harness::Loaded>> load_all(const std::vector<std::string>& files,
                                                     std::ostream& human) {
  std::vector<harness::Loaded> loaded;
  bool good = true;
  for (const std::string& file : files) {
    loaded.push_back(harness::check_scenario(file));
    if (!loaded.back().good()) {
      human << loaded.back().errors();
      good = false;
    }
  }
  if (!good) return std::nullopt;
  return loaded;
}

int verdict(const std::vector<harness::RunResult>& results) {
  int code = kHeld;
  for (const harness::RunResult& result : results) {
    if (result.interrupted) return kInterrupted;
    if (!result.passed()) code = kFailed;
  }
  return code;
}

}  // namespace

int run_command(const Options& options, Output output, const std::function<bool()>& interrupted) {
  const auto requests = parse_reports(options.reports, output.human);
  if (!requests) return kUsage;
  const std::vector<std::string> files = select_scenarios(options.scenarios);
  if (files.empty()) {
    output.human << "nothing selected: no .yaml file there\n";
    return kNothing;
  }
  const auto scenarios = load_all(files, output.human);
  if (!scenarios) return kUsage;
  std::optional<std::vector<std::string>> traces;
  if (!options.trace.empty()) {
    traces = trace_files(options.trace, files, output.human);
    if (!traces) return kUsage;
  }
  RunLogs logs;
  if (const auto wrong = logs.open(options.logs, output)) return *wrong;

  // One run is told as a story, several as a line each.
  const bool story = options.verbose || files.size() == 1;
  std::vector<harness::RunResult> results;
  for (const harness::Loaded& scenario : *scenarios) {
    harness::RunOptions run_options;
    run_options.seed = options.seed;
    run_options.keep_log = options.verbose;
    run_options.interrupted = interrupted;
    harness::TraceObserver trace;
    if (traces) run_options.observers.push_back(&trace);
    for (harness::RunObserver* log : logs.observers()) run_options.observers.push_back(log);
    results.push_back(harness::run_scenario(scenario, run_options));
    const harness::RunResult& result = results.back();
    output.human << (story ? harness::format_story(result, options.verbose)
                           : harness::format_line(result));
    const std::string failures = harness::format_failures(result);
    if (!failures.empty()) output.human << "\n" << failures;
    output.human << std::flush;
    if (traces && !write_trace((*traces)[results.size() - 1], trace.bytes(), output.human)) {
      return kNotWritten;
    }
    if (result.interrupted) break;
  }
  output.human << harness::format_summary(results);
  if (!logs.close(output)) return kNotWritten;
  for (const ReportRequest& request : *requests) {
    if (!write_report(request, harness::format_json(results), output)) return kNotWritten;
  }
  return verdict(results);
}

}  // namespace baton::cli
