// Who watches a run beside its invariants: traces, ledgers, logs, snapshots. An observer subscribes
// to topics and never changes anything: the fingerprint of a run is the same with any set of them.
#pragma once

#include "harness/invariants/watch.h"
#include "harness/scenario/scenario.h"

namespace baton::harness {

class RunObserver {
 public:
  virtual ~RunObserver() = default;
  // Before power-on. Both arguments outlive the run, not the observer.
  virtual void attach(Watch& watch, const Scenario& scenario) = 0;
  // The run is over; the machine still stands.
  virtual void finish() {}
};

}  // namespace baton::harness
