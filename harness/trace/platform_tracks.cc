#include "harness/trace/platform_tracks.h"

#include <fmt/format.h>

#include <array>

#include "model/iommu_vtd/remapping_unit.h"

namespace baton::harness {
namespace {

constexpr std::array<std::string_view, 6> kInvalidations{
    "context cache", "IOTLB", "device TLB", "interrupt entries", "PASID IOTLB", "PASID cache"};

Flow flow_of(std::uint64_t message, bool ends) {
  return {flow_id(FlowKind::kInterrupt, 0, message), ends};
}

}  // namespace

PlatformTracks::PlatformTracks(Tracer& tracer, Watch& watch, TrackId root, int rank,
                               DeviceTracks& devices, KernelTracks& kernels)
    : tracer_(tracer),
      devices_(devices),
      kernels_(kernels),
      units_group_(tracer.track("remapping units", root, rank)),
      interrupts_(tracer.track("interrupts", root, rank + 1)),
      lost_(tracer.track("lost", interrupts_, 256)) {
  subscribe_to_units(watch.simulation());
  subscribe_to_interrupts(watch.simulation());
}

void PlatformTracks::subscribe_to_units(sim::Simulation& simulation) {
  simulation.topic<iommu_vtd::TranslationSwitched>().subscribe(
      [this](const iommu_vtd::TranslationSwitched& seen) {
        tracer_.change(unit(seen.unit).translation,
                       seen.enabled ? "translation on" : "translation off",
                       {{"root_table", Hex{seen.root_table.value()}}});
      });
  simulation.topic<iommu_vtd::Fault>().subscribe([this](const iommu_vtd::Fault& seen) {
    tracer_.instant(unit(seen.unit).faults,
                    fmt::format("fault {:#x} of {}", seen.reason, sim::to_string(seen.source)),
                    {{"reason", Hex{seen.reason}},
                     {"address", Hex{seen.address}},
                     {"write", seen.write},
                     {"recorded", seen.recorded}});
  });
  simulation.topic<iommu_vtd::Invalidated>().subscribe([this](const iommu_vtd::Invalidated& seen) {
    const TrackId track = unit(seen.unit).invalidations;
    const std::string_view kind = kInvalidations.at(static_cast<std::size_t>(seen.kind));
    if (seen.queued) {
      tracer_.instant(track, kind,
                      {{"queued", true},
                       {"descriptor_low", Hex{seen.descriptor[0]}},
                       {"descriptor_high", Hex{seen.descriptor[1]}}});
    } else {
      tracer_.instant(track, kind, {{"queued", false}});
    }
  });
}

PlatformTracks::Unit& PlatformTracks::unit(const iommu_vtd::RemappingUnit& unit) {
  const auto found = units_.find(unit.name());
  if (found != units_.end()) return found->second;
  const TrackId group = tracer_.track(unit.name(), units_group_, static_cast<int>(units_.size()));
  const Unit fresh{tracer_.track("translation", group, 0), tracer_.track("faults", group, 1),
                   tracer_.track("invalidations", group, 2)};
  return units_.emplace(unit.name(), fresh).first->second;
}

void PlatformTracks::subscribe_to_interrupts(sim::Simulation& simulation) {
  simulation.topic<host::InterruptSent>().subscribe(
      [this](const host::InterruptSent& seen) { on_sent(seen); });
  simulation.topic<linux::InterruptEntered>().subscribe(
      [this](const linux::InterruptEntered& seen) { entered_ = seen; });
  simulation.topic<host::InterruptDelivered>().subscribe(
      [this](const host::InterruptDelivered& seen) { on_delivered(seen); });
  simulation.topic<host::InterruptLost>().subscribe([this](const host::InterruptLost& seen) {
    under_way_.erase(seen.id);
    tracer_.instant(lost_, "lost in a platform reset", {}, flow_of(seen.id, true));
  });
}

TrackId PlatformTracks::vector(Vector vector) {
  const auto found = vectors_.find(vector);
  if (found != vectors_.end()) return found->second;
  const TrackId track =
      tracer_.track(fmt::format("vector {:#x}", vector.value()), interrupts_, vector.value());
  vectors_.emplace(vector, track);
  return track;
}

void PlatformTracks::on_sent(const host::InterruptSent& seen) {
  under_way_.insert(seen.id);
  tracer_.instant(devices_.messages(seen.source), "interrupt message",
                  {{"vector", Hex{seen.vector.value()}},
                   {"apic_id", std::uint64_t{seen.destination}},
                   {"message", seen.id}},
                  flow_of(seen.id, false));
}

void PlatformTracks::on_delivered(const host::InterruptDelivered& seen) {
  under_way_.erase(seen.id);
  const bool entered = seen.taken && entered_.has_value();
  tracer_.instant(vector(seen.vector), entered ? "delivered" : "delivered to nobody",
                  {{"source", sim::to_string(seen.source)}, {"message", seen.id}},
                  flow_of(seen.id, !entered));
  if (entered) {
    kernels_.handle_interrupt(entered_->generation, seen.vector, entered_->handled,
                              flow_of(seen.id, true));
  }
  entered_.reset();
}

void PlatformTracks::finish() {
  for (const std::uint64_t id : under_way_) {
    tracer_.instant(lost_, "still under way at the end", {}, flow_of(id, true));
  }
}

}  // namespace baton::harness
