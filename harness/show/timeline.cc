#include "harness/show/timeline.h"

#include <fmt/format.h>

#include "harness/record/phase_clock.h"
#include "model/iommu_vtd/observations.h"
#include "model/iommu_vtd/remapping_unit.h"
#include "model/linux/kernel/observations.h"
#include "model/pci/observations.h"
#include "model/vmm/observations.h"

namespace baton::harness {

void Timeline::attach(Watch& watch, const Scenario& /*scenario*/) {
  watch_ = &watch;
  subscribe_to_kernels();
  subscribe_to_guests();
  subscribe_to_hardware();
}

void Timeline::add(unsigned generation, std::string kind, std::string text) {
  rows_.push_back({watch_->now(), generation, std::move(kind), std::move(text)});
}

void Timeline::subscribe_to_kernels() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<linux::PhaseEntered>().subscribe([this](const linux::PhaseEntered& seen) {
    if (seen.phase == linux::RunPhase::kKexec) return;  // told by the jump
    add(seen.generation, "phase", std::string(phase_name(seen.phase)));
  });
  simulation.topic<linux::BootStepEntered>().subscribe([this](const linux::BootStepEntered& seen) {
    add(seen.generation, "boot", std::string(seen.step.name));
  });
  simulation.topic<linux::SessionChanged>().subscribe([this](const linux::SessionChanged& seen) {
    add(seen.generation, "session", fmt::format("{} {}", seen.session, seen.state));
  });
  simulation.topic<linux::SessionFileChanged>().subscribe(
      [this](const linux::SessionFileChanged& seen) {
        add(seen.generation, "file",
            fmt::format("{} token {} ({}) {}", seen.session, seen.token, seen.compatible,
                        seen.state));
      });
  simulation.topic<linux::SystemCallFailed>().subscribe(
      [this](const linux::SystemCallFailed& seen) {
        add(seen.generation, "refused",
            fmt::format("{}: {} fails with {}", seen.process, seen.call, linux::name(seen.error)));
      });
}

void Timeline::subscribe_to_guests() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<vmm::GuestStarted>().subscribe([this](const vmm::GuestStarted& seen) {
    add(seen.generation, "guest", fmt::format("{} starts", seen.vm));
  });
  simulation.topic<vmm::GuestPaused>().subscribe([this](const vmm::GuestPaused& seen) {
    add(seen.generation, "guest", fmt::format("{} is paused", seen.vm));
  });
  simulation.topic<vmm::GuestResumed>().subscribe([this](const vmm::GuestResumed& seen) {
    add(seen.generation, "guest", fmt::format("{} goes on", seen.vm));
  });
  simulation.topic<vmm::GuestStopped>().subscribe([this](const vmm::GuestStopped& seen) {
    add(seen.generation, "guest", fmt::format("{} is stopped", seen.vm));
  });
}

void Timeline::subscribe_to_hardware() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<host::KernelJumped>().subscribe(
      [this](const host::KernelJumped& seen) { add(seen.from_generation, "phase", "kexec"); });
  simulation.topic<host::ColdRebooted>().subscribe([this](const host::ColdRebooted& seen) {
    add(seen.from_generation, "phase", "platform reset");
  });
  simulation.topic<host::KernelHalted>().subscribe([this](const host::KernelHalted& seen) {
    add(seen.generation, "phase", fmt::format("panic: {}", seen.reason));
  });
  simulation.topic<pci::FunctionReset>().subscribe([this](const pci::FunctionReset& seen) {
    const char* kind = seen.kind == pci::ResetKind::kFunctionLevel ? "function level reset"
                       : seen.kind == pci::ResetKind::kHot         ? "hot reset"
                                                                   : "power-on reset";
    add(watch_->machine().generation(), "reset", fmt::format("{}: {}", seen.function.name(), kind));
  });
  simulation.topic<iommu_vtd::Fault>().subscribe([this](const iommu_vtd::Fault& seen) {
    if (++faults_ > kFaultsTold) return;
    add(watch_->machine().generation(), "fault",
        fmt::format("{}: {} of {} at {:#x}, reason {:#x}{}", seen.unit.name(),
                    seen.write ? "write" : "read", to_string(seen.source), seen.address,
                    seen.reason, faults_ == kFaultsTold ? "; further ones are not told" : ""));
  });
}

void InterruptCounts::attach(Watch& watch, const Scenario& /*scenario*/) {
  watch.simulation().topic<host::InterruptDelivered>().subscribe(
      [this](const host::InterruptDelivered& seen) {
        Count& count = counts_[{seen.source, linux::CpuVector(seen.vector, seen.destination)}];
        ++(seen.taken ? count.taken : count.orphans);
      });
}

InterruptCounts::Count InterruptCounts::of(Bdf source, linux::CpuVector vector) const {
  const auto found = counts_.find({source, vector});
  return found == counts_.end() ? Count{} : found->second;
}

}  // namespace baton::harness
