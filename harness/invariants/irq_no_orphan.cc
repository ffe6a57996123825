// irq-no-orphan: an interrupt message of a VM's device arrives at a kernel that has a handler for
// it, or is not sent at all.
//
// A message that its remapping entry drops in silence (FPD=1) was not meant to arrive, and one that
// the kernel notes to replay it has not got lost yet. Not judged here: whether the handler is the
// right one, and whether an interrupt that was lost is made up for: irq-accounted.

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <utility>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/host/observations.h"
#include "model/linux/base/observations.h"
#include "model/pci/observations.h"

namespace baton::harness {
namespace {

constexpr unsigned kToldOfEachWay = 1;
constexpr std::uint16_t kMessageControl = 2;
constexpr std::uint32_t kMsixEnable = 0x8000;

class IrqNoOrphan final : public Checker {
 public:
  explicit IrqNoOrphan(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<host::InterruptDelivered>().subscribe(
        [this](const auto& seen) { on_delivery(seen); });
    simulation.topic<linux::InterruptEntered>().subscribe(
        [this](const linux::InterruptEntered& seen) { unhandled_ = !seen.handled; });
    simulation.topic<linux::InterruptNoted>().subscribe([this](const auto&) { noted_ = true; });
    simulation.topic<pci::RequestDone>().subscribe([this](const auto& seen) {
      if (seen.completion.stopped_at == "interrupt-remapping") on_refusal(seen);
    });
    simulation.topic<pci::ConfigWritten>().subscribe([this](const auto& seen) { on_write(seen); });
    simulation.topic<pci::InterruptHeld>().subscribe([this](const auto& seen) { on_held(seen); });
  }

  std::string_view id() const override { return "irq-no-orphan"; }

 private:
  void on_delivery(const host::InterruptDelivered& seen) {
    // Of this message, whose ever it is.
    const bool noted = std::exchange(noted_, false);
    const bool unhandled = std::exchange(unhandled_, false);
    for (const WatchedDevice& device : watch_.devices()) {
      if (device.function->requester_id() != seen.source) continue;
      checked();
      if (noted || (seen.taken && !unhandled)) return;
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

  // After the jump nobody who owns the device takes its MSI-X away: that was for the freeze.
  void on_write(const pci::ConfigWritten& seen) {
    const WatchedDevice* device = watch_.device(seen.function);
    const std::uint16_t msix = seen.function.config().find(pci::CapabilityId::kMsix);
    if (device == nullptr || msix == 0 || seen.offset != msix + kMessageControl) return;
    if ((seen.new_value & kMsixEnable) != 0 || !watch_.jumped() || !watch_.carried(*device)) {
      taken_away_.erase(device->function->name());
    } else if ((seen.old_value & kMsixEnable) != 0) {
      taken_away_.emplace(device->function->name(), watch_.writer_of(seen));
    }
  }

  void on_held(const pci::InterruptHeld& seen) {
    const auto taken = taken_away_.find(seen.function.name());
    const WatchedDevice* device = watch_.device(seen.function);
    if (device == nullptr || taken == taken_away_.end()) return;
    checked();
    tell(*device, fmt::format("its vector {}", seen.index),
         "MSI-X Enable was cleared, no message leaves");
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

  // Each way to get lost once: there are as many as a run keeps in detail.
  void tell(const WatchedDevice& device, std::string what, std::string_view way) {
    if (told_[way] >= kToldOfEachWay) {
      watch_.findings().count_more(id());
      return;
    }
    if (!want()) return;
    ++told_[way];
    report(fmt::format("{} of {}", device.function->name(), device.vm),
           "a handler for every interrupt", fmt::format("{}: {}", what, way),
           watch_.causes(*device.function));
  }

  bool noted_ = false;  // the one that arrives
  bool unhandled_ = false;
  std::map<std::string_view, unsigned> told_;
  std::map<std::string, std::string, std::less<>> taken_away_;  // device, by whom
};

}  // namespace

std::unique_ptr<Checker> make_irq_no_orphan(Watch& watch) {
  return std::make_unique<IrqNoOrphan>(watch);
}

}  // namespace baton::harness
