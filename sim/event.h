// Events: intrusive nodes owned by the model objects that schedule them. Scheduling, cancelling and
// firing allocate nothing; destroying an event cancels it.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>

#include "sim/kind.h"
#include "sim/time.h"

namespace baton::sim {

// The phases inside one instant, in order. A handler schedules at the current instant only into its
// own phase or a later one.
enum class Phase : std::uint8_t {
  kDeliver,    // requests and messages arrive
  kDevice,     // devices act
  kIommu,      // remapping units act on their queues
  kInterrupt,  // interrupts reach CPUs
  kSoftware,   // kernels and processes run
  kCheck,      // invariants look; never part of the fingerprint
  kEnd,        // of an instant; nothing is scheduled here
};

struct ActorId {
  std::uint32_t index = 0;
};

struct EventTag;
using EventHook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<EventTag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

class Event : public EventHook {
 public:
  Event(ActorId actor, Kind kind, Phase phase) : kind_(kind), actor_(actor), phase_(phase) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  virtual ~Event() = default;

  bool scheduled() const { return EventHook::is_linked(); }
  Time time() const { return time_; }
  Phase phase() const { return phase_; }
  ActorId actor() const { return actor_; }
  const Kind& kind() const { return kind_; }

 protected:
  // Runs with the event already unscheduled, so that it may schedule itself again.
  virtual void fire() = 0;

  // Digest of what the event carries, folded into the fingerprint just before fire().
  virtual std::uint64_t payload() const { return 0; }

 private:
  friend class Simulation;
  friend class EventQueue;

  Kind kind_;
  ActorId actor_;
  Phase phase_;

 protected:
  Time time_;
};

// An event that calls a member function of the object that holds it:
//   MemberEvent<&Engine::on_fetched> fetched_{*this, actor, "fetched", Phase::kDevice};
template <auto Method>
class MemberEvent;

template <class Owner, void (Owner::*Method)()>
class MemberEvent<Method> final : public Event {
 public:
  MemberEvent(Owner& owner, ActorId actor, Kind kind, Phase phase)
      : Event(actor, kind, phase), owner_(owner) {}

 private:
  void fire() override { (owner_.*Method)(); }

  Owner& owner_;
};

}  // namespace baton::sim
