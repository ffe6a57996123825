#include "sim/simulation.h"

#include <fmt/format.h>

#include "sim/check.h"

namespace baton::sim {

Simulation::Simulation(std::uint64_t seed) : seed_(seed), log_(now_) {}

class Simulation::Sentinel final : public Event {
 public:
  explicit Sentinel(Time at) : Event(ActorId(), "until", Phase::kEnd) { time_ = at; }

 private:
  void fire() override {}
};

Simulation::~Simulation() = default;

ActorId Simulation::add_actor(std::string name) {
  const std::uint64_t hash = hash_name(name);
  actors_.push_back({std::move(name), hash});
  return {static_cast<std::uint32_t>(actors_.size() - 1)};
}

void Simulation::schedule_at(Event& event, Time at) {
  BATON_CHECK(!event.scheduled(), "an event is scheduled twice");
  BATON_CHECK(at >= now_, "an event is scheduled in the past");
  BATON_CHECK(!dispatching_ || at > now_ || event.phase_ >= phase_,
              "an event is scheduled into an earlier phase of the same instant");
  event.time_ = at;
  queue_.insert(event);
}

void Simulation::dispatch(Event& event) {
  now_ = event.time_;
  phase_ = event.phase_;
  const ActorId actor = event.actor_;
  if (phase_ != Phase::kCheck) {
    const std::uint64_t payload = event.payload();
    fingerprint_.add(now_.ps(), static_cast<std::uint8_t>(phase_), actors_[actor.index].hash,
                     event.kind_.hash, payload);
    // What two runs are compared by, event for event.
    if (log_.enabled(LogLevel::kDebug)) [[unlikely]] {
      log_.write(LogLevel::kDebug, actors_[actor.index].name, "event {} {} {:#x}",
                 fingerprint_.count(), event.kind_.name, payload);
    }
  }
  dispatching_ = true;
  const std::string_view kind = event.kind_.name;
  try {
    event.fire();
  } catch (const BugError& error) {
    dispatching_ = false;
    throw BugError(fmt::format("{}\n  at {}, actor {}, event {}, seed {}", error.what(),
                               to_string(now_), actors_[actor.index].name, kind, seed_));
  }
  dispatching_ = false;
}

bool Simulation::step() {
  if (stopped_) {
    return false;
  }
  Event* event = queue_.pop();
  if (event == nullptr) {
    return false;
  }
  dispatch(*event);
  return true;
}

void Simulation::run() {
  while (step()) {
  }
}

void Simulation::run_until(Time until) {
  BATON_CHECK(!dispatching_, "an event runs the simulation it belongs to");
  if (until < now_ || stopped_) {
    return;
  }
  Sentinel sentinel(until);
  queue_.insert(sentinel);
  while (!stopped_) {
    Event* event = queue_.pop();
    if (event == &sentinel) {
      now_ = until;
      phase_ = Phase::kDeliver;
      return;
    }
    dispatch(*event);
  }
}

}  // namespace baton::sim
