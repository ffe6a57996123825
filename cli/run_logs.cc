#include "cli/run_logs.h"

#include <fmt/format.h>

#include "cli/exit_code.h"
#include "harness/record/config_log.h"

namespace baton::cli {

std::optional<int> RunLogs::open(const std::vector<std::string>& asked, Output output) {
  for (const std::string& text : asked) {
    constexpr std::string_view kConfig = "config=";
    if (!text.starts_with(kConfig) || text.size() == kConfig.size()) {
      output.human << fmt::format(
          "--log {}: KIND=FILE is expected, for example config=accesses.jsonl; kinds: config\n",
          text);
      return kUsage;
    }
    Log log{text.substr(kConfig.size()), nullptr, &output.data};
    if (log.file != "-") {
      log.stream = std::make_unique<std::ofstream>(log.file, std::ios::binary | std::ios::trunc);
      log.out = log.stream.get();
      if (!*log.stream) {
        output.human << fmt::format("cannot write \"{}\"\n", log.file);
        return kNotWritten;
      }
    }
    logs_.push_back(std::move(log));
  }
  return std::nullopt;
}

std::vector<harness::RunObserver*> RunLogs::observers() {
  observers_.clear();
  std::vector<harness::RunObserver*> result;
  for (const Log& log : logs_) {
    observers_.push_back(std::make_unique<harness::ConfigLog>(*log.out));
    result.push_back(observers_.back().get());
  }
  return result;
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
