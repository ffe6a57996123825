// PHOLD on baton's engine: events with a handler each, the fingerprint on, as every run has it.
#include <deque>

#include "bench/phold.h"
#include "sim/simulation.h"

namespace {

using baton::sim::ActorId;
using baton::sim::Duration;
using baton::sim::Event;
using baton::sim::Phase;
using baton::sim::Simulation;
using baton::sim::Time;

class Never final : public Event {
 public:
  explicit Never(ActorId actor) : Event(actor, "timeout", Phase::kDevice) {}

 private:
  void fire() override { std::abort(); }
};

template <phold::Workload W>
class Entity final : public Event {
 public:
  Entity(Simulation& simulation, phold::Sums& sums, ActorId actor, std::uint64_t id)
      : Event(actor, "entity", Phase::kDevice),
        simulation_(simulation),
        sums_(sums),
        id_(id),
        random_(phold::random_of_entity(id)),
        timeout_(actor) {}

  std::uint64_t draw() { return phold::draw_delay<W>(random_); }

 private:
  void fire() override {
    sums_.add(static_cast<std::uint64_t>(simulation_.now().ps()), id_);
    if constexpr (W == phold::Workload::kCancel) {
      simulation_.cancel(timeout_);
      simulation_.schedule(timeout_, Duration::picoseconds(phold::kTimeout));
    }
    simulation_.schedule(*this, Duration::picoseconds(static_cast<std::int64_t>(draw())));
  }

  Simulation& simulation_;
  phold::Sums& sums_;
  std::uint64_t id_;
  phold::Random random_;
  Never timeout_;
};

template <phold::Workload W>
int run(const phold::Arguments& arguments) {
  Simulation simulation(1);
  const ActorId actor = simulation.add_actor("phold");
  phold::Sums sums;
  std::deque<Entity<W>> entities;
  for (std::uint64_t i = 0; i < arguments.entities(); ++i) {
    entities.emplace_back(simulation, sums, actor, i);
    simulation.schedule(
        entities.back(),
        Duration::picoseconds(static_cast<std::int64_t>(entities.back().draw() + 1)));
  }
  simulation.run_until(Time::from_ps(static_cast<std::int64_t>(arguments.warm_up_end())));
  const std::uint64_t before = sums.count;
  const std::uint64_t start = phold::cpu_ns();
  simulation.run_until(Time::from_ps(static_cast<std::int64_t>(arguments.end())));
  phold::report(phold::cpu_ns() - start, sums.count - before, sums);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const phold::Arguments arguments = phold::parse(argc, argv);
  return phold::dispatch(arguments, [&]<phold::Workload W>() { return run<W>(arguments); });
}
