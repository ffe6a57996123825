#include "model/iommu_vtd/invalidation.h"

#include <array>

#include "model/iommu_vtd/scalable_tables.h"

namespace baton::iommu_vtd {

namespace {

// Granularities of register commands; 0 is reserved.
constexpr std::uint64_t kGlobal = 1;
constexpr std::uint64_t kDomain = 2;
constexpr std::uint64_t kDevice = 3;  // context cache
constexpr std::uint64_t kPages = 3;   // IOTLB

}  // namespace

Range Invalidation::pages(std::uint64_t address, std::uint64_t mask) {
  if (mask >= 52) {
    return {};
  }
  const std::uint64_t bytes = sim::kPageSize << mask;
  const std::uint64_t first = address & ~(bytes - 1);
  return {first, first + (bytes - 1)};
}

DomainId Invalidation::domain(std::uint64_t did) const {
  const std::uint64_t mask = (std::uint64_t{1} << core_.profile.domain_id_bits()) - 1;
  return DomainId(static_cast<std::uint16_t>(did & mask));
}

void Invalidation::everything() {
  contexts();
  pasid_entries();
  translations();
}

// Context cache [VT-d 6.5.1.1, 6.5.2.1].

void Invalidation::contexts() {
  core_.contexts.clear();
  core_.scalable_contexts.clear();
}

// The tag is the domain id of the entry as it was cached. Entries of scalable mode have none: all
// of them go.
void Invalidation::contexts_of(DomainId did) {
  if (core_.profile.has(Erratum::kContextsOfDomainStay)) {
    return;
  }
  core_.contexts.erase_if([&](const sim::CacheKey&, const Entry128& context) {
    return domain_of(core_.profile, context) == did;
  });
  core_.scalable_contexts.clear();
}

// By requester alone, whatever the domain id: legal over-invalidation, as other units do it.
void Invalidation::context_of(std::uint64_t source, std::uint64_t function_mask) {
  constexpr std::array<std::uint64_t, 4> kMasks{0xFFFF, 0xFFFB, 0xFFF9, 0xFFF8};
  if (core_.profile.has(Erratum::kContextOfDeviceStays)) {
    return;
  }
  const bool masked = !core_.profile.has(Erratum::kContextFunctionMaskIgnored);
  const std::uint64_t mask = kMasks[masked ? function_mask : 0];
  const auto matches = [&](const sim::CacheKey& requester, const auto&) {
    return (requester.place & mask) == (source & mask);
  };
  core_.contexts.erase_if(matches);
  core_.scalable_contexts.erase_if(matches);
}

// PASID cache [VT-d 6.5.2.2]. The tag is the domain id of the entry as it was cached.

void Invalidation::pasid_entries() { core_.pasids.clear(); }

void Invalidation::pasid_entries_of(DomainId did) {
  if (core_.profile.has(Erratum::kPasidsOfDomainStay)) {
    return;
  }
  core_.pasids.erase_if([&](const sim::CacheKey&, const PasidCacheEntry& cached) {
    return domain_of(core_.profile, cached.entry) == did;
  });
}

void Invalidation::pasid_entry(DomainId did, Pasid pasid) {
  if (core_.profile.has(Erratum::kPasidEntryStays)) {
    return;
  }
  core_.pasids.erase_if([&](const sim::CacheKey& key, const PasidCacheEntry& cached) {
    return (key.place & 0xF'FFFF) == pasid.value() && domain_of(core_.profile, cached.entry) == did;
  });
}

// IOTLB and paging-structure caches [VT-d 6.5.1.2, 6.5.2.3, 6.5.2.4].

void Invalidation::translations() {
  const Profile& profile = core_.profile;
  if (!profile.has(Erratum::kGlobalKeepsTranslations)) {
    core_.iotlb.clear();
  }
  if (!profile.has(Erratum::kGlobalKeepsFirstStagePaging)) {
    core_.first_stage.clear();
  }
  if (!profile.has(Erratum::kGlobalKeepsSecondStagePaging)) {
    core_.second_stage.clear();
  }
}

void Invalidation::translations_of(DomainId did) {
  const Profile& profile = core_.profile;
  if (!profile.has(Erratum::kDomainKeepsTranslations)) {
    core_.iotlb.invalidate(tags_of(did, Stage::kSecond));
  }
  if (!profile.has(Erratum::kDomainKeepsNested)) {
    core_.iotlb.invalidate(tags_of(did, Stage::kNested));
  }
  if (!profile.has(Erratum::kDomainKeepsPaging)) {
    core_.second_stage.invalidate(tags_of(did, Stage::kSecond));
  }
}

void Invalidation::pages_of(DomainId did, Range range, bool leaf_only) {
  const Profile& profile = core_.profile;
  if (profile.has(Erratum::kPagesKeepSuperpages)) {
    core_.iotlb.invalidate(tags_of(did, Stage::kSecond), range, 0);
  } else if (!profile.has(Erratum::kPagesKeepTranslations)) {
    core_.iotlb.invalidate(tags_of(did, Stage::kSecond), range);
  }
  if (!profile.has(Erratum::kPagesKeepNested)) {
    core_.iotlb.invalidate(tags_of(did, Stage::kNested));
  }
  if (!leaf_only && !profile.has(Erratum::kPagesKeepPaging)) {
    core_.second_stage.invalidate(tags_of(did, Stage::kSecond), range);
  }
}

void Invalidation::translations_of(DomainId did, Pasid pasid) {
  const Profile& profile = core_.profile;
  if (!profile.has(Erratum::kPasidKeepsFirstStage)) {
    core_.iotlb.invalidate(tags_of(did, Stage::kFirst, pasid));
  }
  if (!profile.has(Erratum::kPasidKeepsNested)) {
    core_.iotlb.invalidate(tags_of(did, Stage::kNested, pasid));
  }
  if (!profile.has(Erratum::kPasidKeepsPaging)) {
    core_.first_stage.invalidate(tags_of(did, Stage::kFirst, pasid));
  }
}

void Invalidation::pages_of(DomainId did, Pasid pasid, Range range, bool leaf_only) {
  const Profile& profile = core_.profile;
  if (!profile.has(Erratum::kPasidPagesKeepTranslations)) {
    core_.iotlb.invalidate(tags_of(did, Stage::kFirst, pasid), range);
    core_.iotlb.invalidate(tags_of(did, Stage::kNested, pasid), range);
  }
  if (!leaf_only && !profile.has(Erratum::kPasidPagesKeepPaging)) {
    core_.first_stage.invalidate(tags_of(did, Stage::kFirst, pasid), range);
  }
}

// Interrupt-entry cache [VT-d 6.5.2.7].

void Invalidation::remap_entries() {
  if (!core_.profile.has(Erratum::kRemapEntriesStay)) {
    core_.remap_entries.clear();
  }
}

void Invalidation::remap_entries(std::uint64_t first, std::uint64_t count) {
  if (core_.profile.has(Erratum::kRemapEntryStays)) {
    return;
  }
  core_.remap_entries.erase_if([&](const sim::CacheKey& index, const Entry128&) {
    return index.place >= first && index.place - first < count;
  });
}

// Register commands [VT-d 6.5.1].

void Invalidation::context_command() {
  if (core_.status(gcmd::kQie)) {
    return;
  }
  RegisterFile& regs = core_.regs;
  const std::uint64_t granularity = regs.get(Reg::kCcmd, ccmd::kCirg);
  if (granularity == kGlobal) {
    contexts();
  } else if (granularity == kDomain) {
    contexts_of(domain(regs.get(Reg::kCcmd, ccmd::kDid)));
  } else if (granularity == kDevice) {
    context_of(regs.get(Reg::kCcmd, ccmd::kSid), regs.get(Reg::kCcmd, ccmd::kFm));
  }
  if (granularity != 0) {
    observe(InvalidationKind::kContextCache, nullptr);
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
    translations();
  } else if (granularity == kDomain) {
    translations_of(did);
  } else if (granularity == kPages) {
    const std::uint64_t mask = regs.get(Reg::kIva, iotlb::kIvaMask);
    if (mask <= core_.profile.largest_address_mask()) {
      pages_of(did, pages(regs.get(Reg::kIva) & iotlb::kIvaAddress.mask(), mask),
               regs.test(Reg::kIva, iotlb::kIvaHint));
    } else {
      granularity = 0;  // nothing was invalidated
    }
  }
  if (granularity != 0) {
    observe(InvalidationKind::kIotlb, nullptr);
  }
  regs.set(Reg::kIotlb, iotlb::kIaig, granularity);
  const sim::Time drained = core_.drain.end(
      granularity != 0 && regs.test(Reg::kIotlb, iotlb::kDr) && core_.profile.drains_reads(),
      granularity != 0 && regs.test(Reg::kIotlb, iotlb::kDw) && core_.profile.drains_writes());
  simulation_.cancel(drained_event_);
  if (drained > simulation_.now()) {
    simulation_.schedule_at(drained_event_, drained);
  } else {
    end_iotlb_command();
  }
}

void Invalidation::end_iotlb_command() { core_.regs.set(Reg::kIotlb, iotlb::kIvt, 0); }

}  // namespace baton::iommu_vtd
