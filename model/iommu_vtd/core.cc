#include "model/iommu_vtd/core.h"

namespace baton::iommu_vtd {

namespace {
constexpr unsigned kLevels = 3;  // page sizes: 4 KiB, 2 MiB, 1 GiB
}  // namespace

CacheKey Iotlb::key(std::uint64_t tag, std::uint64_t iova, unsigned level) {
  return {tag, (iova >> (12 + 9 * level)) << 2 | level};
}

const IotlbEntry* Iotlb::find(std::uint64_t tag, std::uint64_t iova) {
  for (unsigned level = 0; level < kLevels; ++level) {
    if (const IotlbEntry* entry = cache_.find(key(tag, iova, level))) {
      return entry;
    }
  }
  return nullptr;
}

void Iotlb::insert(std::uint64_t tag, std::uint64_t iova, const Mapping& mapping) {
  const std::uint64_t first = iova & ~(mapping.bytes() - 1);
  cache_.insert(key(tag, iova, mapping.level), {{first, first + (mapping.bytes() - 1)}, mapping});
}

void Iotlb::invalidate(TagMask tags, Range range) {
  cache_.erase_if([&](const CacheKey& key, const IotlbEntry& entry) {
    return tags.matches(key.tag) && range.intersects(entry.covers);
  });
}

}  // namespace baton::iommu_vtd
