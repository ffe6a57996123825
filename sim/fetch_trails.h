// Where the events of each slot of the event queue lie, in the order in which they were filed:
// addresses to ask the host's memory for before they are needed, and nothing else. An address may
// be stale (its event was cancelled, or is gone), so none is ever followed; a slot without its
// trail works as well, only slower.
//
// Worth having where events no longer fit into the host's caches: a list tells where its next
// element lies only when the last one has arrived, a trail tells it of many at once. What it gains:
// docs/performance.md. Room for all trails is reserved once; it is touched as it is needed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sim/reserved_array.h"

namespace baton::sim {

class FetchTrails {
 public:
  explicit FetchTrails(std::size_t slots) : blocks_(kBlocks), trails_(slots) {}

  bool empty(std::size_t slot) const { return trails_[slot].first == nullptr; }

  void note(std::size_t slot, const void* place) {
    Trail& trail = trails_[slot];
    if (starts_block(trail.end) && !extend(trail)) return;
    *trail.end++ = place;
  }

  void drop(std::size_t slot) {
    Trail& trail = trails_[slot];
    while (trail.first != nullptr) {
      drop_block(trail);
    }
    trail.end = nullptr;
  }

  // A walk along the trail of a slot, which is gone behind it: each step asks for one place more.
  class Walk {
   public:
    Walk(FetchTrails& trails, std::size_t slot) : trails_(trails), slot_(slot) {
      enter_block();
      for (unsigned i = 0; i < kAhead; ++i) {
        step();
      }
    }
    ~Walk() { trails_.drop(slot_); }
    Walk(const Walk&) = delete;
    Walk& operator=(const Walk&) = delete;

    void step() {
      if (at_ == end_) {
        if (at_ == nullptr) return;
        trails_.drop_block(trails_.trails_[slot_]);
        enter_block();
        if (at_ == end_) return;
      }
      const auto* const place = static_cast<const std::byte*>(*at_++);
      __builtin_prefetch(place);
      __builtin_prefetch(place + kLine);  // what its handler reads
    }

   private:
    static constexpr unsigned kAhead = 8;  // as many lines as a core waits for, two for each
    static constexpr std::size_t kLine = 64;

    void enter_block() {
      const Trail& trail = trails_.trails_[slot_];
      if (trail.first == nullptr) {
        at_ = end_ = nullptr;
        return;
      }
      at_ = trail.first->places.data();
      end_ = trail.first->next == nullptr ? trail.end : at_ + kPlaces;
    }

    FetchTrails& trails_;
    std::size_t slot_;
    const void* const* at_ = nullptr;
    const void* const* end_ = nullptr;  // of the block
  };

 private:
  static constexpr std::size_t kBlockBytes = 512;
  static constexpr std::size_t kPlaces = kBlockBytes / sizeof(void*) - 1;  // of a block
  static constexpr std::size_t kBlocks = std::size_t{1} << 15;  // 16 MiB: two million events

  // Blocks lie at multiples of their size, so that the end of one shows in the address.
  struct alignas(kBlockBytes) Block {
    Block* next;
    std::array<const void*, kPlaces> places;
  };
  static_assert(sizeof(Block) == kBlockBytes);
  struct Trail {
    Block* first;
    const void** end;  // where the next place goes; null, or the end of a block: into a new one
  };

  static bool starts_block(const void* const* place) {
    return reinterpret_cast<std::uintptr_t>(place) % kBlockBytes == 0;
  }

  // False: all room is in use, and the place stays unknown.
  bool extend(Trail& trail) {
    if (free_ == nullptr && taken_ == kBlocks) return false;
    Block* const block = free_ != nullptr ? free_ : &blocks_[taken_++];
    if (block == free_) free_ = block->next;
    block->next = nullptr;
    if (trail.first == nullptr) {
      trail.first = block;
    } else {
      reinterpret_cast<Block*>(trail.end)[-1].next = block;
    }
    trail.end = block->places.data();
    return true;
  }

  void drop_block(Trail& trail) {
    Block* const block = trail.first;
    trail.first = block->next;
    block->next = free_;
    free_ = block;
  }

  ReservedArray<Block> blocks_;
  std::size_t taken_ = 0;  // of the blocks, at one time or another
  Block* free_ = nullptr;
  ReservedArray<Trail> trails_;
};

}  // namespace baton::sim
