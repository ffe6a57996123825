// What the chapters of a remapping unit share: memory, profile, registers, caches, and the pointers
// latched by SRTP and SIRTP.
//
// Caches modelled: context cache (one for each table mode), PASID cache, IOTLB, paging-structure
// caches of both stages, interrupt-entry cache [VT-d 6.2].
#pragma once

#include <cstdint>

#include "model/iommu_vtd/drain.h"
#include "model/iommu_vtd/iotlb.h"
#include "model/iommu_vtd/paging_cache.h"
#include "model/iommu_vtd/profile.h"
#include "model/iommu_vtd/registers.h"
#include "model/iommu_vtd/tables.h"
#include "sim/memory.h"
#include "sim/translation_cache.h"

namespace baton::iommu_vtd {

// A PASID-table entry, with FPD of the directory entry it was found through.
struct PasidCacheEntry {
  Entry512 entry;
  bool fault_processing_disabled = false;
};

struct Core {
  Core(sim::PhysicalMemory& ram, const Profile& p)
      : memory(ram),
        profile(p),
        regs(profile),
        contexts(p.capacity(p.context_cache_entries), changes),
        scalable_contexts(p.capacity(p.context_cache_entries), changes),
        pasids(p.capacity(p.pasid_cache_entries), changes),
        iotlb(p.capacity(p.iotlb_entries), changes),
        first_stage(p.capacity(p.paging_cache_entries), changes),
        second_stage(p.capacity(p.paging_cache_entries), changes),
        remap_entries(p.capacity(p.interrupt_cache_entries), changes) {}

  sim::PhysicalMemory& memory;
  const Profile profile;
  const SecondStageRules second_stage_rules{profile};
  RegisterFile regs;

  // Counts what may make an earlier answer wrong: register writes, cache entries gone or replaced.
  std::uint64_t changes = 1;

  // Places without a tag: requester ids, requester ids with PASIDs (pasid_key()), indices.
  sim::TranslationCache<Entry128> contexts;
  sim::TranslationCache<Entry256> scalable_contexts;
  sim::TranslationCache<PasidCacheEntry> pasids;
  Iotlb iotlb;
  PagingCache first_stage;
  PagingCache second_stage;
  sim::TranslationCache<Entry128> remap_entries;

  Drain drain;

  std::uint64_t root = 0;         // RTADDR as latched
  std::uint64_t remap_table = 0;  // IRTA as latched

  static sim::CacheKey pasid_key(Bdf requester, Pasid pasid) {
    return {0, std::uint64_t{requester.value()} << 20 | pasid.value()};
  }

  WalkContext second_stage_walk(std::uint64_t tag) {
    return {.memory = memory,
            .profile = profile,
            .rules = second_stage_rules,
            .cache = second_stage.enabled() ? &second_stage : nullptr,
            .tag = tag};
  }

  PhysAddr root_table() const { return PhysAddr(root & rtaddr::kRta.mask()); }
  // The domain id as a tag of cached translations.
  DomainId tag_domain(DomainId domain) const {
    return profile.has(Erratum::kIotlbIgnoresDomain) ? DomainId(0) : domain;
  }
  bool status(const Field& command) const { return regs.test(Reg::kGsts, command); }
};

}  // namespace baton::iommu_vtd
