// What each guest's pause is made of, from the instant its vCPU stops to the instant it goes on: by
// phase, subsystem and device, with what bounds it. The parts of a pause add up to it exactly.
//
// A pause is cut at what ends a piece of work or begins one: steps of the boot profile,
// configuration accesses, files of the guest's own session, phases. Work of other guests at the
// same time is no part of the path; how much of it fell into a part is counted. What a process does
// between two system calls has no cost of its own in the model and goes to what comes next, and so
// do configuration accesses that no function answers.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/record/observer.h"
#include "harness/record/phase_clock.h"
#include "model/linux/kernel/observations.h"

namespace baton::harness {

struct PathPart {
  unsigned generation = 0;
  std::string phase;      // as of PhaseMark
  std::string subsystem;  // "boot", "pci", "vfio", "memfd", "host", "vmm", ...
  std::string device;     // or the file, or the boot step
  std::string bound;      // "constant of the boot profile", "configuration accesses", ...
  sim::Duration time;
  std::uint64_t pieces = 0;
  std::uint64_t others = 0;  // events of other guests' sessions meanwhile
};

struct PausePath {
  std::string vm;
  sim::Time from;
  sim::Time to;
  bool resumed = false;         // false: the run ended first
  std::vector<PathPart> parts;  // in the order in which they began

  sim::Duration length() const { return to - from; }
};

class CriticalPath final : public RunObserver {
 public:
  void attach(Watch& watch, const Scenario& scenario) override;
  // Pauses under way are told as far as they came.
  void finish() override;

  // Those that are over, and those under way as they stand.
  std::vector<PausePath> paths() const;

 private:
  struct Label {
    std::string subsystem;
    std::string device;
    std::string bound;
  };
  struct Open {
    PausePath path;
    sim::Time since;  // up to here it is accounted for
    std::uint64_t others = 0;
  };

  void subscribe_to_kernels();
  void subscribe_to_work();
  // What was going on comes to its end now, for all paused guests; `next` goes
  // on.
  void cut(Label next);
  // The time up to now was this; afterwards what was going on goes on.
  void ended(const Label& label);
  void account(Open& open, sim::Time until, const Label& label) const;
  // The part of a step that is a constant ends by itself.
  void settle_step(Open& open, sim::Time until) const;
  void close(std::string_view vm, bool resumed);

  Watch* watch_ = nullptr;
  PhaseClock clock_;
  unsigned generation_ = 0;
  Label now_;
  sim::Time step_end_;  // of the constant part of the boot step under way
  Label after_step_;
  std::map<std::string, Open, std::less<>> open_;  // by VM
  std::vector<PausePath> done_;
};

// For people and as JSON; every part, and the sum.
std::string format_critical_path(const std::vector<PausePath>& paths);
std::string format_critical_path_json(const std::vector<PausePath>& paths);
boost::json::array critical_path_value(const std::vector<PausePath>& paths);
// The same with one part for all devices and files that a subsystem works through in a phase.
PausePath folded(const PausePath& path);

}  // namespace baton::harness
