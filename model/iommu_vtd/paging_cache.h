// Paging-structure caches [VT-d 6.2.5]: non-leaf entries of one stage, each with the rights that
// the levels above it leave. A later walk starts at the lowest table it finds here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/iommu_vtd/cache.h"
#include "model/iommu_vtd/tags.h"
#include "sim/address.h"

namespace baton::iommu_vtd {

// A walk that has arrived at a table: the next entry to read is one of `table` at `level`.
struct PagingStep {
  PhysAddr table;
  unsigned level = 0;
  bool readable = true;
  bool writable = true;
  bool user = true;
  bool executable = true;
};

class PagingCache {
 public:
  explicit PagingCache(std::size_t capacity) : cache_(capacity) {}

  // The lowest cached table on the way to `iova` whose rights allow the request, else `top`: with
  // less than the rights wanted the tables decide.
  PagingStep start(std::uint64_t tag, std::uint64_t iova, const PagingStep& top, bool read,
                   bool write, bool user = false, bool execute = false);

  // The walk to `iova` arrived here.
  void insert(std::uint64_t tag, std::uint64_t iova, const PagingStep& step);

  void clear() { cache_.clear(); }
  // Entries with such a tag that lie on the way to an address of the range.
  void invalidate(TagMask tags, Range range);

  std::size_t size() const { return cache_.size(); }

 private:
  struct Node {
    Range covers;
    PagingStep step;
  };
  static CacheKey key(std::uint64_t tag, std::uint64_t iova, unsigned level);
  Cache<Node, CacheKey> cache_;
};

}  // namespace baton::iommu_vtd
