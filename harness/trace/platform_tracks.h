// Tracks "remapping units" and "interrupts": translation on or off, faults, invalidations; the way
// of each interrupt message from its sender over its vector to the kernel's handler, as arrows.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "harness/invariants/watch.h"
#include "harness/trace/device_tracks.h"
#include "harness/trace/kernel_tracks.h"
#include "harness/trace/tracer.h"
#include "model/iommu_vtd/observations.h"

namespace baton::harness {

class PlatformTracks {
 public:
  PlatformTracks(Tracer& tracer, Watch& watch, TrackId root, int rank, DeviceTracks& devices,
                 KernelTracks& kernels);
  PlatformTracks(const PlatformTracks&) = delete;
  PlatformTracks& operator=(const PlatformTracks&) = delete;

  // Messages that are still under way end here.
  void finish();

 private:
  struct Unit {
    TrackId translation;
    TrackId faults;
    TrackId invalidations;
  };

  void subscribe_to_units(sim::Simulation& simulation);
  void subscribe_to_interrupts(sim::Simulation& simulation);
  Unit& unit(const iommu_vtd::RemappingUnit& unit);
  TrackId vector(Vector vector);
  void on_sent(const host::InterruptSent& seen);
  void on_delivered(const host::InterruptDelivered& seen);

  Tracer& tracer_;
  DeviceTracks& devices_;
  KernelTracks& kernels_;
  TrackId units_group_;
  TrackId interrupts_;
  TrackId lost_;
  std::map<std::string, Unit, std::less<>> units_;
  std::map<Vector, TrackId> vectors_;
  std::set<std::uint64_t> under_way_;  // message ids
  // What the kernel did with the message that is being delivered.
  std::optional<linux::InterruptEntered> entered_;
};

}  // namespace baton::harness
