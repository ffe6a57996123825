// Invalidation: through registers and through the queue [VT-d 6.5].
//
// Commands complete within the register write that starts them; requests already translated are
// complete too, so draining costs nothing. Device-TLB descriptors are checked and complete at once,
// because no device has a device-TLB. Descriptors of 256 bits need scalable mode and end in a queue
// error.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/event_message.h"
#include "model/iommu_vtd/fault_log.h"

namespace baton::iommu_vtd {

// IQERCD.IQEI [VT-d 11.4.9.9].
enum class QueueError : std::uint8_t {
  kTailOutOfRange = 1,
  kFetch = 2,
  kType = 3,
  kReserved = 4,
  kWidth = 5,
};

class Invalidation {
 public:
  Invalidation(Core& core, FaultLog& log, EventMessage& completion)
      : core_(core), log_(log), completion_(completion) {}

  // Register commands; ignored while the queue is on, as their use is then undefined.
  void context_command();
  void iotlb_command();

  // Runs the queue until it is empty, off, or stopped by an error.
  void run_queue();

  void flush_all();  // context cache and IOTLB
  void flush_remap_entries() { core_.remap_entries.clear(); }

 private:
  using Descriptor = Entry128;

  std::optional<QueueError> step();
  std::optional<QueueError> execute(const Descriptor& descriptor);
  std::optional<QueueError> context_descriptor(const Descriptor& descriptor);
  std::optional<QueueError> iotlb_descriptor(const Descriptor& descriptor);
  std::optional<QueueError> device_tlb_descriptor(const Descriptor& descriptor);
  std::optional<QueueError> interrupt_entry_descriptor(const Descriptor& descriptor);
  std::optional<QueueError> wait_descriptor(const Descriptor& descriptor);

  void invalidate_contexts_of(DomainId domain);
  void invalidate_context(std::uint64_t source, std::uint64_t function_mask);
  void invalidate_pages(DomainId domain, std::uint64_t address, std::uint64_t address_mask);
  DomainId domain(std::uint64_t did) const;

  Core& core_;
  FaultLog& log_;
  EventMessage& completion_;
};

}  // namespace baton::iommu_vtd
