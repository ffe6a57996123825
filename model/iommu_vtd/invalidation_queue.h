// The invalidation queue [VT-d 6.5.2]: fetching, checking and carrying out descriptors, and what
// stops it.
//
// Descriptors are carried out in order within the register write that makes them visible. What
// takes time is to be sure of it: invalidations of device-TLBs travel, and requests that used what
// was dropped have to arrive (drain.h). A wait descriptor that meets either has been fetched and
// completes later; what follows it is carried out meanwhile, unless it is a fence (FN=1).
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/device_tlb_invalidation.h"
#include "model/iommu_vtd/event_message.h"
#include "model/iommu_vtd/fault_log.h"
#include "model/iommu_vtd/invalidation.h"
#include "model/iommu_vtd/page_requests.h"
#include "model/iommu_vtd/pending_waits.h"
#include "sim/event.h"
#include "sim/simulation.h"

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
  // Told of every wait that did not complete at once, and how long it took.
  using Waited = std::function<void(sim::Duration)>;
  InvalidationQueue(Core& core, FaultLog& log, EventMessage& completion, Invalidation& caches,
                    DeviceTlbInvalidation& device_tlbs, PageRequests& page_requests,
                    sim::Simulation& simulation, sim::ActorId actor, Waited waited)
      : core_(core),
        log_(log),
        completion_(completion),
        caches_(caches),
        device_tlbs_(device_tlbs),
        page_requests_(page_requests),
        simulation_(simulation),
        waited_(std::move(waited)),
        drained_event_(*this, actor, "drained", sim::Phase::kIommu) {
    device_tlbs_.set_listener(this);
  }

  // Goes on until the queue is empty, off, waiting, or stopped by an error.
  void run();
  // QIE was switched off: waits that have not completed never will.
  void stop();

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
  void drain(bool reads, bool writes);
  bool is_ready(const PendingWait& wait) const;
  void complete_waits();
  void complete_wait(const Descriptor& descriptor);
  void on_drained();

  Core& core_;
  FaultLog& log_;
  EventMessage& completion_;
  Invalidation& caches_;
  DeviceTlbInvalidation& device_tlbs_;
  PageRequests& page_requests_;
  sim::Simulation& simulation_;
  Waited waited_;
  PendingWaits waits_;
  sim::Time drained_;  // by the invalidations carried out so far
  sim::MemberEvent<&InvalidationQueue::on_drained> drained_event_;
  bool running_ = false;
};

}  // namespace baton::iommu_vtd
