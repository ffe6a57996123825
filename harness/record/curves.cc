#include "harness/record/curves.h"

#include "model/vmm/observations.h"

namespace baton::harness {

void Curves::attach(Watch& watch, const Scenario&) {
  watch_ = &watch;
  for (const WatchedDevice& device : watch.devices()) dma_.push_back({device.function->name(), {}});
  sim::Simulation& simulation = watch.simulation();
  simulation.topic<vmm::GuestStarted>().subscribe(
      [this](const vmm::GuestStarted& seen) { change(seen.vm, false); });
  simulation.topic<vmm::GuestPaused>().subscribe(
      [this](const vmm::GuestPaused& seen) { change(seen.vm, true); });
  simulation.topic<vmm::GuestResumed>().subscribe(
      [this](const vmm::GuestResumed& seen) { change(seen.vm, false); });
  simulation.topic<vmm::GuestStopped>().subscribe(
      [this](const vmm::GuestStopped& seen) { stop(seen.vm); });
  simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) {
    while (!open_.empty()) stop(std::string(open_.begin()->first));
  });
  simulation.topic<pci::RequestDone>().subscribe(
      [this](const pci::RequestDone& seen) { on_request(seen); });
}

void Curves::change(std::string_view vm, bool paused) {
  stop(vm);
  open_.emplace(std::string(vm), guests_.size());
  guests_.push_back({std::string(vm), watch_->now(), watch_->now(), paused});
}

void Curves::stop(std::string_view vm) {
  const auto found = open_.find(vm);
  if (found == open_.end()) return;
  guests_[found->second].to = watch_->now();
  open_.erase(found);
}

void Curves::on_request(const pci::RequestDone& seen) {
  const bool lands = seen.completion.arrived() &&
                     seen.completion.destination == pci::Destination::kRam && seen.request.write;
  if (!lands) return;
  const WatchedDevice* device = watch_->device(seen.function);
  if (device == nullptr) return;
  DmaCurve& curve = dma_[static_cast<std::size_t>(device - watch_->devices().data())];
  const auto window = static_cast<std::size_t>(watch_->now().ps() / kWindow.ps());
  if (curve.bytes.size() <= window) curve.bytes.resize(window + 1);
  curve.bytes[window] += seen.request.length;
}

void Curves::finish() {
  while (!open_.empty()) stop(std::string(open_.begin()->first));
}

}  // namespace baton::harness
