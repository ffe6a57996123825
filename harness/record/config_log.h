// Every configuration access of every kernel, reads too, as JSON lines. The first line of a run is
// {"scenario":TITLE}; then
//
//   {"time_ps":...,"kernel":0,"phase":"boot","address":"0000:00:1f.0","offset":4,"width":2,
//    "register":"Command","access":"write","value":7,"old":3,"by":"pci_enable_resources"}
//
// `value` is what was read or written; `old`, of writes alone, what the register held. An access
// that nobody answers has an empty register.
#pragma once

#include <ostream>

#include "harness/record/observer.h"
#include "harness/record/phase_clock.h"

namespace baton::harness {

class ConfigLog final : public RunObserver {
 public:
  // The stream outlives the run.
  explicit ConfigLog(std::ostream& out) : out_(out) {}
  void attach(Watch& watch, const Scenario& scenario) override;

 private:
  void on_access(const host::ConfigAccess& seen);

  std::ostream& out_;
  Watch* watch_ = nullptr;
  PhaseClock clock_;
};

}  // namespace baton::harness
