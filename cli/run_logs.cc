#include "cli/run_logs.h"

#include <fmt/format.h>

#include "cli/exit_code.h"
#include "harness/record/config_log.h"

namespace baton::cli {

std::optional<int> RunLogs::open(const std::vector<std::string>& asked, Output output) {
  for (const std::string& text : asked) {
    const std::size_t equals = text.find('=');
    const std::string kind = text.substr(0, equals);
    const bool known = kind == "config" || kind == "events";
    if (!known || equals == std::string::npos || equals + 1 == text.size()) {
      output.human << fmt::format(
          "--log {}: KIND=FILE is expected, for example config=accesses.jsonl; kinds: config, "
          "events\n",
          text);
      return kUsage;
    }
    Log log{text.substr(equals + 1), nullptr, &output.data, nullptr};
    if (log.file != "-") {
      log.stream = std::make_unique<std::ofstream>(log.file, std::ios::binary | std::ios::trunc);
      log.out = log.stream.get();
      if (!*log.stream) {
        output.human << fmt::format("cannot write \"{}\"\n", log.file);
        return kNotWritten;
      }
    }
    if (kind == "events") log.events = std::make_unique<harness::EventLog>(*log.out);
    logs_.push_back(std::move(log));
  }
  return std::nullopt;
}

std::vector<harness::RunObserver*> RunLogs::observers() {
  observers_.clear();
  std::vector<harness::RunObserver*> result;
  for (const Log& log : logs_) {
    if (log.events != nullptr) continue;
    observers_.push_back(std::make_unique<harness::ConfigLog>(*log.out));
    result.push_back(observers_.back().get());
  }
  return result;
}

std::function<void(std::uint64_t, const sim::LogLine&)> RunLogs::begin(
    const harness::Loaded& scenario, std::uint64_t seed) {
  std::vector<harness::EventLog*> logs;
  for (const Log& log : logs_) {
    if (log.events == nullptr) continue;
    log.events->begin(scenario, seed);
    logs.push_back(log.events.get());
  }
  if (logs.empty()) return {};
  return [logs](std::uint64_t event, const sim::LogLine& line) {
    for (harness::EventLog* log : logs) log->line(event, line);
  };
}

void RunLogs::end(const harness::RunResult& result) {
  for (const Log& log : logs_) {
    if (log.events != nullptr) log.events->end(result);
  }
}

bool RunLogs::close(Output output) {
  bool good = true;
  for (const Log& log : logs_) {
    log.out->flush();
    if (*log.out) continue;
    output.human << fmt::format("cannot write \"{}\"\n", log.file);
    good = false;
  }
  return good;
}

}  // namespace baton::cli
