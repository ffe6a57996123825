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
    if ((trail.last == nullptr || trail.last->used == kPlaces) && !extend(trail)) return;
    trail.last->places[trail.last->used++] = place;
  }

  void drop(std::size_t slot) {
    while (!empty(slot)) {
      drop_block(trails_[slot]);
    }
  }

  // A walk along the trail of a slot, which is gone behind it: each step asks for one place more.
  class Walk {
   public:
    Walk(FetchTrails& trails, std::size_t slot) : trails_(trails), slot_(slot) {
      for (unsigned i = 0; i < kAhead; ++i) {
        step();
      }
    }
    ~Walk() { trails_.drop(slot_); }
    Walk(const Walk&) = delete;
    Walk& operator=(const Walk&) = delete;

    void step() {
      Trail& trail = trails_.trails_[slot_];
      if (trail.first == nullptr) return;
      const auto* const place = static_cast<const std::byte*>(trail.first->places[next_]);
      __builtin_prefetch(place);
      __builtin_prefetch(place + kLine);  // what its handler reads
      if (++next_ == trail.first->used) {
        next_ = 0;
        trails_.drop_block(trail);
      }
    }

   private:
    static constexpr unsigned kAhead = 8;  // as many lines as a core waits for, two for each
    static constexpr std::size_t kLine = 64;

    FetchTrails& trails_;
    std::size_t slot_;
    std::size_t next_ = 0;  // of the first block
  };

 private:
  static constexpr std::size_t kPlaces = 62;
  static constexpr std::size_t kBlocks = std::size_t{1} << 15;  // 16 MiB: two million events

  struct Block {
    Block* next;
    std::uint64_t used;
    std::array<const void*, kPlaces> places;
  };
  struct Trail {
    Block* first;
    Block* last;  // null when there is no first one
  };

  // False: all room is in use, and the place stays unknown.
  bool extend(Trail& trail) {
    if (free_ == nullptr && taken_ == kBlocks) return false;
    Block* const block = free_ != nullptr ? free_ : &blocks_[taken_++];
    if (block == free_) free_ = block->next;
    block->next = nullptr;
    block->used = 0;
    (trail.last == nullptr ? trail.first : trail.last->next) = block;
    trail.last = block;
    return true;
  }

  void drop_block(Trail& trail) {
    Block* const block = trail.first;
    trail.first = block->next;
    if (trail.first == nullptr) trail.last = nullptr;
    block->next = free_;
    free_ = block;
  }

  ReservedArray<Block> blocks_;
  std::size_t taken_ = 0;  // of the blocks, at one time or another
  Block* free_ = nullptr;
  ReservedArray<Trail> trails_;
};

}  // namespace baton::sim
