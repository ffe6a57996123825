#include "harness/trace/handover_tracks.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/record/phase_clock.h"
#include "model/vmm/observations.h"

namespace baton::harness {

HandoverTracks::HandoverTracks(Tracer& tracer, Watch& watch, TrackId root)
    : tracer_(tracer),
      watch_(watch),
      handover_(tracer.track("handover", root, 0)),
      guests_(tracer.track("guests", root, 1)),
      paused_(tracer.counter("guests paused", guests_, 0, CounterUnit::kCount)),
      invariants_(tracer.track("invariants", root, 2)) {
  subscribe_to_phases(watch.simulation());
  subscribe_to_guests(watch.simulation());
}

void HandoverTracks::subscribe_to_phases(sim::Simulation& simulation) {
  simulation.topic<linux::PhaseEntered>().subscribe(
      [this](const linux::PhaseEntered& seen) { enter(seen.generation, phase_name(seen.phase)); });
  simulation.topic<host::KernelJumped>().subscribe(
      [this](const host::KernelJumped& seen) { enter(seen.from_generation, "kexec"); });
  simulation.topic<host::ColdRebooted>().subscribe([this](const host::ColdRebooted& seen) {
    enter(seen.from_generation, "platform reset");
    for (auto& [name, entry] : by_name_) stop(name, "gone with the reset");
  });
  simulation.topic<host::KernelHalted>().subscribe(
      [this](const host::KernelHalted& seen) { enter(seen.generation, "halted"); });
}

void HandoverTracks::subscribe_to_guests(sim::Simulation& simulation) {
  simulation.topic<vmm::GuestStarted>().subscribe(
      [this](const vmm::GuestStarted& seen) { show(seen.vm, "runs", seen.generation, false); });
  simulation.topic<vmm::GuestPaused>().subscribe(
      [this](const vmm::GuestPaused& seen) { show(seen.vm, "paused", seen.generation, true); });
  simulation.topic<vmm::GuestResumed>().subscribe(
      [this](const vmm::GuestResumed& seen) { show(seen.vm, "runs", seen.generation, false); });
  simulation.topic<vmm::GuestStopped>().subscribe(
      [this](const vmm::GuestStopped& seen) { stop(seen.vm, "stopped"); });
}

void HandoverTracks::enter(unsigned generation, std::string_view name) {
  tracer_.change(handover_, fmt::format("{} (kernel {})", name, generation),
                 {{"kernel", std::uint64_t{generation}}});
}

HandoverTracks::Guest& HandoverTracks::guest(std::string_view name) {
  const auto found = by_name_.find(name);
  if (found != by_name_.end()) return found->second;
  Guest fresh;
  fresh.track =
      tracer_.track(fmt::format("guest {}", name), guests_, 1 + static_cast<int>(by_name_.size()));
  return by_name_.emplace(std::string(name), fresh).first->second;
}

void HandoverTracks::show(std::string_view name, std::string_view state, unsigned generation,
                          bool paused) {
  Guest& entry = guest(name);
  if (entry.paused) {
    tracer_.close(entry.track, {{"pause_ps", (watch_.now() - entry.since).ps()}});
  } else {
    tracer_.close(entry.track);
  }
  tracer_.begin(entry.track, state, {{"kernel", std::uint64_t{generation}}});
  entry.paused = paused;
  entry.since = watch_.now();
  tracer_.count(paused_, std::ranges::count_if(
                             by_name_, [](const auto& each) { return each.second.paused; }));
}

void HandoverTracks::stop(std::string_view name, std::string_view how) {
  Guest& entry = guest(name);
  tracer_.close(entry.track);
  tracer_.instant(entry.track, how);
  entry.paused = false;
  tracer_.count(paused_, std::ranges::count_if(
                             by_name_, [](const auto& each) { return each.second.paused; }));
}

// The checkers keep the first violations of each invariant whole.
void HandoverTracks::finish() {
  std::vector<const Violation*> found;
  for (const Violation& violation : watch_.findings().kept()) found.push_back(&violation);
  std::ranges::stable_sort(found, {}, [](const Violation* each) { return each->time; });
  std::map<std::string, TrackId, std::less<>> tracks;
  for (const Violation* violation : found) {
    auto place = tracks.find(violation->id);
    if (place == tracks.end()) {
      const TrackId track =
          tracer_.track(violation->id, invariants_, static_cast<int>(tracks.size()));
      place = tracks.emplace(violation->id, track).first;
    }
    tracer_.finding(place->second, violation->time, fmt::format("violated: {}", violation->id),
                    {{"subject", violation->subject},
                     {"expected", violation->expected},
                     {"seen", violation->seen},
                     {"violations", watch_.findings().count(violation->id)}});
  }
}

}  // namespace baton::harness
