// What each invalidation drops from the caches of the unit [VT-d 6.5], and the register commands
// that ask for it. invalidation_queue.h has the descriptors.
//
// What is dropped is exactly what must be, so that a missing invalidation shows, but for two: a
// device-selective invalidation of the context cache does not look at the domain id, and nested
// translations, which are found by first-stage addresses, go for the whole domain when pages of the
// second stage are invalidated. An IOTLB command with drain stays in its register until the
// requests that were under way have arrived (drain.h).
#pragma once

#include <cstdint>
#include <functional>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/observations.h"
#include "sim/event.h"
#include "sim/simulation.h"

namespace baton::iommu_vtd {

class Invalidation {
 public:
  // Told of every register command and descriptor that was carried out.
  using Observer = std::function<void(InvalidationKind, const Entry256* descriptor)>;
  Invalidation(Core& core, sim::Simulation& simulation, sim::ActorId actor, Observer observer)
      : core_(core),
        simulation_(simulation),
        observer_(std::move(observer)),
        drained_event_(*this, actor, "drained", sim::Phase::kIommu) {}
  void observe(InvalidationKind kind, const Entry256* descriptor) const {
    observer_(kind, descriptor);
  }

  // CCMD and IOTLB; ignored while the queue is on, as their use is then undefined.
  void context_command();
  void iotlb_command();

  void everything();  // all but interrupt entries

  void contexts();
  void contexts_of(DomainId domain);
  void context_of(std::uint64_t source, std::uint64_t function_mask);

  void pasid_entries();
  void pasid_entries_of(DomainId domain);
  void pasid_entry(DomainId domain, Pasid pasid);

  void translations();
  void translations_of(DomainId domain);
  // With `leaf_only` (IH) the caches of non-leaf entries stay.
  void pages_of(DomainId domain, Range range, bool leaf_only);
  void translations_of(DomainId domain, Pasid pasid);
  void pages_of(DomainId domain, Pasid pasid, Range range, bool leaf_only);

  void remap_entries();
  void remap_entries(std::uint64_t first, std::uint64_t count);

  // The id that the unit makes of a DID field.
  DomainId domain(std::uint64_t did) const;
  // 2^mask pages around `address`.
  static Range pages(std::uint64_t address, std::uint64_t mask);

 private:
  void end_iotlb_command();

  Core& core_;
  sim::Simulation& simulation_;
  Observer observer_;
  sim::MemberEvent<&Invalidation::end_iotlb_command> drained_event_;
};

}  // namespace baton::iommu_vtd
