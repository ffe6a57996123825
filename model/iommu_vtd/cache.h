// A cache of the remapping unit: exact, fully associative, least recently used leaves first. Only
// what was invalidated, or pushed out by its capacity, is gone: a missing invalidation shows.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <list>
#include <utility>

#include "model/iommu_vtd/tags.h"

namespace baton::iommu_vtd {

template <class Value, class Key = std::uint64_t>
class Cache {
 public:
  explicit Cache(std::size_t capacity) : capacity_(capacity) {}

  const Value* find(const Key& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) {
      return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }

  void insert(const Key& key, const Value& value) {
    if (capacity_ == 0) {
      return;
    }
    if (const auto found = index_.find(key); found != index_.end()) {
      found->second->second = value;
      entries_.splice(entries_.begin(), entries_, found->second);
      return;
    }
    if (entries_.size() == capacity_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(key, value);
    index_.emplace(key, entries_.begin());
  }

  template <class Predicate>  // (key, value) -> drop it?
  void erase_if(Predicate predicate) {
    for (auto it = entries_.begin(); it != entries_.end();) {
      if (predicate(it->first, it->second)) {
        index_.erase(it->first);
        it = entries_.erase(it);
      } else {
        ++it;
      }
    }
  }

  void clear() {
    index_.clear();
    entries_.clear();
  }

  std::size_t size() const { return entries_.size(); }

 private:
  // The map mixes the bits itself; keys are numbers, so nothing depends on host addresses.
  struct Hash {
    std::size_t operator()(std::uint64_t key) const { return key; }
    std::size_t operator()(const CacheKey& key) const {
      return key.tag * 0x9E37'79B9'7F4A'7C15 ^ key.place;
    }
  };
  using Entries = std::list<std::pair<Key, Value>>;

  std::size_t capacity_;
  Entries entries_;  // most recently used first
  boost::unordered_flat_map<Key, typename Entries::iterator, Hash> index_;
};

}  // namespace baton::iommu_vtd
