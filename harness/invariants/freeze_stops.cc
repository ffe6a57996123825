// freeze-stops: kernels of vfio v5 hand over devices that do nothing. A device whose file was
// frozen is reset before the jump, is no bus master then, and no request of it arrives until it is
// reset again, by its first open under the next kernel. One that no reset works on owes the rest.

#include <fmt/format.h>

#include <set>
#include <string>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/luo/state_machine.h"
#include "model/pci/observations.h"

namespace baton::harness {
namespace {

class FreezeStops final : public Checker {
 public:
  explicit FreezeStops(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<linux::SessionFileChanged>().subscribe([this](const auto& o) { on_file(o); });
    simulation.topic<pci::FunctionReset>().subscribe([this](const auto& o) { on_reset(o); });
    simulation.topic<pci::RequestDone>().subscribe([this](const auto& o) { on_request(o); });
    simulation.topic<host::KernelJumped>().subscribe([this](const auto& o) { on_jump(o); });
    watch.at_begin([this] {
      frozen_.clear();
      reset_.clear();
      stopped_.clear();
    });
  }

  std::string_view id() const override { return "freeze-stops"; }

 private:
  // The file of a device: its session has the name of its VM.
  void on_file(const linux::SessionFileChanged& seen) {
    if (seen.state != luo::name(luo::FileState::kFrozen) || seen.compatible != "vfio-pci-v1") {
      return;
    }
    frozen_.insert(std::string(seen.session));
  }

  void on_reset(const pci::FunctionReset& seen) {
    can_be_reset_.insert(&seen.function);
    if (!watch_.handover()) return;
    if (watch_.jumped()) {
      stopped_.erase(&seen.function);
    } else {
      reset_.insert(&seen.function);
    }
  }

  void on_jump(const host::KernelJumped& seen) {
    if (watch_.pieces(seen.from_generation).vfio != linux::VfioLiveUpdate::kV5) return;
    for (const WatchedDevice& device : watch_.devices()) {
      if (!watch_.carried(device) || !frozen_.contains(device.vm)) continue;
      checked();
      const pci::Function& function = *device.function;
      stopped_.insert(&function);
      const bool owes_reset = can_be_reset_.contains(&function);
      if (owes_reset && !reset_.contains(&function)) {
        tell(device, "it is reset between freeze and jump", "it was not");
      }
      if (function.bus_master()) tell(device, "it is no bus master at the jump", "it is one");
    }
  }

  void on_request(const pci::RequestDone& seen) {
    if (!stopped_.contains(&seen.function)) return;
    checked();
    if (!seen.completion.arrived()) return;
    tell(*watch_.device(seen.function), "no request until it is opened again",
         fmt::format("a {} of {} bytes at iova {:#x}", seen.request.write ? "write" : "read",
                     seen.request.length, seen.request.address));
  }

  void tell(const WatchedDevice& device, std::string expected, std::string seen) {
    if (!want()) return;
    report(fmt::format("{} of {}", device.function->name(), device.vm), std::move(expected),
           std::move(seen), Evidence{watch_.causes(*device.function), {}, device.function});
  }

  std::set<std::string, std::less<>> frozen_;  // sessions
  // To ask, never iterated.
  std::set<const pci::Function*> can_be_reset_;
  std::set<const pci::Function*> reset_;    // since the freeze began
  std::set<const pci::Function*> stopped_;  // at the jump, and not reset since
};

}  // namespace

std::unique_ptr<Checker> make_freeze_stops(Watch& watch) {
  return std::make_unique<FreezeStops>(watch);
}

}  // namespace baton::harness
