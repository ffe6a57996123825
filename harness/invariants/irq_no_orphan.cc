// irq-no-orphan: an interrupt message of a VM's device arrives at a kernel that has a handler for
// it, or is not sent at all.
//
// Not judged here: whether the handler is the right one, and whether an interrupt that was lost is
// made up for.

#include <fmt/format.h>

#include <map>
#include <string_view>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/host/observations.h"
#include "model/pci/observations.h"

namespace baton::harness {
namespace {

constexpr unsigned kToldOfEachWay = 2;

class IrqNoOrphan final : public Checker {
 public:
  explicit IrqNoOrphan(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<host::InterruptDelivered>().subscribe(
        [this](const auto& seen) { on_delivery(seen); });
    simulation.topic<pci::RequestDone>().subscribe([this](const auto& seen) {
      if (seen.completion.stopped_at == "interrupt-remapping") on_refusal(seen);
    });
  }

  std::string_view id() const override { return "irq-no-orphan"; }

 private:
  void on_delivery(const host::InterruptDelivered& seen) {
    for (const WatchedDevice& device : watch_.devices()) {
      if (device.function->requester_id() != seen.source) continue;
      checked();
      if (seen.taken) return;
      tell(device, fmt::format("an interrupt on vector {:#x}", seen.vector.value()),
           remapping_off(device) ? "interrupt remapping is off, and no CPU takes what it becomes"
           : watch_.machine().port() == nullptr ? "there is no kernel"
                                                : "no kernel has a handler");
      return;
    }
  }

  void on_refusal(const pci::RequestDone& seen) {
    const WatchedDevice* device = watch_.device(seen.function);
    if (device == nullptr) return;
    checked();
    tell(*device, fmt::format("an interrupt message to {:#x}", seen.request.address),
         "interrupt remapping refuses it: its entry is not there");
  }

  // The unit remaps for the system, and not now: a message in remappable format means nothing.
  bool remapping_off(const WatchedDevice& device) const {
    constexpr std::uint64_t kGsts = 0x1C;
    constexpr std::uint64_t kIrtps = 1U << 24;
    constexpr std::uint64_t kIres = 1U << 25;
    iommu_vtd::RemappingUnit* unit = watch_.machine().iommu_of(*device.function);
    const std::uint64_t status = unit == nullptr ? 0 : unit->mmio_read(kGsts, 4);
    return (status & kIrtps) != 0 && (status & kIres) == 0;
  }

  // A few of each way to get lost.
  void tell(const WatchedDevice& device, std::string what, std::string_view way) {
    if (told_[way] >= kToldOfEachWay) {
      watch_.findings().count_more(id());
      return;
    }
    if (!want()) return;
    ++told_[way];
    report(fmt::format("{} of {}", device.function->name(), device.vm),
           "a handler for every interrupt", fmt::format("{}: {}", what, way), watch_.milestones());
  }

  std::map<std::string_view, unsigned> told_;
};

}  // namespace

std::unique_ptr<Checker> make_irq_no_orphan(Watch& watch) {
  return std::make_unique<IrqNoOrphan>(watch);
}

}  // namespace baton::harness
