// Events: intrusive nodes owned by the model objects that schedule them. Scheduling, cancelling and
// firing allocate nothing; destroying an event cancels it.
#pragma once

#include <cstdint>
#include <string_view>

#include "sim/event_ring.h"
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

// 56 bytes, what the queue touches first: a small model object's event, with what its handler
// needs, lies in one or two lines of the host's cache.
class Event : public EventLink {
 public:
  Event(ActorId actor, Kind kind, Phase phase)
      : actor_(actor), phase_(phase), kind_hash_(kind.hash), kind_name_(kind.name.data()) {}
  virtual ~Event() = default;

  bool scheduled() const { return linked(); }
  // Of an event that is not scheduled: when it last was due.
  Time time() const { return Time::from_ps(static_cast<std::int64_t>(key_ >> kPhaseBits)); }
  Phase phase() const { return phase_; }
  ActorId actor() const { return actor_; }
  std::string_view kind_name() const { return kind_name_; }

 protected:
  // Runs with the event already unscheduled, so that it may schedule itself again.
  virtual void fire() = 0;

  // Digest of what the event carries, folded into the fingerprint just before fire().
  virtual std::uint64_t payload() const { return 0; }

 private:
  friend class Simulation;
  friend class EventQueue;

  static constexpr unsigned kPhaseBits = 3;
  static constexpr std::uint64_t key(Time at, Phase phase) {
    return static_cast<std::uint64_t>(at.ps()) << kPhaseBits | static_cast<std::uint64_t>(phase);
  }

  std::uint64_t key_ = 0;  // what the queue orders by
  ActorId actor_;
  Phase phase_;
  std::uint64_t kind_hash_;
  const char* kind_name_;  // a Kind is made of a literal, which ends with a zero byte
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
