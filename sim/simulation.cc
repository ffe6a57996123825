#include "sim/simulation.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/check.h"

namespace baton::sim {

Simulation::Simulation(std::uint64_t seed) : seed_(seed), log_(now_) {}

class Simulation::Sentinel final : public Event {
 public:
  Sentinel() : Event(ActorId(), "until", Phase::kEnd) {}

 private:
  // Cold, or GCC takes it for the handler that is to be expected.
  [[gnu::cold]] void fire() override {}
};

Simulation::~Simulation() = default;

ActorId Simulation::add_actor(std::string name) {
  actor_hashes_.push_back(hash_name(name));
  actor_names_.push_back(std::move(name));
  return {static_cast<std::uint32_t>(actor_names_.size() - 1)};
}

void Simulation::schedule_at(Event& event, Time at) {
  const std::uint64_t key = Event::key(at, event.phase_);
  if (event.scheduled() || at >= kEndOfTime || key < queue_.cursor()) [[unlikely]] {
    return schedule_oddly(event, at);
  }
  event.key_ = key;
  queue_.insert(event);
}

// Right only between two runs: before the last event taken, but at its instant. It comes as early
// as it still can.
void Simulation::schedule_oddly(Event& event, Time at) {
  BATON_CHECK(!event.scheduled(), "an event is scheduled twice");
  BATON_CHECK(at < kEndOfTime, "an event is scheduled more than 13 days after power-on");
  BATON_CHECK(at >= now_, "an event is scheduled in the past");
  BATON_CHECK(!dispatching_ || event.phase_ >= phase_,
              "an event is scheduled into an earlier phase of the same instant");
  event.key_ = queue_.cursor();
  queue_.insert(event);
}

// Inlined into the loop, which runs it a hundred thousand times for a second of a machine's life.
inline void Simulation::dispatch(Event& event) {
  const ActorId actor = event.actor_;
  const Phase phase = event.phase_;
  now_ = event.time();
  phase_ = phase;
  running_actor_ = actor;
  running_kind_ = event.kind_name_;
  if (phase != Phase::kCheck) {
    const std::uint64_t payload = event.payload();
    fingerprint_.add(now_.ps(), static_cast<std::uint8_t>(phase), actor_hashes_[actor.index],
                     event.kind_hash_, payload);
    // What two runs are compared by, event for event.
    if (log_.enabled(LogLevel::kDebug)) [[unlikely]] {
      log_event(payload);
    }
  }
  event.fire();
}

void Simulation::log_event(std::uint64_t payload) {
  log_.write(LogLevel::kDebug, actor_name(running_actor_), "event {} {} {:#x}",
             fingerprint_.count(), running_kind_, payload);
}

// Runs what `dispatch_some` dispatches, and says of a bug in it where in the run it showed. One try
// block for many events; what is told of each is noted as it begins.
template <class DispatchSome>
void Simulation::guarded(DispatchSome dispatch_some) {
  struct Dispatching {
    bool& flag;
    explicit Dispatching(bool& f) : flag(f) { flag = true; }
    ~Dispatching() { flag = false; }
  } const dispatching(dispatching_);
  try {
    dispatch_some();
  } catch (const BugError& error) {
    throw BugError(fmt::format("{}\n  at {}, actor {}, event {}, seed {}", error.what(),
                               to_string(now_), actor_name(running_actor_), running_kind_, seed_));
  }
}

void Simulation::dispatch_until(const Event* last) {
  guarded([this, last] {
    while (!stopped_) {
      Event* const event = queue_.pop();
      if (event == last) {
        return;
      }
      dispatch(*event);
    }
  });
}

bool Simulation::step() {
  Event* const event = stopped_ ? nullptr : queue_.pop();
  if (event != nullptr) {
    guarded([this, event] { dispatch(*event); });
  }
  return event != nullptr;
}

void Simulation::run() { dispatch_until(nullptr); }

void Simulation::run_until(Time until) {
  BATON_CHECK(!dispatching_, "an event runs the simulation it belongs to");
  if (until < now_ || stopped_) {
    return;
  }
  Sentinel sentinel;
  sentinel.key_ = Event::key(std::min(until, kEndOfTime), Phase::kEnd);
  queue_.insert(sentinel);
  dispatch_until(&sentinel);
  if (!stopped_) {
    now_ = until;
    phase_ = Phase::kDeliver;
  }
}

}  // namespace baton::sim
