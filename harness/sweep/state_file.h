// The state file of a sweep: what an interrupted one has done already. A line per run, appended
// when the run has ended, so that whatever ends the program loses at most the line under way.
//
//   <8 digits> {"baton_sweep_state":1,"digest":"..."}
//   <8 digits> {"run":12,"verdict":"ok",...}
//
// The digits are a check of the rest of their line. A last line that is cut off is left out; any
// other line that does not fit makes the file one that is not continued.
#pragma once

#include <expected>
#include <fstream>
#include <string>
#include <vector>

#include "harness/sweep/run_row.h"

namespace baton::harness {

class StateFile {
 public:
  // What is there of the sweep with this digest; nothing if there is no file. The error is a
  // sentence.
  std::expected<std::vector<RunRow>, std::string> open(const std::string& file,
                                                       const std::string& digest);
  bool is_open() const { return stream_.is_open(); }
  // False when it cannot be written.
  bool append(const RunRow& row);

 private:
  std::ofstream stream_;
};

}  // namespace baton::harness
