// The invalidation queue [VT-d 6.5.2]: fetching, checking and carrying out descriptors, and what
// stops it.
//
// Descriptors are carried out in order within the register write that makes them visible, but for
// those that concern device-TLBs: their invalidations travel. A wait descriptor has been fetched
// when it meets outstanding invalidations, and completes after them; what follows it waits too.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/device_tlb_invalidation.h"
#include "model/iommu_vtd/event_message.h"
#include "model/iommu_vtd/fault_log.h"
#include "model/iommu_vtd/invalidation.h"
#include "model/iommu_vtd/page_requests.h"

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

class InvalidationQueue final : public DeviceTlbInvalidation::Listener {
 public:
  InvalidationQueue(Core& core, FaultLog& log, EventMessage& completion, Invalidation& caches,
                    DeviceTlbInvalidation& device_tlbs, PageRequests& page_requests)
      : core_(core),
        log_(log),
        completion_(completion),
        caches_(caches),
        device_tlbs_(device_tlbs),
        page_requests_(page_requests) {
    device_tlbs_.set_listener(this);
  }

  // Goes on until the queue is empty, off, waiting, or stopped by an error.
  void run();
  // QIE was switched off: waits that have not completed never will.
  void stop() { waiting_.reset(); }

  void invalidation_ended(bool timed_out) override;

 private:
  using Descriptor = Entry256;  // one of 128 bits has zeroes above

  // False: it cannot be carried out yet.
  using Progress = std::expected<bool, QueueError>;

  bool may_fetch() const;
  Progress step();
  std::optional<QueueError> check_registers(bool wide) const;
  std::optional<Descriptor> fetch(PhysAddr at, bool wide);
  void observe(const Descriptor& descriptor) const;
  Progress execute(const Descriptor& descriptor, bool wide);
  Progress context_cache(const Descriptor& descriptor);
  Progress iotlb(const Descriptor& descriptor);
  Progress device_tlb(const Descriptor& descriptor);
  Progress interrupt_entry(const Descriptor& descriptor);
  Progress wait(const Descriptor& descriptor);
  Progress pasid_iotlb(const Descriptor& descriptor);
  Progress pasid_cache(const Descriptor& descriptor);
  Progress pasid_device_tlb(const Descriptor& descriptor);
  Progress page_group_response(const Descriptor& descriptor);
  Progress send(Bdf function, std::uint64_t most, const pci::AtsInvalidation& invalidation);
  void complete_wait(const Descriptor& descriptor);

  Core& core_;
  FaultLog& log_;
  EventMessage& completion_;
  Invalidation& caches_;
  DeviceTlbInvalidation& device_tlbs_;
  PageRequests& page_requests_;
  std::optional<Descriptor> waiting_;  // fetched, not complete
  bool running_ = false;
};

}  // namespace baton::iommu_vtd
