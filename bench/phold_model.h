// PHOLD on baton's engine: events with a handler each, the fingerprint on, as every run has it.
#pragma once

#include <cstdlib>
#include <deque>
#include <type_traits>

#include "bench/phold.h"
#include "sim/simulation.h"

namespace phold {

class Never final : public baton::sim::Event {
 public:
  explicit Never(baton::sim::ActorId actor) : Event(actor, "timeout", baton::sim::Phase::kDevice) {}

 private:
  void fire() override { std::abort(); }
};
struct NoTimeout {
  explicit NoTimeout(baton::sim::ActorId) {}
};

// What all entities of a model share.
struct Shared {
  baton::sim::Simulation& simulation;
  Sums& sums;
};

template <Workload W>
class Entity final : public baton::sim::Event {
 public:
  Entity(Shared& shared, baton::sim::ActorId actor, std::uint64_t id)
      : Event(actor, "entity", baton::sim::Phase::kDevice),
        shared_(shared),
        id_(id),
        random_(random_of_entity(id)),
        timeout_(actor) {}

  std::uint64_t draw() { return draw_delay<W>(random_); }

 private:
  void fire() override {
    using baton::sim::Duration;
    baton::sim::Simulation& simulation = shared_.simulation;
    shared_.sums.add(static_cast<std::uint64_t>(simulation.now().ps()), id_);
    if constexpr (W == Workload::kCancel) {
      simulation.cancel(timeout_);
      simulation.schedule(timeout_, Duration::picoseconds(kTimeout));
    }
    simulation.schedule(*this, Duration::picoseconds(static_cast<std::int64_t>(draw())));
  }

  Shared& shared_;
  std::uint64_t id_;
  Random random_;
  [[no_unique_address]] std::conditional_t<W == Workload::kCancel, Never, NoTimeout> timeout_;
};

template <Workload W>
class Model {
 public:
  explicit Model(const Arguments& arguments) : arguments_(arguments) {
    const baton::sim::ActorId actor = simulation_.add_actor("phold");
    for (std::uint64_t i = 0; i < arguments.entities(); ++i) {
      Entity<W>& entity = entities_.emplace_back(shared_, actor, i);
      simulation_.schedule(
          entity, baton::sim::Duration::picoseconds(static_cast<std::int64_t>(entity.draw() + 1)));
    }
  }

  void warm_up() { run_until(now_ = arguments_.warm_up_end()); }
  // So many events more, about; how many it was.
  std::uint64_t run(std::uint64_t events) {
    const std::uint64_t before = sums.count;
    now_ += ticks_for(events);
    run_until(now_);
    return sums.count - before;
  }

  Sums sums;

 private:
  void run_until(std::uint64_t tick) {
    simulation_.run_until(baton::sim::Time::from_ps(static_cast<std::int64_t>(tick)));
  }

  std::uint64_t ticks_for(std::uint64_t events) const {
    Arguments some = arguments_;
    some.events = events;
    return some.end() - some.warm_up_end();
  }

  const Arguments arguments_;
  std::uint64_t now_ = 0;
  baton::sim::Simulation simulation_{1};
  Shared shared_{simulation_, sums};
  std::deque<Entity<W>> entities_;
};

}  // namespace phold
