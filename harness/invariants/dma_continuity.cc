// dma-continuity: between freeze and finish no DMA of a preserved device is refused, the device is
// not reset, and while it has work it does not stall.
//
// A device whose queue has run dry owes nothing; whether it has work is asked of the device itself.

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/pci/observations.h"

namespace baton::harness {
namespace {

class DmaContinuity final : public Checker {
 public:
  explicit DmaContinuity(Watch& watch) : Checker(watch), flows_(watch.devices().size()) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<pci::RequestDone>().subscribe([this](const auto& o) { on_request(o); });
    simulation.topic<pci::FunctionReset>().subscribe([this](const auto& o) { on_reset(o); });
    simulation.topic<linux::PhaseEntered>().subscribe([this](const auto& o) { on_phase(o); });
    simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { look(); });
    simulation.topic<host::KernelHalted>().subscribe([this](const auto&) { look(); });
  }

  std::string_view id() const override { return "dma-continuity"; }
  void finish() override { look(); }

 private:
  struct Flow {
    sim::Time last;
    bool running = false;  // it had work when it was last looked at
    bool stalled = false;  // the current stall has been reported
  };

  Flow* flow(const pci::Function& function) {
    const WatchedDevice* device = watch_.device(function);
    if (device == nullptr) return nullptr;
    return &flows_[static_cast<std::size_t>(device - watch_.devices().data())];
  }

  void on_request(const pci::RequestDone& seen) {
    Flow* found = flow(seen.function);
    if (found == nullptr) return;
    const WatchedDevice& device = *watch_.device(seen.function);
    if (watch_.handover()) {
      checked();
      if (!seen.completion.arrived()) return refused(seen, device);
      check_stall(device, *found);
    }
    found->last = watch_.now();
    found->stalled = false;
    found->running = device.busy();
  }

  void refused(const pci::RequestDone& seen, const WatchedDevice& device) {
    if (!want()) return;
    std::vector<ChainLink> chain = watch_.milestones();
    report(fmt::format("{} of {}, {} of {} bytes at iova {:#x}", seen.function.name(), device.vm,
                       seen.request.write ? "write" : "read", seen.request.length,
                       seen.request.address),
           "the request arrives", fmt::format("refused: {}", seen.completion.stopped_at),
           std::move(chain));
  }

  void check_stall(const WatchedDevice& device, Flow& flow) {
    const sim::Duration gap = watch_.now() - flow.last;
    if (!flow.running || flow.stalled || gap <= device.stall_bound) return;
    flow.stalled = true;
    if (!want()) return;
    std::vector<ChainLink> chain;
    for (const ChainLink& link : watch_.milestones()) {
      if (link.time >= flow.last) chain.push_back(link);
    }
    chain.insert(chain.begin(), {flow.last, fmt::format("{} completes a request and has more work",
                                                        device.function->name())});
    report(fmt::format("{} of {}", device.function->name(), device.vm),
           fmt::format("a completed request at least every {}", sim::to_string(device.stall_bound)),
           fmt::format("none for {}", sim::to_string(gap)), std::move(chain));
  }

  void on_reset(const pci::FunctionReset& seen) {
    Flow* found = flow(seen.function);
    if (found == nullptr) return;
    if (watch_.handover()) {
      checked();
      if (want()) {
        report(fmt::format("{} of {}", seen.function.name(), watch_.device(seen.function)->vm),
               "no reset of a preserved function",
               seen.kind == pci::ResetKind::kFunctionLevel ? "function level reset" : "reset",
               watch_.milestones());
      }
    }
    found->running = false;
  }

  void on_phase(const linux::PhaseEntered& seen) {
    look();
    if (seen.phase != linux::RunPhase::kFreeze) return;
    // Stalls count from the freeze on.
    for (std::size_t i = 0; i < flows_.size(); ++i) {
      flows_[i] = {watch_.now(), watch_.devices()[i].busy(), false};
    }
  }

  void look() {
    if (!watch_.handover()) return;
    for (std::size_t i = 0; i < flows_.size(); ++i) {
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
