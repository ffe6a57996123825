#include "harness/record/stage_facts.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/invariants/watch.h"
#include "model/luo/state_machine.h"
#include "model/pci/observations.h"
#include "model/vmm/observations.h"

namespace baton::harness {
namespace {

constexpr sim::Duration kRecently = sim::Duration::milliseconds(100);
constexpr std::uint16_t kCommand = 4;
constexpr std::uint32_t kBusMaster = 4;
constexpr std::string_view kVfio = "vfio-pci-v1";

// Without what says the same in every line.
std::string short_step(std::string_view step) {
  for (const std::string_view prefix :
       {"LIVEUPDATE_SESSION_", "IOMMU_HWPT_LIVEUPDATE_", "VFIO_DEVICE_"}) {
    if (step.starts_with(prefix)) step.remove_prefix(prefix.size());
  }
  return std::string(step);
}

}  // namespace

StageFactsRecorder::StageFactsRecorder(Watch& watch) : watch_(watch) { subscribe(); }

void StageFactsRecorder::subscribe() {
  sim::Simulation& simulation = watch_.simulation();
  watch_.at_begin([this] {
    if (frozen_) return;
    frozen_ = true;
    facts_.interrupts_at_freeze = any_interrupts();
  });
  simulation.topic<host::KernelJumped>().subscribe([this](const auto&) {
    if (facts_.jumped || !frozen_) return;
    facts_.jumped = true;
    facts_.interrupts_at_jump = any_interrupts();
    facts_.sessions_finished = watch_.handover();
  });
  simulation.topic<linux::SessionFileChanged>().subscribe([this](const auto& seen) {
    if (seen.compatible != kVfio) return;
    if (seen.state == luo::name(luo::FileState::kFrozen)) facts_.device_handed_over = true;
    if (seen.state == luo::name(luo::FileState::kRetrieved)) facts_.device_retrieved = true;
  });
  simulation.topic<linux::DeviceTaken>().subscribe([this](const linux::DeviceTaken& seen) {
    if (facts_.jumped && seen.kind == linux::DeviceHolder::kIommufd) {
      facts_.device_taken_over = true;
    }
  });
  simulation.topic<pci::FunctionReset>().subscribe([this](const pci::FunctionReset& seen) {
    if (!frozen_ || watch_.device(seen.function) == nullptr) return;
    ++facts_.resets;
    stopped(seen.function, "a reset");
  });
  simulation.topic<pci::ConfigWritten>().subscribe([this](const pci::ConfigWritten& seen) {
    if (!frozen_ || watch_.device(seen.function) == nullptr || seen.offset != kCommand) return;
    if ((seen.old_value & ~seen.new_value & kBusMaster) == 0) return;
    stopped(seen.function, watch_.writer_of(seen));
  });
  simulation.topic<pci::RequestDone>().subscribe([this](const pci::RequestDone& seen) {
    if (seen.completion.arrived() && watch_.device(seen.function) != nullptr) {
      last_request_ = watch_.now();
    }
  });
  simulation.topic<vmm::UserStepFailed>().subscribe([this](const vmm::UserStepFailed& seen) {
    std::string text = fmt::format("{}: {}", short_step(seen.step), linux::name(seen.error));
    if (std::ranges::find(facts_.refusals, text) == facts_.refusals.end()) {
      facts_.refusals.push_back(std::move(text));
    }
  });
}

// The first one counts: later ones find it stopped.
void StageFactsRecorder::stopped(const pci::Function&, std::string by) {
  if (facts_.stopped_by.empty()) facts_.stopped_by = std::move(by);
}

bool StageFactsRecorder::any_interrupts() const {
  return std::ranges::any_of(watch_.devices(), [](const WatchedDevice& device) {
    const pci::Msix* msix = device.function->msix();
    return !device.passive && msix != nullptr && msix->enabled(device.function->config());
  });
}

StageFacts StageFactsRecorder::take() {
  facts_.interrupts_at_end = any_interrupts();
  facts_.works_at_end = watch_.now() - last_request_ < kRecently;
  facts_.sessions_finished = facts_.sessions_finished && watch_.pending_sessions().empty();
  return facts_;
}

}  // namespace baton::harness
