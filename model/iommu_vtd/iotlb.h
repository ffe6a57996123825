// The IOTLB [VT-d 6.2.4]: finished translations, by address space and page.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/iommu_vtd/level_cache.h"
#include "model/iommu_vtd/mapping.h"

namespace baton::iommu_vtd {

class Iotlb {
 public:
  Iotlb(std::size_t capacity, std::uint64_t& changes) : cache_(capacity, changes) {}

  // Of several page sizes the smallest.
  const Mapping* find(std::uint64_t tag, std::uint64_t iova) { return cache_.find(tag, iova); }
  void insert(std::uint64_t tag, std::uint64_t iova, const Mapping& mapping) {
    cache_.insert(tag, iova, mapping.level, mapping);
  }

  // The same in two steps, the second for an address for which the first found nothing.
  using Place = LevelCache<Mapping, 12>::Place;
  Place place(std::uint64_t tag, std::uint64_t iova) const { return cache_.place(tag, iova); }
  const Mapping* find(const Place& place, std::uint64_t tag, std::uint64_t iova) {
    return cache_.find(place, tag, iova);
  }
  void insert_new(const Place& place, std::uint64_t iova, const Mapping& mapping) {
    cache_.insert_new(place, iova, mapping.level, mapping);
  }

  void clear() { cache_.clear(); }
  // Every entry with such a tag whose page intersects the range, of page sizes up to `highest`.
  void invalidate(TagMask tags, Range range = {}, unsigned highest = kEveryLevel) {
    cache_.invalidate(tags, range, highest);
  }

  std::size_t size() const { return cache_.size(); }

 private:
  static constexpr unsigned kEveryLevel = 7;
  LevelCache<Mapping, 12> cache_;
};

}  // namespace baton::iommu_vtd
