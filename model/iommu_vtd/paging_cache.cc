#include "model/iommu_vtd/paging_cache.h"

namespace baton::iommu_vtd {

// A table of level n is named by the entry of level n + 1 that points at it.
CacheKey PagingCache::key(std::uint64_t tag, std::uint64_t iova, unsigned level) {
  return {tag, (iova >> (21 + 9 * level)) << 3 | level};
}

PagingStep PagingCache::start(std::uint64_t tag, std::uint64_t iova, const PagingStep& top,
                              bool read, bool write, bool user, bool execute) {
  for (unsigned level = 0; level < top.level; ++level) {
    if (const Node* node = cache_.find(key(tag, iova, level))) {
      const PagingStep& step = node->step;
      const bool allowed = (!read || step.readable) && (!write || step.writable) &&
                           (!user || step.user) && (!execute || step.executable);
      return allowed ? step : top;
    }
  }
  return top;
}

void PagingCache::insert(std::uint64_t tag, std::uint64_t iova, const PagingStep& step) {
  PagingStep next = step;
  --next.level;
  const std::uint64_t bytes = std::uint64_t{1} << (21 + 9 * next.level);
  const std::uint64_t first = iova & ~(bytes - 1);
  cache_.insert(key(tag, iova, next.level), {{first, first + (bytes - 1)}, next});
}

void PagingCache::invalidate(TagMask tags, Range range) {
  cache_.erase_if([&](const CacheKey& key, const Node& node) {
    return tags.matches(key.tag) && range.intersects(node.covers);
  });
}

}  // namespace baton::iommu_vtd
