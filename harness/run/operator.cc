#include "harness/run/operator.h"

#include <fmt/format.h>

#include "model/pci/observations.h"
#include "model/vmm/observations.h"

namespace baton::harness {
namespace {

std::string_view words(OnRefusal refusal) {
  switch (refusal) {
    case OnRefusal::kStop:
      return "stop";
    case OnRefusal::kGoOnWithout:
      return "go-on-without";
    case OnRefusal::kShutDownVm:
      return "shut-down-vm";
  }
  return "stop";
}

}  // namespace

Operator::Operator(Watch& watch, const Scenario& scenario)
    : watch_(watch), script_(scenario.script) {
  watch_processes(scenario);
  sim::Simulation& simulation = watch.simulation();
  simulation.topic<linux::PhaseEntered>().subscribe([this](const linux::PhaseEntered& seen) {
    if (seen.phase != linux::RunPhase::kRun) return;
    next_up_ = !up_;
    up_ = true;
    start_if_ready();
  });
  for (const WatchedDevice& device : watch.devices()) {
    if (!device.passive) idle_.insert(device.function->name());
  }
  simulation.topic<pci::RequestDone>().subscribe([this](const pci::RequestDone& seen) {
    const bool wrote = seen.completion.arrived() && seen.request.write &&
                       seen.completion.destination == pci::Destination::kRam;
    if (started_ || !wrote) return;
    idle_.erase(seen.function.name());
    start_if_ready();
  });
  simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { up_ = false; });
  simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) { up_ = false; });
  simulation.topic<host::KernelHalted>().subscribe([this](const auto&) { halted_ = true; });
  simulation.topic<vmm::OperatorAnswered>().subscribe([this](const auto&) { answered_ = true; });
}

// A process is done when it has ended, or waits for ever where it may.
void Operator::watch_processes(const Scenario& scenario) {
  std::set<vmm::ScriptPlace> last;  // calls that need not return
  for (const vmm::ScriptProcess& process : scenario.processes) {
    at_work_.emplace(process.kernel, process.name);
    if (!process.calls.empty() && process.calls.back().may_never_return()) {
      last.insert(process.calls.back().place);
    }
  }
  sim::Simulation& simulation = watch_.simulation();
  simulation.topic<vmm::ScriptCallBegun>().subscribe(
      [this, last](const vmm::ScriptCallBegun& seen) {
        last_typed_ = watch_.now();
        if (last.contains(seen.place)) {
          at_work_.erase({seen.generation, std::string(seen.process)});
        }
      });
  simulation.topic<vmm::ScriptProcessChanged>().subscribe(
      [this](const vmm::ScriptProcessChanged& seen) {
        if (seen.state == "started") return;
        at_work_.erase({seen.generation, std::string(seen.process)});
      });
}

void Operator::start_if_ready() {
  if (!started_ && up_ && idle_.empty()) started_ = watch_.now();
}

std::optional<sim::Time> Operator::next() const {
  if (!started_ || typed_ == script_.size()) return std::nullopt;
  return *started_ + script_[typed_].at;
}

void Operator::type() {
  const ScriptStep& step = script_[typed_++];
  std::string line(name(step.action));
  // Each step has its own answer to a refusal; the two that preserve have a use for it.
  if (step.action == Action::kLiveUpdate || step.action == Action::kPreserve) {
    line += fmt::format(" on_refusal={}", words(step.on_refusal));
  }
  last_typed_ = watch_.now();
  answered_ = false;
  next_up_ = false;
  watch_.machine().type(std::move(line));
}

bool Operator::settled() const {
  if (!started_) return halted_;
  if (typed_ != script_.size() || (!at_work_.empty() && !halted_)) return false;
  return answered_ || halted_ || (next_up_ && !watch_.handover());
}

}  // namespace baton::harness
