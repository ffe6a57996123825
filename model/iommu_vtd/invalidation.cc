#include "model/iommu_vtd/invalidation.h"

#include "model/iommu_vtd/descriptors.h"
#include "model/iommu_vtd/scalable_tables.h"

namespace baton::iommu_vtd {

namespace {

// Granularities of register commands and descriptors; 0 is reserved.
constexpr std::uint64_t kGlobal = 1;
constexpr std::uint64_t kDomain = 2;
constexpr std::uint64_t kDevice = 3;  // context cache
constexpr std::uint64_t kPages = 3;   // IOTLB

template <std::size_t kRows>
bool is_malformed(const Entry256& descriptor, const std::array<Field, kRows>& fields) {
  return descriptor.has_reserved_bits(fields) || (descriptor.words[2] | descriptor.words[3]) != 0;
}

// 2^mask pages around `address`.
Range pages(std::uint64_t address, std::uint64_t mask) {
  if (mask >= 52) {
    return {};
  }
  const std::uint64_t bytes = sim::kPageSize << mask;
  const std::uint64_t first = address & ~(bytes - 1);
  return {first, first + (bytes - 1)};
}

}  // namespace

DomainId Invalidation::domain(std::uint64_t did) const {
  const std::uint64_t mask = (std::uint64_t{1} << core_.profile.domain_id_bits()) - 1;
  return DomainId(static_cast<std::uint16_t>(did & mask));
}

void Invalidation::flush_all() {
  flush_contexts();
  core_.pasids.clear();
  flush_translations();
}

void Invalidation::flush_contexts() {
  core_.contexts.clear();
  core_.scalable_contexts.clear();
}

void Invalidation::flush_translations() {
  core_.iotlb.clear();
  core_.first_stage.clear();
  core_.second_stage.clear();
}

// The tag is the domain id of the entry as it was cached. Entries of scalable mode have none: all
// of them go.
void Invalidation::invalidate_contexts_of(DomainId did) {
  core_.contexts.erase_if([&](std::uint64_t, const Entry128& context) {
    return domain_of(core_.profile, context) == did;
  });
  core_.scalable_contexts.clear();
}

// By requester alone, whatever the domain id: legal over-invalidation, as other units do it.
void Invalidation::invalidate_context(std::uint64_t source, std::uint64_t function_mask) {
  constexpr std::array<std::uint64_t, 4> kMasks{0xFFFF, 0xFFFB, 0xFFF9, 0xFFF8};
  const std::uint64_t mask = kMasks[function_mask];
  const auto matches = [&](std::uint64_t requester, const auto&) {
    return (requester & mask) == (source & mask);
  };
  core_.contexts.erase_if(matches);
  core_.scalable_contexts.erase_if(matches);
}

void Invalidation::invalidate_domain(DomainId did) {
  core_.iotlb.invalidate(tags_of(did, Stage::kSecond));
  core_.iotlb.invalidate(tags_of(did, Stage::kNested));
  core_.second_stage.invalidate(tags_of(did, Stage::kSecond), {});
}

// Nested entries are found by first-stage addresses: all of the domain go. With `leaf_only` (IH)
// the caches of non-leaf entries stay.
void Invalidation::invalidate_pages(DomainId did, Range range, bool leaf_only) {
  core_.iotlb.invalidate(tags_of(did, Stage::kSecond), range);
  core_.iotlb.invalidate(tags_of(did, Stage::kNested));
  if (!leaf_only) {
    core_.second_stage.invalidate(tags_of(did, Stage::kSecond), range);
  }
}

void Invalidation::invalidate_pasid(DomainId did, Pasid pasid, Range range, bool leaf_only) {
  for (const Stage stage : {Stage::kFirst, Stage::kNested}) {
    core_.iotlb.invalidate(tags_of(did, stage, pasid), range);
  }
  if (!leaf_only) {
    core_.first_stage.invalidate(tags_of(did, Stage::kFirst, pasid), range);
  }
}

void Invalidation::context_command() {
  if (core_.status(gcmd::kQie)) {
    return;
  }
  RegisterFile& regs = core_.regs;
  const std::uint64_t granularity = regs.get(Reg::kCcmd, ccmd::kCirg);
  if (granularity == kGlobal) {
    flush_contexts();
  } else if (granularity == kDomain) {
    invalidate_contexts_of(domain(regs.get(Reg::kCcmd, ccmd::kDid)));
  } else if (granularity == kDevice) {
    invalidate_context(regs.get(Reg::kCcmd, ccmd::kSid), regs.get(Reg::kCcmd, ccmd::kFm));
  }
  if (granularity != 0) observer_(InvalidationKind::kContextCache, nullptr);
  regs.set(Reg::kCcmd, ccmd::kCaig, granularity);
  regs.set(Reg::kCcmd, ccmd::kIcc, 0);
}

void Invalidation::iotlb_command() {
  if (core_.status(gcmd::kQie)) {
    return;
  }
  RegisterFile& regs = core_.regs;
  const DomainId did = domain(regs.get(Reg::kIotlb, iotlb::kDid));
  std::uint64_t granularity = regs.get(Reg::kIotlb, iotlb::kIirg);
  if (granularity == kPages && !core_.profile.page_selective()) {
    granularity = kDomain;
  }
  if (granularity == kGlobal) {
    flush_translations();
  } else if (granularity == kDomain) {
    invalidate_domain(did);
  } else if (granularity == kPages) {
    const std::uint64_t mask = regs.get(Reg::kIva, iotlb::kIvaMask);
    if (mask <= core_.profile.largest_address_mask()) {
      invalidate_pages(did, pages(regs.get(Reg::kIva) & iotlb::kIvaAddress.mask(), mask),
                       regs.test(Reg::kIva, iotlb::kIvaHint));
    } else {
      granularity = 0;  // nothing was invalidated
    }
  }
  if (granularity != 0) observer_(InvalidationKind::kIotlb, nullptr);
  regs.set(Reg::kIotlb, iotlb::kIaig, granularity);
  regs.set(Reg::kIotlb, iotlb::kIvt, 0);
}

void Invalidation::run_queue() {
  constexpr std::uint64_t kStopped = fsts::kIqe.mask() | fsts::kIte.mask();
  RegisterFile& regs = core_.regs;
  while (core_.status(gcmd::kQie) && (regs.get(Reg::kFsts) & kStopped) == 0 &&
         regs.get(Reg::kIqh) != regs.get(Reg::kIqt)) {
    if (const auto error = step()) {
      log_.queue_error(static_cast<unsigned>(*error));
    }
  }
}

std::optional<QueueError> Invalidation::step() {
  RegisterFile& regs = core_.regs;
  const std::uint64_t size = sim::kPageSize << regs.get(Reg::kIqa, queue::kSize);
  if (regs.get(Reg::kIqt) >= size) {
    return QueueError::kTailOutOfRange;
  }
  const bool wide = regs.test(Reg::kIqa, queue::kWidth);
  if (wide && !core_.profile.scalable_mode() && !core_.profile.abort_mode()) {
    return QueueError::kWidth;
  }
  const std::uint64_t bytes = wide ? sizeof(Entry256) : sizeof(Entry128);
  if (regs.get(Reg::kIqt) % bytes != 0) {
    return QueueError::kTailMisaligned;
  }
  const std::uint64_t head = regs.get(Reg::kIqh) & ~(bytes - 1);
  const PhysAddr base(regs.get(Reg::kIqa) & queue::kBase.mask());
  const std::optional<Descriptor> descriptor = fetch(base + head, wide);
  if (!descriptor) {
    return QueueError::kFetch;
  }
  if (const auto error = execute(*descriptor, wide)) {
    return error;
  }
  observe(*descriptor);
  regs.set(Reg::kIqh, head + bytes == size ? 0 : head + bytes);
  return std::nullopt;
}

std::optional<Invalidation::Descriptor> Invalidation::fetch(PhysAddr at, bool wide) {
  if (wide) {
    return load<4>(core_.memory, at);
  }
  const std::optional<Entry128> narrow = load<2>(core_.memory, at);
  return narrow ? std::optional(Descriptor{{narrow->words[0], narrow->words[1], 0, 0}})
                : std::nullopt;
}

// A wait descriptor invalidates nothing.
void Invalidation::observe(const Descriptor& descriptor) const {
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
  if (type < kKinds.size() && kKinds[type]) observer_(*kKinds[type], &descriptor);
}

// AMBIGUOUS: one source has an error for descriptors of a mode that RTADDR does not select; they
// are executed here, and find nothing to invalidate.
std::optional<QueueError> Invalidation::execute(const Descriptor& descriptor, bool wide) {
  switch (descriptor.get(kTypeHigh) << 4 | descriptor.get(kTypeLow)) {
    case 1:
      return context_descriptor(descriptor);
    case 2:
      return iotlb_descriptor(descriptor);
    case 3:
      return device_tlb_descriptor(descriptor);
    case 4:
      return interrupt_entry_descriptor(descriptor);
    case 5:
      return wait_descriptor(descriptor);
    case 6:
    case 7:
    case 8:
    case 9:
      return wide ? wide_descriptor(descriptor) : QueueError::kWidth;
    default:
      return QueueError::kType;
  }
}

std::optional<QueueError> Invalidation::context_descriptor(const Descriptor& descriptor) {
  const std::uint64_t granularity = descriptor.get(context_cache::kG);
  if (is_malformed(descriptor, context_cache::kFields) || granularity == 0) {
    return QueueError::kReserved;
  }
  if (granularity == kGlobal) {
    flush_contexts();
  } else if (granularity == kDomain) {
    invalidate_contexts_of(domain(descriptor.get(context_cache::kDid)));
  } else {
    invalidate_context(descriptor.get(context_cache::kSid), descriptor.get(context_cache::kFm));
  }
  return std::nullopt;
}

std::optional<QueueError> Invalidation::iotlb_descriptor(const Descriptor& descriptor) {
  const std::uint64_t granularity = descriptor.get(iotlb_pages::kG);
  if (is_malformed(descriptor, iotlb_pages::kFields) || granularity == 0) {
    return QueueError::kReserved;
  }
  const DomainId did = domain(descriptor.get(iotlb_pages::kDid));
  if (granularity == kGlobal) {
    flush_translations();
  } else if (granularity == kDomain || !core_.profile.page_selective()) {
    invalidate_domain(did);
  } else {
    const std::uint64_t mask = descriptor.get(iotlb_pages::kAm);
    if (mask > core_.profile.largest_address_mask()) {
      return QueueError::kReserved;
    }
    invalidate_pages(did, pages(descriptor.words[1] & iotlb_pages::kAddress.mask(), mask),
                     descriptor.test(iotlb_pages::kIh));
  }
  return std::nullopt;
}

std::optional<QueueError> Invalidation::device_tlb_descriptor(const Descriptor& descriptor) {
  if (!core_.profile.device_tlb()) {
    return QueueError::kType;
  }
  return is_malformed(descriptor, device_tlb::kFields) ? std::optional(QueueError::kReserved)
                                                       : std::nullopt;
}

std::optional<QueueError> Invalidation::wide_descriptor(const Descriptor& descriptor) {
  switch (descriptor.get(kTypeLow)) {
    case 6:
      return pasid_iotlb_descriptor(descriptor);
    case 7:
      return pasid_cache_descriptor(descriptor);
    case 8:
      return !core_.profile.device_tlb() ? std::optional(QueueError::kType)
             : is_malformed(descriptor, pasid_device_tlb::kFields)
                 ? std::optional(QueueError::kReserved)
                 : std::nullopt;
    default:
      return QueueError::kType;
  }
}

std::optional<QueueError> Invalidation::pasid_iotlb_descriptor(const Descriptor& descriptor) {
  constexpr std::uint64_t kPasidPages = 3;
  const std::uint64_t granularity = descriptor.get(pasid_iotlb::kG);
  if (is_malformed(descriptor, pasid_iotlb::kFields) || granularity < 2) {
    return QueueError::kReserved;
  }
  const DomainId did = domain(descriptor.get(pasid_iotlb::kDid));
  const Pasid pasid(static_cast<std::uint32_t>(descriptor.get(pasid_iotlb::kPasid)));
  if (granularity == kPasidPages) {
    const std::uint64_t address = descriptor.words[1] & pasid_iotlb::kAddress.mask();
    invalidate_pasid(did, pasid, pages(address, descriptor.get(pasid_iotlb::kAm)),
                     descriptor.test(pasid_iotlb::kIh));
  } else {
    invalidate_pasid(did, pasid, {}, false);
  }
  return std::nullopt;
}

// The tag is the domain id of the entry as it was cached.
std::optional<QueueError> Invalidation::pasid_cache_descriptor(const Descriptor& descriptor) {
  constexpr std::uint64_t kAllOfDomain = 0;
  constexpr std::uint64_t kOnePasid = 1;
  constexpr std::uint64_t kEverything = 3;
  const std::uint64_t granularity = descriptor.get(pasid_cache::kG);
  if (is_malformed(descriptor, pasid_cache::kFields) || granularity == 2) {
    return QueueError::kReserved;
  }
  const DomainId did = domain(descriptor.get(pasid_cache::kDid));
  const std::uint64_t pasid = descriptor.get(pasid_cache::kPasid);
  core_.pasids.erase_if([&](std::uint64_t key, const PasidCacheEntry& cached) {
    const bool of_domain = domain_of(core_.profile, cached.entry) == did;
    const bool of_pasid = (key & 0xF'FFFF) == pasid;
    return granularity == kEverything || (granularity == kAllOfDomain && of_domain) ||
           (granularity == kOnePasid && of_domain && of_pasid);
  });
  return std::nullopt;
}

std::optional<QueueError> Invalidation::interrupt_entry_descriptor(const Descriptor& descriptor) {
  if (!core_.profile.interrupt_remapping()) {
    return QueueError::kType;
  }
  if (is_malformed(descriptor, interrupt_entry::kFields)) {
    return QueueError::kReserved;
  }
  if (!descriptor.test(interrupt_entry::kG)) {
    core_.remap_entries.clear();
    return std::nullopt;
  }
  const std::uint64_t count = std::uint64_t{1} << descriptor.get(interrupt_entry::kIm);
  const std::uint64_t first = descriptor.get(interrupt_entry::kIndex) & ~(count - 1);
  core_.remap_entries.erase_if([&](std::uint64_t index, const Entry128&) {
    return index >= first && index - first < count;
  });
  return std::nullopt;
}

std::optional<QueueError> Invalidation::wait_descriptor(const Descriptor& descriptor) {
  if (is_malformed(descriptor, wait::kFields)) {
    return QueueError::kReserved;
  }
  if (descriptor.test(wait::kSw)) {
    const PhysAddr at(descriptor.words[1] & wait::kAddress.mask());
    const auto status = static_cast<std::uint32_t>(descriptor.get(wait::kStatus));
    if (core_.memory.contains(at, sizeof status)) {
      core_.memory.store(at, status);
    }
  }
  if (descriptor.test(wait::kIf) && !core_.regs.test(Reg::kIcs, queue::kIwc)) {
    core_.regs.set(Reg::kIcs, queue::kIwc, 1);
    completion_.raise();
  }
  return std::nullopt;
}

}  // namespace baton::iommu_vtd
