// What a report with pictures needs of a run beyond its result: the ledger, the configuration
// writes, the topology before and after, the curves. Collected only when asked for.
#pragma once

#include <vector>

#include "harness/record/config_writes.h"
#include "harness/record/curves.h"
#include "harness/record/ledger.h"
#include "harness/record/observer.h"
#include "harness/record/topology_snapshot.h"

namespace baton::harness {

struct RunRecord {
  std::vector<LedgerRow> ledger;
  std::vector<ConfigWriteRow> config_writes;
  TopologySnapshot before;  // at the first freeze, or before the first reboot of another kind
  TopologySnapshot after;   // at the end
  std::vector<GuestSpan> guests;
  std::vector<DmaCurve> dma;
};

class RunRecorder final : public RunObserver {
 public:
  void attach(Watch& watch, const Scenario& scenario) override;
  void finish() override;

  RunRecord take() { return std::move(record_); }

 private:
  Ledger ledger_;
  ConfigWrites config_writes_;
  TopologyWatch topology_;
  Curves curves_;
  bool rebooted_ = false;
  bool frozen_ = false;
  RunRecord record_;
};

}  // namespace baton::harness
