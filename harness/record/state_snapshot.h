// The state of the whole simulation at one instant as named values, for holding two runs against
// each other: configuration space of every function, what devices reach, remapping units, the
// handover, the ledger, and every page of memory with content of its own.
//
// Not in it: what devices hold inside (queues, engines), the kernels' own objects; both show in
// events.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "harness/record/ledger.h"
#include "harness/record/observer.h"
#include "harness/record/phase_clock.h"

namespace baton::harness {

struct PageState {
  std::uint64_t digest = 0;
  std::string owner;  // what the kernels call it; "free"
  friend bool operator==(const PageState&, const PageState&) = default;
};

struct StateValues {
  std::map<std::string, std::string> values;
  std::map<std::uint64_t, PageState> pages;  // by address
};

// Taken when the run ends, wherever that is.
class StateSnapshot final : public RunObserver {
 public:
  void attach(Watch& watch, const Scenario& scenario) override;
  void finish() override;

  const StateValues& values() const { return values_; }

 private:
  void add_functions();
  void add_devices();
  void add_handover();
  void add_ledger();
  void add_pages();

  Watch* watch_ = nullptr;
  PhaseClock clock_;
  Ledger ledger_;
  StateValues values_;
};

}  // namespace baton::harness
