#include "model/linux/intel_iommu/cache_tags.h"

#include <algorithm>
#include <bit>

#include "sim/check.h"

namespace baton::linux::intel_iommu {
namespace {

struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  unsigned mask = 0;
  // Of 2^mask pages.
  std::uint64_t block() const { return mask >= 52 ? 0 : first & ~((sim::kPageSize << mask) - 1); }
};

Descriptor iotlb_of(const CacheTag& tag, const Range& range, bool by_pasid) {
  const Capabilities& capabilities = tag.unit->capabilities();
  const bool pages = capabilities.page_selective() && range.mask <= capabilities.max_address_mask();
  const std::uint16_t id = tag.domain_id;
  if (by_pasid) {
    return pages ? pasid_iotlb_pages(id, tag.pasid, range.block(), range.mask)
                 : pasid_iotlb_of(id, tag.pasid);
  }
  return pages ? iotlb_pages(id, range.block(), range.mask) : iotlb_of_domain(id);
}

Descriptor device_tlb_of(const CacheTag& tag, const Range& range) {
  if (tag.nesting) {
    return device_tlb_all(*tag.device_tlb, tag.pasid);
  }
  return device_tlb_pages(*tag.device_tlb, tag.pasid, range.block(), range.mask);
}

}  // namespace

unsigned covering_mask(std::uint64_t first, std::uint64_t last) {
  const std::uint64_t different = (first ^ last) >> 12;
  return static_cast<unsigned>(std::bit_width(different));
}

void CacheTags::assign(const CacheTag& tag) {
  const auto known = std::ranges::find(entries_, tag, &Entry::tag);
  if (known != entries_.end()) {
    ++known->users;
    return;
  }
  const auto behind =
      std::ranges::upper_bound(entries_, tag.unit->registers(), {},
                               [](const Entry& entry) { return entry.tag.unit->registers(); });
  entries_.insert(behind, Entry{tag});
}

void CacheTags::unassign(const CacheTag& tag) {
  const auto known = std::ranges::find(entries_, tag, &Entry::tag);
  BATON_CHECK(known != entries_.end(), "a cache tag is given up that was never assigned");
  if (--known->users == 0) {
    entries_.erase(known);
  }
}

// cache_tag_flush_range()
void CacheTags::flush(std::uint64_t first, std::uint64_t last, bool by_pasid) const {
  const Range range{first, last, covering_mask(first, last)};
  for (auto at = entries_.begin(); at != entries_.end();) {
    Unit& unit = *at->tag.unit;
    std::vector<Descriptor> batch;
    for (; at != entries_.end() && at->tag.unit == &unit; ++at) {
      if (!at->tag.device_tlb) {
        batch.push_back(iotlb_of(at->tag, range, by_pasid));
      } else if (unit.uses_device_tlbs()) {
        batch.push_back(device_tlb_of(at->tag, range));
      }
    }
    unit.submit(batch);
  }
}

// cache_tag_flush_range_np()
void CacheTags::flush_after_map() const {
  for (const Entry& entry : entries_) {
    if (!entry.tag.device_tlb && entry.tag.unit->capabilities().caching_mode()) {
      entry.tag.unit->submit(iotlb_of_domain(entry.tag.domain_id));
    }
  }
}

}  // namespace baton::linux::intel_iommu
