// device-key: the record of a function that was handed over finds that very function in the next
// kernel, whatever it is called there, and no other. A function that lost its power in between has
// nothing left that could be found.

#include <fmt/format.h>

#include <map>
#include <string>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/linux/base/observations.h"

namespace baton::harness {
namespace {

class DeviceKey final : public Checker {
 public:
  explicit DeviceKey(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<linux::FunctionRecord>().subscribe([this](const auto& o) { on_record(o); });
    simulation.topic<host::KernelJumped>().subscribe([this](const auto&) {
      expected_ = std::move(preserved_);
      preserved_.clear();
    });
    simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) {
      expected_.clear();
      preserved_.clear();
    });
    simulation.topic<linux::PhaseEntered>().subscribe([this](const linux::PhaseEntered& seen) {
      if (seen.phase == linux::RunPhase::kRun) look_for_the_rest();
    });
  }

  std::string_view id() const override { return "device-key"; }

 private:
  static std::string named(const pci::Function& function) {
    const std::string at = sim::to_string(function.location());
    return function.name() == at ? at : fmt::format("{}, now at {}", function.name(), at);
  }

  void on_record(const linux::FunctionRecord& seen) {
    const pci::Function* function = watch_.machine().fabric().find(seen.address);
    switch (seen.event) {
      case linux::LedgerEvent::kPreserved:
        if (function != nullptr) preserved_[seen.key] = function;
        break;
      case linux::LedgerEvent::kUnpreserved:
        preserved_.erase(seen.key);
        break;
      case linux::LedgerEvent::kRestored:
        on_found(seen, function);
        break;
      default:
        break;
    }
  }

  void on_found(const linux::FunctionRecord& seen, const pci::Function* function) {
    checked();
    const auto known = expected_.find(seen.key);
    if (known == expected_.end()) return;
    if (known->second == function) {
      found_.insert(seen.key);
      return;
    }
    if (!want()) return;
    report(fmt::format("record of {}", sim::to_string(seen.key)),
           fmt::format("it finds the function that was handed over: {}", named(*known->second)),
           function == nullptr ? fmt::format("kernel {} takes {} for it, where nobody answers",
                                             seen.generation, sim::to_string(seen.address))
                               : fmt::format("kernel {} takes another one for it: {}",
                                             seen.generation, named(*function)),
           watch_.milestones());
  }

  // User space runs: enumeration is over.
  void look_for_the_rest() {
    for (const auto& [key, function] : expected_) {
      checked();
      if (found_.contains(key) || !function->bus_master() || !want()) continue;
      report(fmt::format("record of {}", sim::to_string(key)),
             fmt::format("it finds the function that was handed over: {}", named(*function)),
             "it finds none, though the function has been at work all the time",
             watch_.milestones());
    }
    expected_.clear();
    found_.clear();
  }

  std::map<Sbdf, const pci::Function*> preserved_;  // by what their records say
  std::map<Sbdf, const pci::Function*> expected_;   // those that this kernel was handed
  std::set<Sbdf> found_;
};

}  // namespace

std::unique_ptr<Checker> make_device_key(Watch& watch) {
  return std::make_unique<DeviceKey>(watch);
}

}  // namespace baton::harness
