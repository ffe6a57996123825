#include "harness/trace/trace_observer.h"

#include <fmt/format.h>

#include "harness/trace/device_tracks.h"
#include "harness/trace/handover_tracks.h"
#include "harness/trace/kernel_tracks.h"
#include "harness/trace/platform_tracks.h"
#include "harness/trace/tracer.h"

namespace baton::harness {
namespace {

// Places below the root: the handover's tracks first, then kernels, devices, the platform.
constexpr int kKernelRank = 10;
constexpr int kDeviceRank = 1000;
constexpr int kPlatformRank = 1010;

}  // namespace

struct TraceObserver::Tracks {
  Tracks(Watch& watch, const Scenario& scenario, TraceSink sink)
      : tracer(watch.simulation(), std::move(sink)),
        root(tracer.track(fmt::format("baton: {}", scenario.title), {}, 0)),
        handover(tracer, watch, root),
        kernels(tracer, watch, scenario, root, kKernelRank),
        devices(tracer, watch, scenario, root, kDeviceRank),
        platform(tracer, watch, root, kPlatformRank, devices, kernels) {}

  Tracer tracer;
  TrackId root;
  HandoverTracks handover;
  KernelTracks kernels;
  DeviceTracks devices;
  PlatformTracks platform;
};

TraceObserver::TraceObserver(TraceSink sink) : sink_(std::move(sink)) {}
TraceObserver::~TraceObserver() = default;

void TraceObserver::attach(Watch& watch, const Scenario& scenario) {
  tracks_ = std::make_unique<Tracks>(watch, scenario, sink_);
}

void TraceObserver::finish() {
  tracks_->platform.finish();
  tracks_->devices.finish();
  tracks_->handover.finish();
  bytes_ = tracks_->tracer.finish();
}

}  // namespace baton::harness
