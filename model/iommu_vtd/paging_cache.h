// Paging-structure caches [VT-d 6.2.5]: non-leaf entries of one stage, each with the rights that
// the levels above it leave. A later walk starts at the lowest table it finds here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/iommu_vtd/level_cache.h"
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
  PagingCache(std::size_t capacity, std::uint64_t& changes)
      : enabled_(capacity != 0), cache_(capacity, changes) {}

  // False: it never holds anything.
  bool enabled() const { return enabled_; }

  // The lowest cached table on the way to `iova` whose rights allow the request, else `top`: with
  // less than the rights wanted the tables decide.
  PagingStep start(std::uint64_t tag, std::uint64_t iova, const PagingStep& top, bool read,
                   bool write, bool user = false, bool execute = false) {
    const PagingStep* step = cache_.find(tag, iova);
    const bool allowed = step != nullptr && step->level < top.level && (!read || step->readable) &&
                         (!write || step->writable) && (!user || step->user) &&
                         (!execute || step->executable);
    return allowed ? *step : top;
  }

  // The walk to `iova` arrived at `step.table`, whose entries are of `step.level`: the table is
  // named by the entry of the level above that points at it.
  void insert(std::uint64_t tag, std::uint64_t iova, const PagingStep& step) {
    cache_.insert(tag, iova, step.level, step);
  }

  void clear() { cache_.clear(); }
  // Entries with such a tag that lie on the way to an address of the range.
  void invalidate(TagMask tags, Range range = {}) { cache_.invalidate(tags, range, 7); }

  std::size_t size() const { return cache_.size(); }

 private:
  bool enabled_;
  LevelCache<PagingStep, 21> cache_;
};

}  // namespace baton::iommu_vtd
