// dma-continuity: between freeze and finish no DMA of a preserved device is refused, the device is
// not reset, and while it has work it does not stall.
//
// A device whose queue has run dry owes nothing. Whether it has work is counted here: descriptors
// (of a DSA) or commands (of an NVMe controller) that its queues accepted, less those that ended.

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/devices/dsa/observations.h"
#include "model/devices/nvme/observations.h"
#include "model/pci/observations.h"

namespace baton::harness {
namespace {

class DmaContinuity final : public Checker {
 public:
  explicit DmaContinuity(Watch& watch) : Checker(watch), flows_(watch.devices().size()) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<pci::RequestDone>().subscribe([this](const auto& o) { on_request(o); });
    simulation.topic<pci::FunctionReset>().subscribe([this](const auto& o) { on_reset(o); });
    simulation.topic<devices::dsa::DescriptorSubmitted>().subscribe([this](const auto& o) {
      if (o.accepted) add_work(o.function, 1);
    });
    simulation.topic<devices::dsa::DescriptorDone>().subscribe([this](const auto& o) {
      if (!o.in_batch) end_work(o.function, 1);
    });
    simulation.topic<devices::dsa::DeviceHalted>().subscribe(
        [this](const auto& o) { on_halt(o.function, fmt::format("error {:#x}", o.code)); });
    subscribe_to_nvme(simulation);
    simulation.topic<linux::PhaseEntered>().subscribe([this](const auto& o) { on_phase(o); });
    simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { look(); });
    simulation.topic<host::KernelHalted>().subscribe([this](const auto&) { look(); });
  }

  std::string_view id() const override { return "dma-continuity"; }
  void finish() override { look(); }

 private:
  // The admin queue is not what keeps a device busy.
  void subscribe_to_nvme(sim::Simulation& simulation) {
    simulation.topic<devices::nvme::CommandsSubmitted>().subscribe([this](const auto& o) {
      if (o.queue != 0) add_work(o.function, o.count);
    });
    simulation.topic<devices::nvme::CommandDone>().subscribe([this](const auto& o) {
      if (o.queue != 0) end_work(o.function, 1);
    });
    simulation.topic<devices::nvme::CommandsDropped>().subscribe(
        [this](const auto& o) { end_work(o.function, o.count); });
    simulation.topic<devices::nvme::ControllerFailed>().subscribe(
        [this](const auto& o) { on_halt(o.function, o.why); });
  }

  struct Flow {
    sim::Time last;            // completed request
    std::uint64_t event = 0;   // and its number
    std::uint64_t queued = 0;  // descriptors in the device
    bool stalled = false;      // the current stall has been reported
  };

  Flow* flow(const pci::Function& function) {
    const WatchedDevice* device = watch_.device(function);
    if (device == nullptr) return nullptr;
    return &flows_[static_cast<std::size_t>(device - watch_.devices().data())];
  }

  // A device that gets work after it had none owes a request from now on.
  void add_work(const pci::Function& function, std::uint64_t count) {
    Flow* found = flow(function);
    if (found == nullptr) return;
    if (found->queued == 0) found->last = watch_.now();
    found->queued += count;
  }

  void end_work(const pci::Function& function, std::uint64_t count) {
    if (Flow* found = flow(function)) found->queued -= std::min(found->queued, count);
  }

  void on_request(const pci::RequestDone& seen) {
    Flow* found = flow(seen.function);
    if (found == nullptr) return;
    const WatchedDevice& device = *watch_.device(seen.function);
    if (watch_.carried(device)) {
      checked();
      // Not DMA, and meant so [policy interrupts: irte-drop].
      const bool dropped = seen.completion.stopped_at == "interrupt-dropped";
      if (!seen.completion.arrived() && !dropped) return refused(seen, device);
      check_stall(device, *found);
    }
    found->last = watch_.now();
    found->event = watch_.event();
    found->stalled = false;
  }

  void refused(const pci::RequestDone& seen, const WatchedDevice& device) {
    if (!want()) return;
    const auto meant = watch_.at_freeze(seen.function).find(Iova(seen.request.address));
    const pci::Function* target = meant ? watch_.bar_owner_at_freeze(*meant) : nullptr;
    Evidence evidence{watch_.causes(seen.function, target), {}, &seen.function};
    report(fmt::format("{} of {}, {} of {} bytes at iova {:#x}", seen.function.name(), device.vm,
                       seen.request.write ? "write" : "read", seen.request.length,
                       seen.request.address),
           "the request arrives", fmt::format("refused: {}", seen.completion.stopped_at),
           std::move(evidence));
  }

  void check_stall(const WatchedDevice& device, Flow& flow) {
    if (flow.queued == 0) return;
    const sim::Duration gap = watch_.now() - flow.last;
    watch_.saw_stall(gap);
    if (flow.stalled || gap <= device.stall_bound) return;
    flow.stalled = true;
    if (!want()) return;
    std::vector<ChainLink> chain{
        {flow.last,
         fmt::format("{} completes a request and has more work", device.function->name()),
         flow.event}};
    // What was in flight may have gone on after its cause.
    for (const ChainLink& link : watch_.causes(*device.function)) {
      if (link.time + device.stall_bound + device.in_flight >= flow.last) chain.push_back(link);
    }
    std::ranges::stable_sort(chain, {}, &ChainLink::time);
    report(fmt::format("{} of {}", device.function->name(), device.vm),
           fmt::format("a completed request at least every {}", sim::to_string(device.stall_bound)),
           fmt::format("none for {}", sim::to_string(gap)),
           Evidence{std::move(chain), {}, device.function});
  }

  void on_reset(const pci::FunctionReset& seen) {
    Flow* found = flow(seen.function);
    if (found == nullptr) return;
    const WatchedDevice& device = *watch_.device(seen.function);
    if (watch_.carried(device)) {
      checked();
      if (want()) {
        report(fmt::format("{} of {}", seen.function.name(), device.vm),
               "no reset of a preserved function",
               seen.kind == pci::ResetKind::kFunctionLevel ? "function level reset" : "reset",
               Evidence{watch_.causes(seen.function), {}, &seen.function});
      }
    }
    found->queued = 0;
  }

  void on_halt(const pci::Function& function, const std::string& why) {
    const WatchedDevice* device = watch_.device(function);
    if (device == nullptr || !watch_.carried(*device)) return;
    checked();
    if (!want()) return;
    report(fmt::format("{} of {}", function.name(), device->vm), "it goes on",
           fmt::format("it halts for good, {}", why),
           Evidence{watch_.causes(function), {}, &function});
  }

  void on_phase(const linux::PhaseEntered& seen) {
    look();
    if (seen.phase != linux::RunPhase::kFreeze) return;
    // Stalls count from the freeze on.
    for (Flow& flow : flows_) {
      flow.last = watch_.now();
      flow.event = watch_.event();
    }
  }

  void look() {
    if (!watch_.handover()) return;
    for (std::size_t i = 0; i < flows_.size(); ++i) {
      if (!watch_.carried(watch_.devices()[i])) continue;
      checked();
      check_stall(watch_.devices()[i], flows_[i]);
    }
  }

  std::vector<Flow> flows_;
};

}  // namespace

std::unique_ptr<Checker> make_dma_continuity(Watch& watch) {
  return std::make_unique<DmaContinuity>(watch);
}

}  // namespace baton::harness
