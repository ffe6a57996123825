// The events to come, in order of (time, phase, first in first out): a hierarchical timing wheel of
// eight levels with 256 slots each over a 64-bit key, time << 3 | phase.
//
// An event is filed at the level of the highest byte in which its key differs from the cursor, the
// key of the last event taken. So every event of a level comes before every event of the next, and
// one word with a bit for each 64 slots finds the first. The cursor enters a slot's window only by
// emptying that slot into the levels below, so an event filed early always stands before one filed
// late, and order among equal keys is first in first out by construction. Inserting and removing
// touch one list; nothing allocates, but the room for trails, once.
//
// A slot is not always spread over the levels below:
//  - one event alone is the next one: taken, wherever it is filed;
//  - of two the earlier one is taken, and the other becomes the short list of the next line;
//  - a few are sorted into one short list, `near`, which from then on takes every event of that
//    window, until finding a place in it takes too many steps;
//  - those of one key, in a slot of the lowest level, become `near` as they are.
// Once a slot held very many, new ones are also noted in a trail of their slot, by which the host's
// memory is asked for them before they are moved. What each of these is worth: docs/performance.md.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>

#include "sim/event.h"
#include "sim/event_ring.h"

namespace baton::sim {

class FetchTrails;

class EventQueue {
 public:
  EventQueue();
  ~EventQueue();
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  // Files an event by its key, which is not below the cursor.
  void insert(Event& event) {
    if (event.key_ >= near_end_) {
      const unsigned slot = slot_for(event);
      put(event, slot);
      if (trailing_level_ != 0) [[unlikely]] {
        note(event, slot);
      }
    } else if (near_.empty() || event_of(*near_.last()).key_ <= event.key_) {
      near_.push_back(event);
    } else {
      insert_near(event);
    }
  }

  // Takes the first event out; null when there is none.
  Event* pop() {
    if (near_.empty()) {
      return pop_from_wheel();
    }
    return take_near();
  }

  // The key of the last event taken.
  std::uint64_t cursor() const { return cursor_; }

 private:
  static constexpr unsigned kLevels = 8;
  static constexpr unsigned kSlots = 256;     // of a level
  static constexpr unsigned kNearFill = 16;   // as many of a slot are sorted, not spread
  static constexpr unsigned kNearSteps = 16;  // to find a place; beyond, near goes into the wheel

  // Of a slot; more lie in all slots of its level than the host's second cache has room for.
  static constexpr std::size_t kVeryMany = 4096;
  static constexpr std::size_t kVeryManyTicks = 512;  // on level 1

  static Event& event_of(EventLink& link) { return static_cast<Event&>(link); }

  void file(Event& event) { put(event, slot_for(event)); }

  unsigned slot_for(const Event& event) const {
    const std::uint64_t difference = (event.key_ ^ cursor_) | 1;
    const unsigned shift = static_cast<unsigned>(std::bit_width(difference) - 1) & 0x38U;
    return shift * (kSlots / 8) + static_cast<unsigned>(event.key_ >> shift & 0xFF);
  }

  void put(Event& event, unsigned slot) {
    // Not "if the slot was empty": that is as good as random, and guessing wrong costs more.
    const std::uint64_t others = words_[slot / 64];
    words_[slot / 64] = others | std::uint64_t{1} << slot % 64;
    if (others == 0) {
      summary_ |= std::uint32_t{1} << slot / 64;
    }
    slots_[slot].push_back(event);
  }

  Event* take_near() {
    Event& first = event_of(*near_.take_first());
    cursor_ = first.key_;
    return &first;
  }

  enum class Contents { kOneKey, kFew, kMany };
  static Contents look_into(EventRing& slot);
  static std::size_t fetch(EventRing& slot);
  Event* pop_from_wheel();
  // Enters the window of a slot above the lowest level that holds two events.
  Event* take_of_two(EventRing& slot, unsigned level);
  // Enters the window of a slot above the lowest level: its events are few, and become near, or
  // move to the levels below.
  void enter(EventRing& slot, unsigned level);
  // Moves many events to the levels below, by their trail if there is one.
  [[gnu::noinline]] void spread(EventRing& slot, unsigned level);
  template <class Ask>
  void move_down(EventRing& slot, unsigned level, Ask ask);
  void note(Event& event, unsigned slot);
  [[gnu::cold]] [[gnu::noinline]] void forget(const EventRing& slot);
  void watch_size(std::size_t count, unsigned level);
  void insert_near(Event& event);
  void spill_near(Event& event);

  std::uint64_t cursor_ = 0;
  std::uint64_t near_end_ = 0;
  EventRing near_;  // sorted; holds all events with keys below near_end_
  // A bit for each slot that may hold events, and one for each word of those that is not 0. A
  // slot's bit can be stale (its events were cancelled), never missing.
  std::uint32_t summary_ = 0;
  // The lowest level of which a slot held very many; 0: none, and nothing is noted.
  unsigned trailing_level_ = 0;
  std::array<std::uint64_t, kLevels * kSlots / 64> words_{};
  std::array<EventRing, kLevels * kSlots> slots_;
  std::unique_ptr<FetchTrails> trails_;
};

}  // namespace baton::sim
