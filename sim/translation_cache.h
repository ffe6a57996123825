// A cache of translation hardware: entries found by (tag, place), that is an address space and a
// place in it. Remapping units and device-TLBs are made of these.
//
// Two kinds. An unbounded one keeps everything that was not erased, so that an invalidation that
// software forgot always shows. A bounded one drops the least recently used entry for a new one, as
// hardware with so many entries may.
//
// Nothing is allocated after construction: entries lie densely in reserved address space, a hash
// index of chains beside them doubles in place. An unbounded cache that has kMostEntries stops
// taking new ones; such a run may miss the effect of a missing invalidation, never invent one.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "sim/reserved_array.h"

namespace baton::sim {

struct CacheKey {
  std::uint64_t tag = 0;
  std::uint64_t place = 0;
  friend constexpr bool operator==(const CacheKey&, const CacheKey&) = default;
};

template <class Value>
class TranslationCache {
 public:
  static constexpr std::size_t kMostEntries = std::size_t{1} << 24;
  static constexpr std::size_t kUnbounded = ~std::size_t{0};

  // `capacity` 0 caches nothing. `changes` counts what may make an earlier answer wrong: erased and
  // replaced entries.
  TranslationCache(std::size_t capacity, std::uint64_t& changes)
      : bounded_(capacity != kUnbounded),
        capacity_(bounded_ && capacity < kMostEntries ? capacity : kMostEntries),
        changes_(changes),
        nodes_(capacity_ + 1),
        heads_(std::bit_ceil(capacity_ + 2)) {
    use_buckets(kFewestBuckets < heads_.size() ? kFewestBuckets : heads_.size());
  }

  // Where find() looks and insert_new() puts: who does both computes it once.
  std::size_t bucket(const CacheKey& key) const {
    const std::uint64_t mixed =
        (key.tag * 0x9E37'79B9'7F4A'7C15 ^ key.place) * 0xD6E8'FEB8'6659'FD93;
    return mixed >> shift_;
  }

  const Value* find(const CacheKey& key) { return find(key, bucket(key)); }
  const Value* find(const CacheKey& key, std::size_t at) {
    for (std::uint32_t i = heads_[at]; i != 0; i = nodes_[i].next) {
      if (nodes_[i].key == key) {
        if (bounded_ && i != newest_) {
          unlink_use(i);
          link_newest(i);
        }
        return &nodes_[i].value;
      }
    }
    return nullptr;
  }

  void insert(const CacheKey& key, const Value& value) {
    for (std::uint32_t i = heads_[bucket(key)]; i != 0; i = nodes_[i].next) {
      if (nodes_[i].key == key) {
        ++changes_;
        nodes_[i].value = value;
        find(key);  // used
        return;
      }
    }
    insert_new(key, value);
  }

  // A key that find() has just not found.
  void insert_new(const CacheKey& key, const Value& value) { insert_new(key, value, bucket(key)); }
  void insert_new(const CacheKey& key, const Value& value, std::size_t at) {
    if (count_ >= room_) [[unlikely]] {
      if (!make_room()) {
        return;
      }
      at = bucket(key);
    }
    const auto i = static_cast<std::uint32_t>(++count_);
    Node& node = nodes_[i];
    node.key = key;
    node.value = value;
    node.next = heads_[at];
    heads_[at] = i;
    if (bounded_) {
      link_newest(i);
    }
  }

  bool erase(const CacheKey& key) {
    for (std::uint32_t i = heads_[bucket(key)]; i != 0; i = nodes_[i].next) {
      if (nodes_[i].key == key) {
        erase(i);
        return true;
      }
    }
    return false;
  }

  template <class Predicate>  // (key, value) -> drop it?
  void erase_if(Predicate predicate) {
    for (std::size_t i = count_; i > 0; --i) {
      if (predicate(nodes_[i].key, nodes_[i].value)) {
        erase(static_cast<std::uint32_t>(i));  // the last one, seen already, takes its place
      }
    }
  }

  void clear() {
    ++changes_;
    count_ = 0;
    newest_ = oldest_ = 0;
    use_buckets(buckets_);
  }

  std::size_t size() const { return count_; }

 private:
  static constexpr std::size_t kFewestBuckets = 64;

  struct Node {
    CacheKey key;
    Value value;
    std::uint32_t next;  // in its bucket; 0: none
    std::uint32_t newer;
    std::uint32_t older;
  };

  // There are as many entries as there is room for without a change: one goes, or the index grows.
  [[gnu::noinline]] bool make_room() {
    if (count_ == capacity_) {
      if (!bounded_ || capacity_ == 0) {
        return false;
      }
      erase(oldest_);
    } else {
      use_buckets(2 * buckets_);
    }
    return true;
  }

  void use_buckets(std::size_t count) {
    buckets_ = count;
    room_ = buckets_ < heads_.size() && buckets_ < capacity_ ? buckets_ : capacity_;
    shift_ = 64 - static_cast<unsigned>(std::countr_zero(count));
    for (std::size_t i = 0; i < count; ++i) {
      heads_[i] = 0;
    }
    for (std::size_t i = 1; i <= count_; ++i) {
      const std::size_t at = bucket(nodes_[i].key);
      nodes_[i].next = heads_[at];
      heads_[at] = static_cast<std::uint32_t>(i);
    }
  }

  // The link of the chain that names this node.
  std::uint32_t& link_to(std::uint32_t i) {
    std::uint32_t* link = &heads_[bucket(nodes_[i].key)];
    while (*link != i) {
      link = &nodes_[*link].next;
    }
    return *link;
  }

  void erase(std::uint32_t i) {
    ++changes_;
    link_to(i) = nodes_[i].next;
    if (bounded_) {
      unlink_use(i);
    }
    const auto last = static_cast<std::uint32_t>(count_--);
    if (i == last) {
      return;
    }
    link_to(last) = i;
    nodes_[i] = nodes_[last];
    if (bounded_) {
      (nodes_[i].newer != 0 ? nodes_[nodes_[i].newer].older : newest_) = i;
      (nodes_[i].older != 0 ? nodes_[nodes_[i].older].newer : oldest_) = i;
    }
  }

  void unlink_use(std::uint32_t i) {
    const Node& node = nodes_[i];
    (node.newer != 0 ? nodes_[node.newer].older : newest_) = node.older;
    (node.older != 0 ? nodes_[node.older].newer : oldest_) = node.newer;
  }

  void link_newest(std::uint32_t i) {
    nodes_[i].newer = 0;
    nodes_[i].older = newest_;
    (newest_ != 0 ? nodes_[newest_].newer : oldest_) = i;
    newest_ = i;
  }

  const bool bounded_;
  const std::size_t capacity_;
  std::uint64_t& changes_;
  ReservedArray<Node> nodes_;  // 1 to count_
  ReservedArray<std::uint32_t> heads_;
  std::size_t count_ = 0;
  std::size_t buckets_ = 0;
  std::size_t room_ = 0;
  unsigned shift_ = 0;
  std::uint32_t newest_ = 0;
  std::uint32_t oldest_ = 0;
};

}  // namespace baton::sim
