// Invalidations on their way to device-TLBs and their completions on the way back [VT-d 6.5.2.5,
// 6.5.2.6; PCIe 10.3]: one invalidation tag (ITag) each, a time-out when no answer comes.
//
// Without anything connected below the unit there is no device-TLB: an invalidation then is
// complete when it is sent.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/device_tlb_port.h"
#include "model/iommu_vtd/fault_log.h"
#include "sim/event.h"
#include "sim/simulation.h"

namespace baton::iommu_vtd {

class DeviceTlbInvalidation {
 public:
  // Who waits for completions.
  class Listener {
   public:
    // A tag is free again; `timed_out` when no completion came.
    virtual void invalidation_ended(bool timed_out) = 0;

   protected:
    ~Listener() = default;
  };

  DeviceTlbInvalidation(Core& core, FaultLog& log, sim::Simulation& simulation, sim::ActorId actor);

  void connect(DeviceTlbPort* port) { port_ = port; }
  void set_listener(Listener* listener) { listener_ = listener; }

  // May one more be sent to this function, of which it takes `most` at a time?
  bool has_room(Bdf function, unsigned most) const;
  void send(Bdf function, const pci::AtsInvalidation& invalidation);
  // How many were sent so far; are the first `count` of them answered?
  std::uint64_t sent() const { return sent_; }
  bool answered(std::uint64_t count) const;

  // An Invalidate Completion message [PCIe 10.3.3]: bit n of `tags` answers ITag n. One that
  // answers nothing that was asked of this function is an error (FSTS.ICE).
  void completed(Bdf function, std::uint32_t tags);

 private:
  static constexpr unsigned kTags = 32;

  enum class State : std::uint8_t { kFree, kOnItsWay, kReturning, kUnanswered };

  struct Slot {
    Slot(DeviceTlbInvalidation& owner, sim::ActorId actor, unsigned number);
    void on_event() { unit.advance(*this); }

    DeviceTlbInvalidation& unit;
    sim::MemberEvent<&Slot::on_event> event;
    unsigned tag;
    State state = State::kFree;
    std::uint64_t order = 0;  // among those sent
    Bdf function{};
    pci::AtsInvalidation invalidation;
  };

  void advance(Slot& slot);
  void wait_in_vain(Slot& slot);
  void end(Slot& slot, bool timed_out);

  Core& core_;
  FaultLog& log_;
  sim::Simulation& simulation_;
  sim::ActorId actor_;
  DeviceTlbPort* port_ = nullptr;
  Listener* listener_ = nullptr;
  std::deque<Slot> slots_;  // never grows after construction
  unsigned busy_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace baton::iommu_vtd
