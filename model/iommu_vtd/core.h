// What the chapters of a remapping unit share: memory, profile, registers, caches, and the pointers
// latched by SRTP and SIRTP.
//
// Caches modelled: context cache, IOTLB, interrupt-entry cache [VT-d 6.2]. Paging-structure caches
// are not: every IOTLB miss reads every level, as hardware that has none.
#pragma once

#include <cstdint>

#include "model/iommu_vtd/cache.h"
#include "model/iommu_vtd/profile.h"
#include "model/iommu_vtd/registers.h"
#include "model/iommu_vtd/tables.h"
#include "sim/memory.h"

namespace baton::iommu_vtd {

// Tagged by domain id and page, not by requester: requesters that share a domain id share entries,
// whatever tables their context entries name [VT-d 6.2.4].
struct IotlbEntry {
  DomainId domain;
  std::uint64_t first;  // IOVA of the page
  Mapping mapping;
};

class Iotlb {
 public:
  explicit Iotlb(std::size_t capacity) : cache_(capacity) {}

  const IotlbEntry* find(DomainId domain, std::uint64_t iova);
  void insert(DomainId domain, std::uint64_t iova, const Mapping& mapping);

  void clear() { cache_.clear(); }
  void invalidate_domain(DomainId domain);
  // Every entry that intersects [first, first + bytes).
  void invalidate_range(DomainId domain, std::uint64_t first, std::uint64_t bytes);

  std::size_t size() const { return cache_.size(); }

 private:
  static std::uint64_t key(DomainId domain, std::uint64_t iova, unsigned level);
  Cache<IotlbEntry> cache_;
};

struct Core {
  Core(sim::PhysicalMemory& ram, const Profile& p)
      : memory(ram),
        profile(p),
        regs(profile),
        contexts(p.context_cache_entries),
        iotlb(p.iotlb_entries),
        remap_entries(p.interrupt_cache_entries) {}

  sim::PhysicalMemory& memory;
  const Profile profile;
  RegisterFile regs;

  Cache<Entry128> contexts;  // by requester id
  Iotlb iotlb;
  Cache<Entry128> remap_entries;  // by index

  std::uint64_t root = 0;         // RTADDR as latched
  std::uint64_t remap_table = 0;  // IRTA as latched

  PhysAddr root_table() const { return PhysAddr(root & rtaddr::kRta.mask()); }
  bool status(const Field& command) const { return regs.test(Reg::kGsts, command); }
};

}  // namespace baton::iommu_vtd
