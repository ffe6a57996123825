// The operator at the machine's console: types the script's lines at their times, and knows when a
// step has come to its end, in this kernel or in the next one.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/invariants/watch.h"
#include "harness/scenario/scenario.h"

namespace baton::harness {

class Operator {
 public:
  Operator(Watch& watch, const Scenario& scenario);
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  // When the guests' devices were all at work for the first time (without any: when user space
  // ran); script times count from here.
  std::optional<sim::Time> started() const { return started_; }
  // The time of the next line, if there is one and the times count already.
  std::optional<sim::Time> next() const;
  // Types the next line.
  void type();

  // All lines are typed, and the last one's work is done: answered, or carried through the next
  // kernel to the finish of what was preserved; and the scenario's processes have made their last
  // calls. Also when a kernel panicked.
  bool settled() const;
  // When the last line was typed, or a process last made a call.
  sim::Time last_typed() const { return last_typed_; }

 private:
  void start_if_ready();
  void watch_processes(const Scenario& scenario);

  Watch& watch_;
  const std::vector<ScriptStep>& script_;
  std::size_t typed_ = 0;
  std::optional<sim::Time> started_;
  std::set<std::string> idle_;  // devices that have not written to memory yet
  sim::Time last_typed_;
  // Of the processes: names of those still at work, by kernel.
  std::set<std::pair<unsigned, std::string>> at_work_;
  bool answered_ = true;
  bool up_ = false;       // the running kernel's user space runs
  bool next_up_ = false;  // and that kernel came after the last line
  bool halted_ = false;
};

}  // namespace baton::harness
