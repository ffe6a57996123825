// What the chapters of a remapping unit share: memory, profile, registers, caches, and the pointers
// latched by SRTP and SIRTP.
//
// Caches modelled: context cache (one for each table mode), PASID cache, IOTLB, paging-structure
// caches of both stages, interrupt-entry cache [VT-d 6.2].
#pragma once

#include <cstdint>

#include "model/iommu_vtd/cache.h"
#include "model/iommu_vtd/paging_cache.h"
#include "model/iommu_vtd/profile.h"
#include "model/iommu_vtd/registers.h"
#include "model/iommu_vtd/tables.h"
#include "sim/memory.h"

namespace baton::iommu_vtd {

struct IotlbEntry {
  Range covers;
  Mapping mapping;
};

class Iotlb {
 public:
  explicit Iotlb(std::size_t capacity) : cache_(capacity) {}

  const IotlbEntry* find(std::uint64_t tag, std::uint64_t iova);
  void insert(std::uint64_t tag, std::uint64_t iova, const Mapping& mapping);

  void clear() { cache_.clear(); }
  // Every entry with such a tag that intersects the range.
  void invalidate(TagMask tags, Range range = {});

  std::size_t size() const { return cache_.size(); }

 private:
  static CacheKey key(std::uint64_t tag, std::uint64_t iova, unsigned level);
  Cache<IotlbEntry, CacheKey> cache_;
};

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
        contexts(p.context_cache_entries),
        scalable_contexts(p.context_cache_entries),
        pasids(p.pasid_cache_entries),
        iotlb(p.iotlb_entries),
        first_stage(p.paging_cache_entries),
        second_stage(p.paging_cache_entries),
        remap_entries(p.interrupt_cache_entries) {}

  sim::PhysicalMemory& memory;
  const Profile profile;
  RegisterFile regs;

  Cache<Entry128> contexts;           // by requester id
  Cache<Entry256> scalable_contexts;  // by requester id
  Cache<PasidCacheEntry> pasids;      // by requester id and PASID: pasid_key()
  Iotlb iotlb;
  PagingCache first_stage;
  PagingCache second_stage;
  Cache<Entry128> remap_entries;  // by index

  std::uint64_t root = 0;         // RTADDR as latched
  std::uint64_t remap_table = 0;  // IRTA as latched

  static std::uint64_t pasid_key(Bdf requester, Pasid pasid) {
    return std::uint64_t{requester.value()} << 20 | pasid.value();
  }

  PhysAddr root_table() const { return PhysAddr(root & rtaddr::kRta.mask()); }
  bool status(const Field& command) const { return regs.test(Reg::kGsts, command); }
};

}  // namespace baton::iommu_vtd
