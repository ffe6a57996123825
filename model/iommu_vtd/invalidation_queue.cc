#include "model/iommu_vtd/invalidation_queue.h"

#include <algorithm>
#include <array>

#include "model/iommu_vtd/descriptors.h"

namespace baton::iommu_vtd {

namespace {

template <std::size_t kRows>
bool is_malformed(const Entry256& descriptor, const std::array<Field, kRows>& fields) {
  return descriptor.has_reserved_bits(fields) || (descriptor.words[2] | descriptor.words[3]) != 0;
}

constexpr std::unexpected<QueueError> refuse(QueueError error) { return std::unexpected(error); }

Bdf function_of(std::uint64_t sid) { return Bdf(static_cast<std::uint16_t>(sid)); }
Pasid pasid_of(std::uint64_t pasid) { return Pasid(static_cast<std::uint32_t>(pasid)); }

}  // namespace

bool InvalidationQueue::may_fetch() const {
  constexpr std::uint64_t kStopped = fsts::kIqe.mask() | fsts::kIte.mask();
  const RegisterFile& regs = core_.regs;
  return core_.status(gcmd::kQie) && !waits_.blocks() && (regs.get(Reg::kFsts) & kStopped) == 0 &&
         regs.get(Reg::kIqh) != regs.get(Reg::kIqt);
}

void InvalidationQueue::run() {
  if (running_) {
    return;  // a completion within a step
  }
  running_ = true;
  while (may_fetch()) {
    const Progress progress = step();
    if (!progress) {
      log_.queue_error(static_cast<unsigned>(progress.error()));
    } else if (!*progress) {
      break;
    }
  }
  running_ = false;
}

void InvalidationQueue::stop() {
  waits_.clear();
  simulation_.cancel(drained_event_);
}

// A time-out aborts the waits that are pending: they write no status, ever [VT-d 6.5.2.10].
void InvalidationQueue::invalidation_ended(bool timed_out) {
  ++core_.changes;
  if (timed_out) {
    stop();
  }
  complete_waits();
  run();
}

void InvalidationQueue::on_drained() {
  complete_waits();
  run();
}

std::optional<QueueError> InvalidationQueue::check_registers(bool wide) const {
  const RegisterFile& regs = core_.regs;
  const std::uint64_t size = sim::kPageSize << regs.get(Reg::kIqa, queue::kSize);
  if (regs.get(Reg::kIqt) >= size) {
    return QueueError::kTailOutOfRange;
  }
  if (wide && !core_.profile.scalable_mode() && !core_.profile.abort_mode()) {
    return QueueError::kWidth;
  }
  const std::uint64_t bytes = wide ? sizeof(Entry256) : sizeof(Entry128);
  return regs.get(Reg::kIqt) % bytes != 0 ? std::optional(QueueError::kTailMisaligned)
                                          : std::nullopt;
}

InvalidationQueue::Progress InvalidationQueue::step() {
  RegisterFile& regs = core_.regs;
  const bool wide = regs.test(Reg::kIqa, queue::kWidth);
  if (const auto error = check_registers(wide)) {
    return refuse(*error);
  }
  const std::uint64_t size = sim::kPageSize << regs.get(Reg::kIqa, queue::kSize);
  const std::uint64_t bytes = wide ? sizeof(Entry256) : sizeof(Entry128);
  const std::uint64_t head = regs.get(Reg::kIqh) & ~(bytes - 1);
  const PhysAddr base(regs.get(Reg::kIqa) & queue::kBase.mask());
  const std::optional<Descriptor> descriptor = fetch(base + head, wide);
  if (!descriptor) {
    return refuse(QueueError::kFetch);
  }
  const Progress done = execute(*descriptor, wide);
  if (done && *done) {
    observe(*descriptor);
    regs.set(Reg::kIqh, head + bytes == size ? 0 : head + bytes);
  }
  return done;
}

std::optional<InvalidationQueue::Descriptor> InvalidationQueue::fetch(PhysAddr at, bool wide) {
  if (wide) {
    return load<4>(core_.memory, at);
  }
  const std::optional<Entry128> narrow = load<2>(core_.memory, at);
  return narrow ? std::optional(Descriptor{{narrow->words[0], narrow->words[1], 0, 0}})
                : std::nullopt;
}

// What is no invalidation (waits, responses) is not observed.
void InvalidationQueue::observe(const Descriptor& descriptor) const {
  constexpr std::array<std::optional<InvalidationKind>, 9> kKinds{
      std::nullopt,
      InvalidationKind::kContextCache,
      InvalidationKind::kIotlb,
      InvalidationKind::kDeviceTlb,
      InvalidationKind::kInterruptEntries,
      std::nullopt,
      InvalidationKind::kPasidIotlb,
      InvalidationKind::kPasidCache,
      InvalidationKind::kDeviceTlb};
  const std::uint64_t type = descriptor.get(kTypeHigh) << 4 | descriptor.get(kTypeLow);
  if (type < kKinds.size() && kKinds[type]) {
    caches_.observe(*kKinds[type], &descriptor);
  }
}

// AMBIGUOUS: one source has an error for descriptors of a mode that RTADDR does not select; they
// are executed here, and find nothing to invalidate.
InvalidationQueue::Progress InvalidationQueue::execute(const Descriptor& descriptor, bool wide) {
  const std::uint64_t type = descriptor.get(kTypeHigh) << 4 | descriptor.get(kTypeLow);
  if (type >= 6 && type <= 9 && !wide) {
    return refuse(QueueError::kWidth);
  }
  switch (type) {
    case 1:
      return context_cache(descriptor);
    case 2:
      return iotlb(descriptor);
    case 3:
      return device_tlb(descriptor);
    case 4:
      return interrupt_entry(descriptor);
    case 5:
      return wait(descriptor);
    case 6:
      return pasid_iotlb(descriptor);
    case 7:
      return pasid_cache(descriptor);
    case 8:
      return pasid_device_tlb(descriptor);
    case 9:
      return page_group_response(descriptor);
    default:
      return refuse(QueueError::kType);
  }
}

InvalidationQueue::Progress InvalidationQueue::context_cache(const Descriptor& descriptor) {
  namespace d = context_cache_descriptor;
  const std::uint64_t granularity = descriptor.get(d::kG);
  if (is_malformed(descriptor, d::kFields) || granularity == 0) {
    return refuse(QueueError::kReserved);
  }
  if (granularity == d::kGlobal) {
    caches_.contexts();
  } else if (granularity == d::kDomain) {
    caches_.contexts_of(caches_.domain(descriptor.get(d::kDid)));
  } else {
    caches_.context_of(descriptor.get(d::kSid), descriptor.get(d::kFm));
  }
  return true;
}

InvalidationQueue::Progress InvalidationQueue::iotlb(const Descriptor& descriptor) {
  namespace d = iotlb_descriptor;
  const std::uint64_t granularity = descriptor.get(d::kG);
  if (is_malformed(descriptor, d::kFields) || granularity == 0) {
    return refuse(QueueError::kReserved);
  }
  const DomainId did = caches_.domain(descriptor.get(d::kDid));
  if (granularity == d::kGlobal) {
    caches_.translations();
  } else if (granularity == d::kDomain || !core_.profile.page_selective()) {
    caches_.translations_of(did);
  } else {
    const std::uint64_t mask = descriptor.get(d::kAm);
    if (mask > core_.profile.largest_address_mask()) {
      return refuse(QueueError::kReserved);
    }
    caches_.pages_of(did, Invalidation::pages(descriptor.words[1] & d::kAddress.mask(), mask),
                     descriptor.test(d::kIh));
  }
  drain(descriptor.test(d::kDr), descriptor.test(d::kDw));
  return true;
}

// A unit without draining does not look at the bits [VT-d 11.4.2, DRD, DWD].
void InvalidationQueue::drain(bool reads, bool writes) {
  const Profile& profile = core_.profile;
  drained_ = std::max(drained_, core_.drain.end(reads && profile.drains_reads(),
                                                writes && profile.drains_writes()));
}

InvalidationQueue::Progress InvalidationQueue::device_tlb(const Descriptor& descriptor) {
  namespace d = device_tlb_descriptor;
  if (!core_.profile.device_tlb()) {
    return refuse(QueueError::kType);
  }
  if (is_malformed(descriptor, d::kFields)) {
    return refuse(QueueError::kReserved);
  }
  return send(
      function_of(descriptor.get(d::kSid)), descriptor.get(d::kMip),
      pci::make_ats_invalidation(std::nullopt, false, descriptor.words[1] & d::kAddress.mask(),
                                 descriptor.test(d::kS)));
}

InvalidationQueue::Progress InvalidationQueue::pasid_device_tlb(const Descriptor& descriptor) {
  namespace d = pasid_device_tlb_descriptor;
  if (!core_.profile.device_tlb()) {
    return refuse(QueueError::kType);
  }
  if (is_malformed(descriptor, d::kFields)) {
    return refuse(QueueError::kReserved);
  }
  return send(
      function_of(descriptor.get(d::kSid)), descriptor.get(d::kMip),
      pci::make_ats_invalidation(pasid_of(descriptor.get(d::kPasid)), descriptor.test(d::kG),
                                 descriptor.words[1] & d::kAddress.mask(), descriptor.test(d::kS)));
}

// MIP limits how many are outstanding to the function; 0 stands for 32.
InvalidationQueue::Progress InvalidationQueue::send(Bdf function, std::uint64_t most,
                                                    const pci::AtsInvalidation& invalidation) {
  if (!device_tlbs_.has_room(function, most == 0 ? 32U : static_cast<unsigned>(most))) {
    return false;
  }
  device_tlbs_.send(function, invalidation);
  return true;
}

InvalidationQueue::Progress InvalidationQueue::interrupt_entry(const Descriptor& descriptor) {
  namespace d = interrupt_entry_descriptor;
  if (!core_.profile.interrupt_remapping()) {
    return refuse(QueueError::kType);
  }
  if (is_malformed(descriptor, d::kFields)) {
    return refuse(QueueError::kReserved);
  }
  if (descriptor.test(d::kG)) {
    const std::uint64_t count = std::uint64_t{1} << descriptor.get(d::kIm);
    caches_.remap_entries(descriptor.get(d::kIndex) & ~(count - 1), count);
  } else {
    caches_.remap_entries();
  }
  return true;
}

InvalidationQueue::Progress InvalidationQueue::pasid_iotlb(const Descriptor& descriptor) {
  namespace d = pasid_iotlb_descriptor;
  const std::uint64_t granularity = descriptor.get(d::kG);
  if (is_malformed(descriptor, d::kFields) ||
      (granularity != d::kAllPages && granularity != d::kPages)) {
    return refuse(QueueError::kReserved);
  }
  const DomainId did = caches_.domain(descriptor.get(d::kDid));
  const Pasid pasid = pasid_of(descriptor.get(d::kPasid));
  if (granularity == d::kAllPages) {
    caches_.translations_of(did, pasid);
  } else {
    caches_.pages_of(
        did, pasid,
        Invalidation::pages(descriptor.words[1] & d::kAddress.mask(), descriptor.get(d::kAm)),
        descriptor.test(d::kIh));
  }
  drain(true, true);  // always [VT-d 6.5.2.4]
  return true;
}

InvalidationQueue::Progress InvalidationQueue::pasid_cache(const Descriptor& descriptor) {
  namespace d = pasid_cache_descriptor;
  if (is_malformed(descriptor, d::kFields)) {
    return refuse(QueueError::kReserved);
  }
  const DomainId did = caches_.domain(descriptor.get(d::kDid));
  switch (descriptor.get(d::kG)) {
    case d::kAllOfDomain:
      caches_.pasid_entries_of(did);
      return true;
    case d::kOnePasid:
      caches_.pasid_entry(did, pasid_of(descriptor.get(d::kPasid)));
      return true;
    case d::kEverything:
      caches_.pasid_entries();
      return true;
    default:
      return refuse(QueueError::kReserved);
  }
}

InvalidationQueue::Progress InvalidationQueue::page_group_response(const Descriptor& descriptor) {
  namespace d = page_response_descriptor;
  if (!core_.profile.page_requests()) {
    return refuse(QueueError::kType);
  }
  if (is_malformed(descriptor, d::kFields)) {
    return refuse(QueueError::kReserved);
  }
  pci::PageResponse response{
      .pasid = std::nullopt,
      .group = static_cast<std::uint16_t>(descriptor.get(d::kGroup)),
      .code = static_cast<pci::PageResponseCode>(descriptor.get(d::kCode)),
  };
  if (descriptor.test(d::kPasidPresent)) {
    response.pasid = pasid_of(descriptor.get(d::kPasid));
  }
  page_requests_.respond(function_of(descriptor.get(d::kRid)), response);
  return true;
}

// All checks come before any effect. Page requests are in their queue at once: PD has nothing to
// wait for.
InvalidationQueue::Progress InvalidationQueue::wait(const Descriptor& descriptor) {
  namespace d = wait_descriptor;
  if (is_malformed(descriptor, d::kFields) ||
      (descriptor.test(d::kPd) && !core_.profile.page_request_drain())) {
    return refuse(QueueError::kReserved);
  }
  const PendingWait pending{.descriptor = descriptor,
                            .sent = device_tlbs_.sent(),
                            .drained = drained_,
                            .since = simulation_.now(),
                            .fence = descriptor.test(d::kFn)};
  if (waits_.empty() && is_ready(pending)) {
    complete_wait(descriptor);
    return true;
  }
  waits_.push(pending);
  complete_waits();
  return true;
}

bool InvalidationQueue::is_ready(const PendingWait& wait) const {
  return simulation_.now() >= wait.drained && device_tlbs_.answered(wait.sent);
}

// In their order; the event of the first that waits for requests alone is scheduled.
void InvalidationQueue::complete_waits() {
  while (!waits_.empty() && is_ready(waits_.oldest())) {
    const PendingWait wait = waits_.oldest();
    waits_.pop();
    complete_wait(wait.descriptor);
    waited_(simulation_.now() - wait.since);
  }
  simulation_.cancel(drained_event_);
  if (!waits_.empty() && waits_.oldest().drained > simulation_.now()) {
    simulation_.schedule(drained_event_, waits_.oldest().drained - simulation_.now());
  }
}

void InvalidationQueue::complete_wait(const Descriptor& descriptor) {
  namespace d = wait_descriptor;
  if (descriptor.test(d::kSw)) {
    const PhysAddr at(descriptor.words[1] & d::kAddress.mask());
    const auto status = static_cast<std::uint32_t>(descriptor.get(d::kStatus));
    if (core_.memory.contains(at, sizeof status)) {
      core_.memory.store(at, status);
    }
  }
  if (descriptor.test(d::kIf) && !core_.regs.test(Reg::kIcs, queue::kIwc)) {
    core_.regs.set(Reg::kIcs, queue::kIwc, 1);
    completion_.raise();
  }
}

}  // namespace baton::iommu_vtd
