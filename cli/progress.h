// How far a batch of runs is: one line on a terminal that is written over, a line every ten seconds
// in continuous integration, nothing anywhere else.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>

#include "harness/report/run_result.h"

namespace baton::cli {

enum class ProgressMode : std::uint8_t { kNone, kTerminal, kLines };

class Progress {
 public:
  Progress(std::ostream& out, ProgressMode mode, std::size_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Takes the line off the terminal, so that something else can be written.
  void clear();
  void count(const harness::RunResult& result);
  // Shows the line if it is time for it.
  void show();

  std::string line() const;

 private:
  std::ostream& out_;
  ProgressMode mode_;
  std::size_t total_;
  std::size_t ok_ = 0;
  std::size_t failed_ = 0;
  std::size_t unknown_ = 0;
  std::string last_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point told_ = std::chrono::steady_clock::now();
};

}  // namespace baton::cli
