// A cache of what paging tables say, by address space, address and level: entries of level n cover
// 2^(kFirstBit + 9n) bytes. Serves the IOTLB and the paging-structure caches [VT-d 6.2.4, 6.2.5].
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "model/iommu_vtd/tags.h"
#include "sim/translation_cache.h"

namespace baton::iommu_vtd {

template <class Value, unsigned kFirstBit>
class LevelCache {
 public:
  LevelCache(std::size_t capacity, std::uint64_t& changes) : cache_(capacity, changes) {}

  // Of the lowest level at or above `lowest` that has an entry for this address.
  const Value* find(std::uint64_t tag, std::uint64_t iova, unsigned lowest = 0) {
    for (unsigned rest = levels_ >> lowest << lowest; rest != 0; rest &= rest - 1) {
      const auto level = static_cast<unsigned>(std::countr_zero(rest));
      if (const Value* value = cache_.find(key(tag, iova, level))) {
        return value;
      }
    }
    return nullptr;
  }

  void insert(std::uint64_t tag, std::uint64_t iova, unsigned level, const Value& value) {
    levels_ |= 1U << level;
    cache_.insert(key(tag, iova, level), value);
  }

  // find(), and insert_new() for an address for which it has just found nothing, with the work that
  // both have in common done once.
  struct Place {
    sim::CacheKey key;  // of level 0
    std::size_t bucket = 0;
  };
  Place place(std::uint64_t tag, std::uint64_t iova) const {
    const sim::CacheKey lowest = key(tag, iova, 0);
    return {lowest, cache_.bucket(lowest)};
  }
  const Value* find(const Place& place, std::uint64_t tag, std::uint64_t iova) {
    const Value* value = cache_.find(place.key, place.bucket);
    return value != nullptr || levels_ <= 1 ? value : find(tag, iova, 1);
  }
  void insert_new(const Place& place, std::uint64_t iova, unsigned level, const Value& value) {
    levels_ |= 1U << level;
    if (level == 0) {
      cache_.insert_new(place.key, value, place.bucket);
    } else {
      cache_.insert_new(key(place.key.tag, iova, level), value);
    }
  }

  void clear() {
    cache_.clear();
    levels_ = 0;
  }

  // Every entry with such a tag that covers an address of the range, of levels up to `highest`.
  void invalidate(TagMask tags, Range range, unsigned highest) {
    if (cache_.size() == 0) {
      return;
    }
    if (tags.mask == tag::kEveryBit && entries_of(range) < cache_.size()) {
      erase_each(tags.value, range, highest);
      return;
    }
    cache_.erase_if([&](const sim::CacheKey& key, const Value&) {
      return level_of(key) <= highest && tags.matches(key.tag) && range.intersects(covered(key));
    });
  }

  std::size_t size() const { return cache_.size(); }

 private:
  static constexpr unsigned kLevelBits = 3;

  static constexpr unsigned first_bit(unsigned level) { return kFirstBit + 9 * level; }
  static sim::CacheKey key(std::uint64_t tag, std::uint64_t iova, unsigned level) {
    return {tag, iova >> first_bit(level) << kLevelBits | level};
  }
  static unsigned level_of(const sim::CacheKey& key) {
    return static_cast<unsigned>(key.place & ((1U << kLevelBits) - 1));
  }
  static Range covered(const sim::CacheKey& key) {
    const unsigned bit = first_bit(level_of(key));
    const std::uint64_t first = key.place >> kLevelBits << bit;
    return {first, first + ((std::uint64_t{1} << bit) - 1)};
  }

  // How many entries the range may have, all levels together; large when it is large.
  std::uint64_t entries_of(Range range) const {
    std::uint64_t count = 0;
    for (unsigned rest = levels_; rest != 0; rest &= rest - 1) {
      const unsigned bit = first_bit(static_cast<unsigned>(std::countr_zero(rest)));
      count += (range.last >> bit) - (range.first >> bit) + 1;
    }
    return count;
  }

  void erase_each(std::uint64_t tag, Range range, unsigned highest) {
    for (unsigned rest = levels_; rest != 0; rest &= rest - 1) {
      const auto level = static_cast<unsigned>(std::countr_zero(rest));
      if (level > highest) {
        return;
      }
      const std::uint64_t last = range.last >> first_bit(level);
      for (std::uint64_t n = range.first >> first_bit(level); n <= last; ++n) {
        cache_.erase({tag, n << kLevelBits | level});
      }
    }
  }

  unsigned levels_ = 0;  // bit n: there may be entries of level n
  sim::TranslationCache<Value> cache_;
};

}  // namespace baton::iommu_vtd
