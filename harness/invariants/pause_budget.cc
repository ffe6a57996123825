// pause-budget: no guest stands still for longer than the budget: the bound that the scenario sets
// to guest_pause, or 2 s (Watch: World::pause_budget). A guest that a panic leaves paused for ever
// is over any budget.

#include <fmt/format.h>

#include <map>
#include <string>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/vmm/observations.h"

namespace baton::harness {
namespace {

class PauseBudget final : public Checker {
 public:
  explicit PauseBudget(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<vmm::GuestPaused>().subscribe([this](const vmm::GuestPaused& seen) {
      paused_.try_emplace(std::string(seen.vm), watch_.now());
    });
    simulation.topic<vmm::GuestResumed>().subscribe([this](const auto& o) { on_resumed(o); });
    simulation.topic<vmm::GuestStopped>().subscribe(
        [this](const vmm::GuestStopped& seen) { paused_.erase(std::string(seen.vm)); });
    simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) { paused_.clear(); });
    // The guest of a VM that is not carried ends here.
    simulation.topic<host::KernelJumped>().subscribe([this](const auto&) {
      std::erase_if(paused_, [this](const auto& entry) { return !watch_.carried(entry.first); });
    });
    simulation.topic<host::KernelHalted>().subscribe([this](const auto&) { halted_ = true; });
  }

  std::string_view id() const override { return "pause-budget"; }

  void finish() override {
    for (const auto& [vm, since] : paused_) {
      checked();
      const sim::Duration pause = watch_.now() - since;
      if (!halted_ && pause <= watch_.pause_budget()) continue;  // the run ends in it
      judge(vm, since,
            fmt::format("paused for {} at the end of the run{}", sim::to_string(pause),
                        halted_ ? ", and no kernel to wake it" : ""));
    }
  }

 private:
  void on_resumed(const vmm::GuestResumed& seen) {
    const auto found = paused_.find(seen.vm);
    if (found == paused_.end()) return;
    const sim::Time since = found->second;
    paused_.erase(found);
    checked();
    const sim::Duration pause = watch_.now() - since;
    if (pause <= watch_.pause_budget()) return;
    judge(std::string(seen.vm), since, fmt::format("paused for {}", sim::to_string(pause)));
  }

  void judge(const std::string& vm, sim::Time since, std::string seen) {
    if (!want()) return;
    std::vector<ChainLink> chain{{since, fmt::format("guest {} is paused", vm)}};
    for (const ChainLink& link : watch_.milestones()) {
      if (link.time >= since) chain.push_back(link);
    }
    report(fmt::format("guest {}", vm),
           fmt::format("it resumes within {}", sim::to_string(watch_.pause_budget())),
           std::move(seen), std::move(chain));
  }

  std::map<std::string, sim::Time, std::less<>> paused_;  // by VM
  bool halted_ = false;
};

}  // namespace

std::unique_ptr<Checker> make_pause_budget(Watch& watch) {
  return std::make_unique<PauseBudget>(watch);
}

}  // namespace baton::harness
