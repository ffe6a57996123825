#include "harness/record/run_record.h"

namespace baton::harness {

void RunRecorder::attach(Watch& watch, const Scenario& scenario) {
  ledger_.attach(watch, scenario);
  config_writes_.attach(watch, scenario);
  topology_.attach(watch, scenario);
  curves_.attach(watch, scenario);
  sim::Simulation& simulation = watch.simulation();
  simulation.topic<linux::PhaseEntered>().subscribe([this](const linux::PhaseEntered& seen) {
    const bool freezes = seen.phase == linux::RunPhase::kFreeze;
    if (rebooted_ || frozen_ || (!freezes && seen.phase != linux::RunPhase::kRun)) return;
    frozen_ = freezes;
    record_.before = topology_.take();
  });
  simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { rebooted_ = true; });
  simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) { rebooted_ = true; });
}

void RunRecorder::finish() {
  ledger_.finish();
  config_writes_.finish();
  topology_.finish();
  curves_.finish();
  record_.ledger = ledger_.rows();
  record_.config_writes = config_writes_.rows();
  record_.after = topology_.take();
  record_.guests = curves_.guests();
  record_.dma = curves_.dma();
}

}  // namespace baton::harness
