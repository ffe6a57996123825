// What caches may hold of one domain, and how they are told to forget it [linux
// drivers/iommu/intel/cache.c].
#pragma once

#include <optional>
#include <vector>

#include "model/linux/intel_iommu/unit.h"

namespace baton::linux::intel_iommu {

// One place where translations of a domain are: a unit, under a domain id and PASID; or a
// function's device-TLB. Nesting: of a table of user space over this domain, so that nobody knows
// which of its input addresses a page of this domain stands behind.
struct CacheTag {
  Unit* unit = nullptr;
  std::uint16_t domain_id = 0;
  std::uint32_t pasid = 0;
  std::optional<DeviceTlb> device_tlb;
  bool nesting = false;

  friend bool operator==(const CacheTag&, const CacheTag&) = default;
};

class CacheTags {
 public:
  // A tag that is there already has one user more.
  void assign(const CacheTag& tag);
  void unassign(const CacheTag& tag);
  // Input addresses first to last, for units by PASID (first stage) or not: pages if the unit can,
  // else everything; then device-TLBs, which may ask the unit again for what they miss.
  void flush(std::uint64_t first, std::uint64_t last, bool by_pasid) const;
  // Hardware that caches what is not present has to be told of new entries [VT-d 6.1, CM].
  void flush_after_map() const;

 private:
  struct Entry {
    CacheTag tag;
    unsigned users = 1;
  };
  std::vector<Entry> entries_;  // those of a unit together, by register base
};

// The smallest naturally aligned block of 2^n pages that holds [first, last], as n.
unsigned covering_mask(std::uint64_t first, std::uint64_t last);

}  // namespace baton::linux::intel_iommu
