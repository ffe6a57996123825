// --log KIND=FILE of `run`: logs that are written while scenarios run.
#pragma once

#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "harness/record/observer.h"
#include "harness/run/event_log.h"

namespace baton::cli {

class RunLogs {
 public:
  // The exit status when there is something wrong with what was asked for; it has been said then.
  std::optional<int> open(const std::vector<std::string>& asked, Output output);

  // New ones for the next run; they live as long as this object.
  std::vector<harness::RunObserver*> observers();

  // Around a run: what logs of events write beside observers. Null when there is none.
  std::function<void(std::uint64_t, const sim::LogLine&)> begin(const harness::Loaded& scenario,
                                                                std::uint64_t seed);
  void end(const harness::RunResult& result);

  // False when a log is not written in full, which has been said then.
  bool close(Output output);

 private:
  struct Log {
    std::string file;
    std::unique_ptr<std::ofstream> stream;  // none: stdout
    std::ostream* out = nullptr;
    std::unique_ptr<harness::EventLog> events;  // none: of configuration accesses
  };
  std::vector<Log> logs_;
  std::vector<std::unique_ptr<harness::RunObserver>> observers_;
};

}  // namespace baton::cli
