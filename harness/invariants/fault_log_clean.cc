// fault-log-clean: between freeze and finish no remapping unit refuses a request or an interrupt,
// whether its log has room for the fault or not [VT-d 7]. Devices of VMs that are no part of the
// handover do not count: their mappings go, and what they still send is theirs to lose.

#include <fmt/format.h>

#include <algorithm>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/iommu_vtd/observations.h"

namespace baton::harness {
namespace {

class FaultLogClean final : public Checker {
 public:
  explicit FaultLogClean(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<iommu_vtd::Fault>().subscribe([this](const auto& o) { on_fault(o); });
    // Each kernel's milestone is a moment at which the log was clean so far.
    simulation.topic<linux::PhaseEntered>().subscribe([this](const auto&) {
      if (watch_.handover()) checked();
    });
  }

  std::string_view id() const override { return "fault-log-clean"; }

 private:
  // Whose request it was, by the id that the device sends with now.
  const WatchedDevice* sender(const iommu_vtd::Fault& seen) const {
    const auto found = std::ranges::find_if(watch_.devices(), [&](const WatchedDevice& device) {
      return device.function->requester_id() == seen.source &&
             watch_.machine().iommu_of(*device.function) == &seen.unit;
    });
    return found == watch_.devices().end() ? nullptr : &*found;
  }

  void on_fault(const iommu_vtd::Fault& seen) {
    // A message that its entry drops in silence is meant to be [policy interrupts: irte-drop].
    if (!watch_.handover() || seen.silenced) return;
    const WatchedDevice* device = sender(seen);
    if (device != nullptr && !watch_.carried(*device)) return;
    checked();
    if (!want()) return;
    const std::string who = device == nullptr
                                ? std::string("a function of no VM")
                                : fmt::format("{} of {}", device->function->name(), device->vm);
    report(
        fmt::format("{}, as {}", who, sim::to_string(seen.source)), "no remapping fault",
        fmt::format("fault reason {:#x}, {} of {:#x}{}", seen.reason, seen.write ? "write" : "read",
                    seen.address, seen.recorded ? "" : ", not recorded"),
        watch_.milestones());
  }
};

}  // namespace

std::unique_ptr<Checker> make_fault_log_clean(Watch& watch) {
  return std::make_unique<FaultLogClean>(watch);
}

}  // namespace baton::harness
