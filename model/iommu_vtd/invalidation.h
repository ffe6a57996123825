// Invalidation: through registers and through the queue [VT-d 6.5].
//
// Commands complete within the register write that starts them; requests already translated are
// complete too, so draining costs nothing. Device-TLB descriptors are checked and complete at once,
// because no device of the model has a device-TLB.
//
// What is dropped is exactly what must be, but for a device-selective invalidation of the context
// cache, which does not look at the domain id, and nested translations, which an invalidation of
// second-stage pages drops for the whole domain: missing invalidations show.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/event_message.h"
#include "model/iommu_vtd/fault_log.h"
#include "model/iommu_vtd/observations.h"

namespace baton::iommu_vtd {

// IQERCD.IQEI [VT-d 11.4.9.9].
enum class QueueError : std::uint8_t {
  kTailOutOfRange = 1,
  kFetch = 2,
  kType = 3,
  kReserved = 4,
  kWidth = 5,
  kTailMisaligned = 6,
};

class Invalidation {
 public:
  // Told of everything carried out, with the descriptor if the queue asked for it.
  using Observer = std::function<void(InvalidationKind, const Entry256* descriptor)>;
  Invalidation(Core& core, FaultLog& log, EventMessage& completion, Observer observer)
      : core_(core), log_(log), completion_(completion), observer_(std::move(observer)) {}

  // Register commands; ignored while the queue is on, as their use is then undefined.
  void context_command();
  void iotlb_command();

  // Runs the queue until it is empty, off, or stopped by an error.
  void run_queue();

  void flush_all();  // all but interrupt entries
  void flush_remap_entries() { core_.remap_entries.clear(); }

 private:
  using Descriptor = Entry256;  // one of 128 bits has zeroes above

  std::optional<QueueError> step();
  void observe(const Descriptor& descriptor) const;
  std::optional<QueueError> execute(const Descriptor& descriptor, bool wide);
  std::optional<Descriptor> fetch(PhysAddr at, bool wide);
  std::optional<QueueError> context_descriptor(const Descriptor& descriptor);
  std::optional<QueueError> iotlb_descriptor(const Descriptor& descriptor);
  std::optional<QueueError> device_tlb_descriptor(const Descriptor& descriptor);
  std::optional<QueueError> interrupt_entry_descriptor(const Descriptor& descriptor);
  std::optional<QueueError> wide_descriptor(const Descriptor& descriptor);
  std::optional<QueueError> pasid_iotlb_descriptor(const Descriptor& descriptor);
  std::optional<QueueError> pasid_cache_descriptor(const Descriptor& descriptor);
  std::optional<QueueError> wait_descriptor(const Descriptor& descriptor);

  void invalidate_contexts_of(DomainId domain);
  void invalidate_context(std::uint64_t source, std::uint64_t function_mask);
  void flush_contexts();
  void flush_translations();
  void invalidate_domain(DomainId domain);
  void invalidate_pages(DomainId domain, Range range, bool leaf_only);
  void invalidate_pasid(DomainId domain, Pasid pasid, Range range, bool leaf_only);
  DomainId domain(std::uint64_t did) const;

  Core& core_;
  FaultLog& log_;
  EventMessage& completion_;
  Observer observer_;
};

}  // namespace baton::iommu_vtd
