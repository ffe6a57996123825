// The files of `run --trace`: one scenario into FILE; several into a folder, one file each, named
// after the scenario.
#pragma once

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "harness/trace/trace_block.h"

namespace baton::cli {

// Where the trace of each scenario goes, or nothing after saying why that cannot be.
std::optional<std::vector<std::string>> trace_files(const std::string& target,
                                                    const std::vector<std::string>& scenarios,
                                                    std::ostream& human);

// Takes a trace while its run goes on; of a run that a bug in baton ends, what was full by then.
class TraceFile {
 public:
  explicit TraceFile(const std::string& file) : stream_(file, std::ios::binary | std::ios::trunc) {}

  harness::TraceSink sink() {
    return [this](std::string_view block) {
      stream_.write(block.data(), static_cast<std::streamsize>(block.size()));
    };
  }
  // Whether all of it was written.
  bool finish() { return static_cast<bool>(stream_.flush()); }

 private:
  std::ofstream stream_;
};

// Says what became of a trace; whether it was written.
bool tell_trace(const std::string& file, bool written, std::ostream& human);

}  // namespace baton::cli
