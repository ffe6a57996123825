// The events to come, in order of (time, phase, first in first out): a hierarchical timing wheel of
// eight levels with 256 slots each over a 64-bit key, time << 3 | phase.
//
// An event is filed at the level of the highest byte in which its key differs from the cursor, the
// key of the last event taken. The cursor enters a slot's window only by emptying that slot into
// the levels below it, so an event filed early always stands before one filed late, and order among
// equal keys is first in first out by construction. Inserting and removing touch one list; nothing
// allocates.
//
// A slot with few events is not spread over the levels below but sorted into one short list,
// `near`, which then takes every event filed into its window (docs/performance.md: the difference
// between 57 and 38 ns an event with a thousand pending).
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <cstdint>

#include "sim/event.h"

namespace baton::sim {

class EventQueue {
 public:
  EventQueue() = default;
  ~EventQueue();
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  // Files an event. A key below the cursor (possible only between two runs) is filed at the cursor.
  void insert(Event& event);

  // Takes the first event out; null when there is none.
  Event* pop();

 private:
  static constexpr unsigned kLevels = 8;
  static constexpr unsigned kSlots = 256;
  static constexpr unsigned kNearFill = 24;   // slots up to this length are sorted
  static constexpr unsigned kNearLimit = 48;  // beyond, near goes back into the wheel

  using List = boost::intrusive::list<Event, boost::intrusive::base_hook<EventHook>,
                                      boost::intrusive::constant_time_size<false>>;

  // Which slots of a level may hold events. A bit can be stale (its event was cancelled), never
  // missing.
  struct Level {
    std::array<std::uint64_t, kSlots / 64> used{};
    std::array<List, kSlots> slots;

    // The first used slot from `from` on, kSlots if there is none.
    unsigned first_used(unsigned from) const;
    void mark(unsigned slot) { used[slot / 64] |= std::uint64_t{1} << slot % 64; }
    void clear(unsigned slot) { used[slot / 64] &= ~(std::uint64_t{1} << slot % 64); }
  };

  static std::uint64_t key_of(const Event& event);
  void file(Event& event, std::uint64_t key);
  // The first event at or below this level's next slot; null when the level is empty.
  Event* take_from(unsigned level);
  Event* take_near();
  void insert_near(Event& event, std::uint64_t key);
  // Moves `list` into near if it is short enough; its events have keys in [cursor, end).
  bool sort_into_near(List& list, std::uint64_t end);
  // Files the events of a near that has grown too long into the wheel.
  void spill_near();

  std::uint64_t cursor_ = 0;
  List near_;  // sorted; holds all events with keys below near_end_
  std::uint64_t near_end_ = 0;
  unsigned near_count_ = 0;  // at least the length of near_: cancelled events still count
  std::array<Level, kLevels> levels_;
};

}  // namespace baton::sim
