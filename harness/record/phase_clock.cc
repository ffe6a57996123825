#include "harness/record/phase_clock.h"

#include <array>

namespace baton::harness {

std::string_view phase_name(linux::RunPhase phase) {
  constexpr std::array<std::string_view, 8> kNames{"boot",  "run",      "preserve", "freeze",
                                                   "kexec", "retrieve", "finish",   "end"};
  return kNames.at(static_cast<std::size_t>(phase));
}

void PhaseClock::enter(sim::Time time, unsigned generation, std::string_view name) {
  marks_.push_back({time, generation, name});
}

void PhaseClock::attach(Watch& watch) {
  sim::Simulation& simulation = watch.simulation();
  simulation.topic<linux::PhaseEntered>().subscribe([this, &watch](const auto& seen) {
    // The kernel says that it is about to jump; the instant of the jump is KernelJumped.
    if (seen.phase == linux::RunPhase::kKexec) return;
    enter(watch.now(), seen.generation, phase_name(seen.phase));
  });
  simulation.topic<host::KernelJumped>().subscribe(
      [this, &watch](const auto& seen) { enter(watch.now(), seen.from_generation, "kexec"); });
  simulation.topic<host::ColdRebooted>().subscribe(
      [this, &watch](const auto& seen) { enter(watch.now(), seen.from_generation, "reset"); });
  simulation.topic<host::KernelHalted>().subscribe(
      [this, &watch](const auto& seen) { enter(watch.now(), seen.generation, "halted"); });
}

}  // namespace baton::harness
