#include "sim/event_queue.h"

#include <algorithm>
#include <bit>

namespace baton::sim {

EventQueue::~EventQueue() {
  near_.clear();
  for (Level& level : levels_) {
    for (List& list : level.slots) {
      list.clear();
    }
  }
}

std::uint64_t EventQueue::key_of(const Event& event) {
  return static_cast<std::uint64_t>(event.time_.ps()) << 3 |
         static_cast<std::uint64_t>(event.phase_);
}

void EventQueue::insert(Event& event) {
  const std::uint64_t key = std::max(key_of(event), cursor_);
  if (key >= near_end_) {
    file(event, key);
    return;
  }
  insert_near(event, key);
  if (near_count_ > kNearLimit) {
    spill_near();
  }
}

void EventQueue::insert_near(Event& event, std::uint64_t key) {
  auto place = near_.end();
  while (place != near_.begin()) {
    auto before = std::prev(place);
    if (key_of(*before) <= key) {
      break;
    }
    place = before;
  }
  near_.insert(place, event);
  ++near_count_;
}

bool EventQueue::sort_into_near(List& list, std::uint64_t end) {
  unsigned count = 0;
  for (auto event = list.begin(); event != list.end(); ++event) {
    if (++count > kNearFill) {
      return false;
    }
  }
  near_end_ = end;
  near_count_ = 0;
  while (!list.empty()) {
    Event& event = list.front();
    list.pop_front();
    insert_near(event, std::max(key_of(event), cursor_));
  }
  return true;
}

void EventQueue::spill_near() {
  near_end_ = 0;
  near_count_ = 0;
  while (!near_.empty()) {
    Event& event = near_.front();
    near_.pop_front();
    file(event, std::max(key_of(event), cursor_));
  }
}

void EventQueue::file(Event& event, std::uint64_t key) {
  const std::uint64_t difference = key ^ cursor_;
  const unsigned level =
      difference == 0 ? 0 : static_cast<unsigned>(std::bit_width(difference) - 1) / 8;
  const unsigned slot = static_cast<unsigned>(key >> 8 * level & 0xFF);
  levels_[level].slots[slot].push_back(event);
  levels_[level].mark(slot);
}

unsigned EventQueue::Level::first_used(unsigned from) const {
  for (unsigned word = from / 64; word < used.size(); ++word) {
    const std::uint64_t bits =
        word == from / 64 ? used[word] & ~std::uint64_t{0} << from % 64 : used[word];
    if (bits != 0) {
      return word * 64 + static_cast<unsigned>(std::countr_zero(bits));
    }
  }
  return kSlots;
}

Event* EventQueue::take_from(unsigned number) {
  Level& level = levels_[number];
  const unsigned shift = 8 * number;
  for (;;) {
    const unsigned slot = level.first_used(static_cast<unsigned>(cursor_ >> shift & 0xFF));
    if (slot == kSlots) {
      return nullptr;
    }
    List& list = level.slots[slot];
    if (list.empty()) {
      level.clear(slot);
      continue;
    }
    if (number == 0) {
      Event& first = list.front();
      list.pop_front();
      cursor_ = (cursor_ & ~std::uint64_t{0xFF}) | slot;
      return &first;
    }
    // Enter the slot's window: its events are few, or move to the levels below, in order.
    const std::uint64_t window = ~std::uint64_t{0} >> (56 - shift);
    cursor_ = (cursor_ & ~window) | std::uint64_t{slot} << shift;
    level.clear(slot);
    List moving;
    moving.swap(list);
    if (sort_into_near(moving, cursor_ + (std::uint64_t{1} << shift))) {
      return take_near();
    }
    while (!moving.empty()) {
      Event& event = moving.front();
      moving.pop_front();
      file(event, std::max(key_of(event), cursor_));
    }
    for (unsigned below = 0; below < number; ++below) {
      if (Event* event = take_from(below)) {
        return event;
      }
    }
  }
}

Event* EventQueue::take_near() {
  Event& first = near_.front();
  near_.pop_front();
  --near_count_;
  cursor_ = std::max(key_of(first), cursor_);
  return &first;
}

Event* EventQueue::pop() {
  if (!near_.empty()) {
    return take_near();
  }
  near_end_ = 0;
  for (unsigned level = 0; level < kLevels; ++level) {
    if (Event* event = take_from(level)) {
      return event;
    }
  }
  return nullptr;
}

}  // namespace baton::sim
