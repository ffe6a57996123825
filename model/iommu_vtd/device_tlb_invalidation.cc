#include "model/iommu_vtd/device_tlb_invalidation.h"

#include <algorithm>

namespace baton::iommu_vtd {

DeviceTlbInvalidation::Slot::Slot(DeviceTlbInvalidation& owner, sim::ActorId actor, unsigned number)
    : unit(owner), event(*this, actor, "device-tlb", sim::Phase::kIommu), tag(number) {}

DeviceTlbInvalidation::DeviceTlbInvalidation(Core& core, FaultLog& log, sim::Simulation& simulation,
                                             sim::ActorId actor)
    : core_(core), log_(log), simulation_(simulation), actor_(actor) {
  for (unsigned tag = 0; tag < kTags; ++tag) {
    slots_.emplace_back(*this, actor, tag);
  }
}

bool DeviceTlbInvalidation::has_room(Bdf function, unsigned most) const {
  const auto pending = std::ranges::count_if(slots_, [&](const Slot& slot) {
    return slot.state != State::kFree && slot.function == function;
  });
  return busy_ < kTags && static_cast<unsigned>(pending) < most;
}

bool DeviceTlbInvalidation::answered(std::uint64_t count) const {
  return std::ranges::none_of(
      slots_, [&](const Slot& slot) { return slot.state != State::kFree && slot.order < count; });
}

void DeviceTlbInvalidation::send(Bdf function, const pci::AtsInvalidation& invalidation) {
  if (port_ == nullptr) {
    return;
  }
  const auto slot =
      std::ranges::find_if(slots_, [](const Slot& each) { return each.state == State::kFree; });
  BATON_CHECK(slot != slots_.end(), "an invalidation without a tag");
  ++busy_;
  slot->order = sent_++;
  slot->function = function;
  slot->invalidation = invalidation;
  simulation_.fold(actor_, "device-tlb-invalidation",
                   invalidation.first ^ std::uint64_t{function.value()} << 48);
  const std::optional<sim::Duration> way = port_->distance(function);
  if (way) {
    slot->state = State::kOnItsWay;
    simulation_.schedule(slot->event, *way);
  } else {
    wait_in_vain(*slot);
  }
}

void DeviceTlbInvalidation::wait_in_vain(Slot& slot) {
  slot.state = State::kUnanswered;
  simulation_.schedule(slot.event, core_.profile.timing.device_tlb_timeout);
}

void DeviceTlbInvalidation::advance(Slot& slot) {
  switch (slot.state) {
    case State::kOnItsWay: {
      const bool kept = slot.invalidation.pasid ? core_.profile.has(Erratum::kDeviceTlbPasidStays)
                                                : core_.profile.has(Erratum::kDeviceTlbPagesStay);
      const std::optional<sim::Duration> way = port_->distance(slot.function);
      if (!way || (!kept && !port_->invalidate(slot.function, slot.invalidation))) {
        return wait_in_vain(slot);
      }
      slot.state = State::kReturning;
      simulation_.schedule(slot.event, *way + core_.profile.timing.device_tlb_drain);
      return;
    }
    case State::kReturning:
      return completed(slot.function, std::uint32_t{1} << slot.tag);
    case State::kUnanswered:
      log_.invalidation_timed_out(slot.function);
      return end(slot, true);
    case State::kFree:
      return;
  }
}

void DeviceTlbInvalidation::end(Slot& slot, bool timed_out) {
  simulation_.cancel(slot.event);
  slot.state = State::kFree;
  --busy_;
  if (listener_ != nullptr) {
    listener_->invalidation_ended(timed_out);
  }
}

void DeviceTlbInvalidation::completed(Bdf function, std::uint32_t tags) {
  bool expected = tags != 0;
  for (Slot& slot : slots_) {
    if ((tags >> slot.tag & 1) == 0) {
      continue;
    }
    if (slot.state == State::kFree || slot.function != function) {
      expected = false;
    } else {
      end(slot, false);
    }
  }
  if (!expected) {
    log_.invalidation_completion_error(function);
  }
}

}  // namespace baton::iommu_vtd
