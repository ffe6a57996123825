// One simulation: a clock, the events to come, the observations, the fingerprint. One simulation
// runs on one thread; nothing in it knows the host's time, threads or addresses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/event.h"
#include "sim/event_queue.h"
#include "sim/fingerprint.h"
#include "sim/log.h"
#include "sim/random.h"
#include "sim/time.h"
#include "sim/topic.h"

namespace baton::sim {

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  std::uint64_t seed() const { return seed_; }
  Time now() const { return now_; }
  Phase phase() const { return phase_; }

  // Names an actor. Every event belongs to one; the name, not the order of creation, enters the
  // fingerprint. Names need not be unique (a device keeps its name over kernels).
  ActorId add_actor(std::string name);
  std::string_view actor_name(ActorId actor) const { return actor_names_[actor.index]; }

  // The random stream of the actor of this name.
  Random random_for(std::string_view actor) const { return Random(seed_, actor); }

  // Schedules an event that is not scheduled. At the current instant only into the running phase
  // or a later one; anything else is a bug in the caller.
  void schedule(Event& event, Duration after) { schedule_at(event, now_ + after); }
  void schedule_at(Event& event, Time at);
  void cancel(Event& event) { event.EventLink::unlink(); }

  // Folds a fact into the fingerprint beside the events: what was moved, decided, written. Not for
  // checkers.
  void fold(ActorId actor, Kind kind, std::uint64_t payload) {
    fingerprint_.add(now_.ps(), static_cast<std::uint8_t>(phase_), actor_hashes_[actor.index],
                     kind.hash, payload);
  }

  // Runs the next event; false when there is none, or stop() was called.
  bool step();
  // Runs until no event is left or stop() was called.
  void run();
  // Runs all events up to and including `until`, then sets the clock to it.
  void run_until(Time until);
  // Ends run() and run_until() after the current event.
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

  const Fingerprint& fingerprint() const { return fingerprint_; }

  template <class Observation>
  Topic<Observation>& topic() {
    return topics_.get<Observation>();
  }

  Log& log() { return log_; }

 private:
  // Beyond, keys do not hold the time.
  static constexpr Time kEndOfTime = Time::from_ps(std::int64_t{1} << 60);
  // Ends run_until(): after everything else of its instant.
  class Sentinel;

  void schedule_oddly(Event& event, Time at);
  template <class DispatchSome>
  void guarded(DispatchSome dispatch_some);
  // Until `last` is the next event, or stop().
  void dispatch_until(const Event* last);
  void dispatch(Event& event);
  void log_event(std::uint64_t payload);

  std::uint64_t seed_;
  Time now_;
  Phase phase_ = Phase::kDeliver;
  bool stopped_ = false;
  bool dispatching_ = false;
  ActorId running_actor_;  // of the last event, which may be gone
  const char* running_kind_ = "";
  std::vector<std::string> actor_names_;
  std::vector<std::uint64_t> actor_hashes_;
  Topics topics_;
  Fingerprint fingerprint_;
  Log log_;
  EventQueue queue_;
};

}  // namespace baton::sim
