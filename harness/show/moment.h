// WHEN: an instant of a run, given as a time since power-on or by name, and the watch for it.
//
//   boot, run, preserve, freeze, retrieve, finish   a kernel enters that phase
//   kexec    the jump: the old kernel is gone, the new one has written nothing
//   boot2    the second kernel's first instant
//   end      the run is over, the machine still stands
//   run#1    of generation 1 (generation 0 is the first kernel); without it the first there is
//
// What is looked at is looked at inside the event that makes the instant; a time means after
// everything else of that instant.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "harness/record/observer.h"
#include "harness/record/phase_clock.h"

namespace baton::harness {

struct Moment {
  std::optional<sim::Time> time;       // or by name:
  std::string name = "end";            // "boot2" is "boot" with generation 1
  std::optional<unsigned> generation;  // without: the first that happens
};

// The error says what is accepted.
std::expected<Moment, std::string> parse_moment(std::string_view text);

// The first instant that `moment` means calls `reached`.
class MomentWatch final : public RunObserver {
 public:
  MomentWatch(Moment moment, std::function<void()> reached);
  ~MomentWatch() override;

  // Attach it last: the other observers have then seen the instant's event.
  void attach(Watch& watch, const Scenario& scenario) override;
  void finish() override;

  bool happened() const { return happened_; }
  // The names that did happen and the end of the run, a line each, for the error when this one did
  // not.
  std::string what_happened() const;

 private:
  class Alarm;

  void hit();
  void saw(std::string_view name, unsigned generation);

  Moment moment_;
  std::function<void()> reached_;
  bool happened_ = false;
  Watch* watch_ = nullptr;
  PhaseClock clock_;
  std::unique_ptr<Alarm> alarm_;
  sim::Time end_;
};

}  // namespace baton::harness
