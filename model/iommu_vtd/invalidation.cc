#include "model/iommu_vtd/invalidation.h"

namespace baton::iommu_vtd {

namespace {

// Granularities of register commands and descriptors; 0 is reserved.
constexpr std::uint64_t kGlobal = 1;
constexpr std::uint64_t kDomain = 2;
constexpr std::uint64_t kDevice = 3;  // context cache
constexpr std::uint64_t kPages = 3;   // IOTLB

constexpr std::uint64_t kDescriptorBytes = 16;

// Descriptor types: bits 11:9 above bits 3:0 [VT-d 6.5.2].
constexpr Field kTypeLow{"type", 3, 0};
constexpr Field kTypeHigh{"type high", 11, 9};
constexpr Field kReserved8{"", 8, 8, Access::kReserved};
constexpr Field kReserved15to12{"", 15, 12, Access::kReserved};
constexpr Field kSecondWordReserved{"", 127, 64, Access::kReserved};

namespace context_cache {
constexpr Field kG{"G", 5, 4};
constexpr Field kDid{"DID", 31, 16};
constexpr Field kSid{"SID", 47, 32};
constexpr Field kFm{"FM", 49, 48};
constexpr std::array kFields{
    kTypeLow, kG,  Field{"", 8, 6, Access::kReserved},   kTypeHigh,          kReserved15to12, kDid,
    kSid,     kFm, Field{"", 63, 50, Access::kReserved}, kSecondWordReserved};
static_assert(covers(kFields, 128));
}  // namespace context_cache

namespace iotlb_pages {
constexpr Field kG{"G", 5, 4};
constexpr Field kDid{"DID", 31, 16};
constexpr Field kAm{"AM", 69, 64};
constexpr Field kIh{"IH", 70, 70};
constexpr Field kAddress{"ADDR", 127, 76};
constexpr std::array kFields{kTypeLow,
                             kG,
                             Field{"DW", 6, 6},
                             Field{"DR", 7, 7},
                             kReserved8,
                             kTypeHigh,
                             kReserved15to12,
                             kDid,
                             Field{"", 63, 32, Access::kReserved},
                             kAm,
                             kIh,
                             Field{"", 75, 71, Access::kReserved},
                             kAddress};
static_assert(covers(kFields, 128));
}  // namespace iotlb_pages

namespace device_tlb {
constexpr std::array kFields{kTypeLow,
                             Field{"", 8, 4, Access::kReserved},
                             kTypeHigh,
                             Field{"PFSID[3:0]", 15, 12},
                             Field{"MIP", 20, 16},
                             Field{"", 31, 21, Access::kReserved},
                             Field{"SID", 47, 32},
                             Field{"", 51, 48, Access::kReserved},
                             Field{"PFSID[15:4]", 63, 52},
                             Field{"S", 64, 64},
                             Field{"", 75, 65, Access::kReserved},
                             Field{"ADDR", 127, 76}};
static_assert(covers(kFields, 128));
}  // namespace device_tlb

namespace interrupt_entry {
constexpr Field kG{"G", 4, 4};
constexpr Field kIm{"IM", 31, 27};
constexpr Field kIndex{"IIDX", 47, 32};
constexpr std::array kFields{kTypeLow,
                             kG,
                             Field{"", 8, 5, Access::kReserved},
                             kTypeHigh,
                             Field{"", 26, 12, Access::kReserved},
                             kIm,
                             kIndex,
                             Field{"", 63, 48, Access::kReserved},
                             kSecondWordReserved};
static_assert(covers(kFields, 128));
}  // namespace interrupt_entry

namespace wait {
constexpr Field kIf{"IF", 4, 4};
constexpr Field kSw{"SW", 5, 5};
constexpr Field kStatus{"status data", 63, 32};
constexpr Field kAddress{"status address", 127, 66};
constexpr std::array kFields{kTypeLow,
                             kIf,
                             kSw,
                             Field{"FN", 6, 6},
                             Field{"PD", 7, 7, Access::kReserved},  // ECAP.PDS=0
                             kReserved8,
                             kTypeHigh,
                             Field{"", 31, 12, Access::kReserved},
                             kStatus,
                             Field{"", 65, 64, Access::kReserved},
                             kAddress};
static_assert(covers(kFields, 128));
}  // namespace wait

template <std::size_t N>
bool has_reserved_bits(const Entry128& descriptor, const std::array<Field, N>& fields) {
  return (descriptor.words[0] & mask_of(fields, Access::kReserved, 0)) != 0 ||
         (descriptor.words[1] & mask_of(fields, Access::kReserved, 1)) != 0;
}

}  // namespace

DomainId Invalidation::domain(std::uint64_t did) const {
  const std::uint64_t mask = (std::uint64_t{1} << core_.profile.domain_id_bits()) - 1;
  return DomainId(static_cast<std::uint16_t>(did & mask));
}

void Invalidation::flush_all() {
  core_.contexts.clear();
  core_.iotlb.clear();
}

// The tag is the domain id of the entry as it was cached.
void Invalidation::invalidate_contexts_of(DomainId did) {
  core_.contexts.erase_if([&](std::uint64_t, const Entry128& context) {
    return domain_of(core_.profile, context) == did;
  });
}

// By requester alone, whatever the domain id: legal over-invalidation, as other units do it.
void Invalidation::invalidate_context(std::uint64_t source, std::uint64_t function_mask) {
  constexpr std::array<std::uint64_t, 4> kMasks{0xFFFF, 0xFFFB, 0xFFF9, 0xFFF8};
  const std::uint64_t mask = kMasks[function_mask];
  core_.contexts.erase_if([&](std::uint64_t requester, const Entry128&) {
    return (requester & mask) == (source & mask);
  });
}

void Invalidation::invalidate_pages(DomainId did, std::uint64_t address,
                                    std::uint64_t address_mask) {
  const std::uint64_t bytes = sim::kPageSize << address_mask;
  core_.iotlb.invalidate_range(did, address & ~(bytes - 1), bytes);
}

void Invalidation::context_command() {
  if (core_.status(gcmd::kQie)) {
    return;
  }
  RegisterFile& regs = core_.regs;
  const std::uint64_t granularity = regs.get(Reg::kCcmd, ccmd::kCirg);
  if (granularity == kGlobal) {
    core_.contexts.clear();
  } else if (granularity == kDomain) {
    invalidate_contexts_of(domain(regs.get(Reg::kCcmd, ccmd::kDid)));
  } else if (granularity == kDevice) {
    invalidate_context(regs.get(Reg::kCcmd, ccmd::kSid), regs.get(Reg::kCcmd, ccmd::kFm));
  }
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
    core_.iotlb.clear();
  } else if (granularity == kDomain) {
    core_.iotlb.invalidate_domain(did);
  } else if (granularity == kPages) {
    const std::uint64_t mask = regs.get(Reg::kIva, iotlb::kIvaMask);
    if (mask <= core_.profile.largest_address_mask()) {
      invalidate_pages(did, regs.get(Reg::kIva) & iotlb::kIvaAddress.mask(), mask);
    } else {
      granularity = 0;  // nothing was invalidated
    }
  }
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
  if (regs.test(Reg::kIqa, queue::kWidth)) {
    return QueueError::kWidth;
  }
  const std::uint64_t head = regs.get(Reg::kIqh);
  const PhysAddr base(regs.get(Reg::kIqa) & queue::kBase.mask());
  const std::optional<Descriptor> descriptor = load_entry(core_.memory, base + head);
  if (!descriptor) {
    return QueueError::kFetch;
  }
  if (const auto error = execute(*descriptor)) {
    return error;
  }
  regs.set(Reg::kIqh, head + kDescriptorBytes == size ? 0 : head + kDescriptorBytes);
  return std::nullopt;
}

std::optional<QueueError> Invalidation::execute(const Descriptor& descriptor) {
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
      return QueueError::kWidth;  // 256-bit descriptors only
    default:
      return QueueError::kType;
  }
}

std::optional<QueueError> Invalidation::context_descriptor(const Descriptor& descriptor) {
  const std::uint64_t granularity = descriptor.get(context_cache::kG);
  if (has_reserved_bits(descriptor, context_cache::kFields) || granularity == 0) {
    return QueueError::kReserved;
  }
  if (granularity == kGlobal) {
    core_.contexts.clear();
  } else if (granularity == kDomain) {
    invalidate_contexts_of(domain(descriptor.get(context_cache::kDid)));
  } else {
    invalidate_context(descriptor.get(context_cache::kSid), descriptor.get(context_cache::kFm));
  }
  return std::nullopt;
}

std::optional<QueueError> Invalidation::iotlb_descriptor(const Descriptor& descriptor) {
  const std::uint64_t granularity = descriptor.get(iotlb_pages::kG);
  if (has_reserved_bits(descriptor, iotlb_pages::kFields) || granularity == 0) {
    return QueueError::kReserved;
  }
  const DomainId did = domain(descriptor.get(iotlb_pages::kDid));
  if (granularity == kGlobal) {
    core_.iotlb.clear();
  } else if (granularity == kDomain || !core_.profile.page_selective()) {
    core_.iotlb.invalidate_domain(did);
  } else {
    const std::uint64_t mask = descriptor.get(iotlb_pages::kAm);
    if (mask > core_.profile.largest_address_mask()) {
      return QueueError::kReserved;
    }
    invalidate_pages(did, descriptor.words[1] & iotlb_pages::kAddress.mask(), mask);
  }
  return std::nullopt;
}

std::optional<QueueError> Invalidation::device_tlb_descriptor(const Descriptor& descriptor) {
  if (!core_.profile.device_tlb()) {
    return QueueError::kType;
  }
  return has_reserved_bits(descriptor, device_tlb::kFields) ? std::optional(QueueError::kReserved)
                                                            : std::nullopt;
}

std::optional<QueueError> Invalidation::interrupt_entry_descriptor(const Descriptor& descriptor) {
  if (!core_.profile.interrupt_remapping()) {
    return QueueError::kType;
  }
  if (has_reserved_bits(descriptor, interrupt_entry::kFields)) {
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
  if (has_reserved_bits(descriptor, wait::kFields)) {
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
