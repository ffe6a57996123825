#include "sim/event_queue.h"

#include "sim/fetch_trails.h"

namespace baton::sim {

EventQueue::EventQueue() = default;
EventQueue::~EventQueue() = default;

inline Event* EventQueue::take_of_two(EventRing& slot, unsigned level) {
  const unsigned shift = 8 * level;
  Event& one = event_of(*slot.first());
  Event& other = event_of(*slot.last());
  const bool in_order = one.key_ <= other.key_;
  Event& first = in_order ? one : other;
  slot.part(first, in_order ? other : one, near_);
  cursor_ = first.key_;
  near_end_ = ((cursor_ >> shift) + 1) << shift;
  return &first;
}

Event* EventQueue::pop_from_wheel() {
  while (summary_ != 0) {
    const auto word = static_cast<unsigned>(std::countr_zero(summary_));
    const std::uint64_t bits = words_[word];
    const unsigned number = word * 64 + static_cast<unsigned>(std::countr_zero(bits));
    words_[word] = bits & (bits - 1);
    if (words_[word] == 0) {
      summary_ &= summary_ - 1;
    }
    EventRing& slot = slots_[number];
    if (slot.empty()) {
      if (trails_ != nullptr) forget(slot);
      continue;
    }
    if (slot.has_one()) {
      Event& only = event_of(*slot.take_first());
      cursor_ = only.key_;
      near_end_ = cursor_ + 1;  // what it schedules at once comes next, without the wheel
      return &only;
    }
    const unsigned level = number / kSlots;
    if (level != 0 && slot.has_two()) {
      return take_of_two(slot, level);
    }
    enter(slot, level);
    if (!near_.empty()) {
      return take_near();
    }
  }
  return nullptr;
}

// The events of a slot lie anywhere in the host's memory, and only an event tells where the next
// one is: two walks towards each other wait for two of them at a time.
EventQueue::Contents EventQueue::look_into(EventRing& slot) {
  const std::uint64_t key = event_of(*slot.first()).key_;
  EventLink* forward = slot.first();
  EventLink* backward = slot.last();
  bool one_key = true;
  unsigned count = 0;
  for (;;) {
    one_key = one_key && event_of(*forward).key_ == key && event_of(*backward).key_ == key;
    count += forward == backward ? 1 : 2;
    if (count > kNearFill && !one_key) {
      return Contents::kMany;
    }
    if (forward == backward || EventRing::next(forward) == backward) {
      return one_key ? Contents::kOneKey : Contents::kFew;
    }
    forward = EventRing::next(forward);
    backward = EventRing::previous(backward);
  }
}

// Brings the events of a slot into the host's cache before the walk that files them, and asks for
// what their handlers will read; of a slot that no cache holds, both ends. About how many it saw.
std::size_t EventQueue::fetch(EventRing& slot) {
  constexpr std::size_t kNextLine = 64 / sizeof(EventLink);
  constexpr std::size_t kMost = 4096;
  const EventLink* forward = slot.first();
  const EventLink* backward = slot.last();
  std::size_t seen = 1;
  for (; seen < 2 * kMost && forward != backward; seen += 2) {
    __builtin_prefetch(forward + kNextLine);
    __builtin_prefetch(backward + kNextLine);
    forward = EventRing::next(forward);
    if (forward == backward) {
      break;
    }
    backward = EventRing::previous(backward);
  }
  return seen;
}

// Moves many events to the levels below.
void EventQueue::spread(EventRing& slot, unsigned level) {
  const auto number = static_cast<std::size_t>(&slot - slots_.data());
  if (!trails_->empty(number)) {
    FetchTrails::Walk walk(*trails_, number);
    std::size_t count = 0;
    move_down(slot, level, [&walk, &count] {
      walk.step();
      ++count;
    });
    watch_size(count, level);
  } else {
    watch_size(fetch(slot), level);
    move_down(slot, level, [] {});
  }
}

template <class Ask>
void EventQueue::move_down(EventRing& slot, unsigned level, Ask ask) {
  if (level == 1) {
    slot.move_each([this, &ask](EventLink& link) {
      ask();
      Event& event = event_of(link);
      put(event, static_cast<unsigned>(event.key_ & 0xFF));
    });
  } else if (level == 2 || trailing_level_ == 0) {
    // Those of level 2 are needed before they leave the host's cache.
    slot.move_each([this, &ask](EventLink& link) {
      ask();
      file(event_of(link));
    });
  } else {
    slot.move_each([this, &ask](EventLink& link) {
      ask();
      Event& event = event_of(link);
      const unsigned lower = slot_for(event);
      put(event, lower);
      trails_->note(lower, &event);
    });
  }
}

void EventQueue::note(Event& event, unsigned slot) { trails_->note(slot, &event); }

void EventQueue::forget(const EventRing& slot) {
  trails_->drop(static_cast<std::size_t>(&slot - slots_.data()));
}

// Trails begin with a slot that holds very many events, more of them in the slots of its level than
// the host's second cache has room for, and end when a slot of that level or above holds few.
void EventQueue::watch_size(std::size_t count, unsigned level) {
  const std::size_t very_many = level == 1 ? kVeryManyTicks : kVeryMany;
  if (count >= very_many) {
    trailing_level_ = level;
    if (trails_ == nullptr) {
      trails_ = std::make_unique<FetchTrails>(slots_.size());
    }
  } else if (count < very_many / 4 && level >= trailing_level_) {
    trailing_level_ = 0;
  }
}

void EventQueue::enter(EventRing& slot, unsigned level) {
  const unsigned shift = 8 * level;
  cursor_ = event_of(*slot.first()).key_ >> shift << shift;
  const Contents contents = level == 0 ? Contents::kOneKey : look_into(slot);
  if (contents == Contents::kMany) {
    if (trails_ != nullptr) [[unlikely]] {
      return spread(slot, level);
    }
    // What spread() does where no trail was ever laid. In line, as a call costs a twentieth of the
    // time of an event with 64 pending.
    const std::size_t seen = fetch(slot);
    move_down(slot, level, [] {});
    if (seen >= kVeryManyTicks) [[unlikely]] {
      watch_size(seen, level);
    }
    return;
  }
  if (trails_ != nullptr) forget(slot);
  if (contents == Contents::kOneKey) {
    near_.take_all(slot);
    near_end_ = event_of(*near_.first()).key_ + 1;
    return;
  }
  near_end_ = cursor_ + (std::uint64_t{1} << shift);
  slot.move_each([this](EventLink& link) {
    EventLink* place = near_.last();
    while (place != near_.end() && event_of(*place).key_ > event_of(link).key_) {
      place = EventRing::previous(place);
    }
    EventRing::insert_behind(*place, link);
  });
}

void EventQueue::insert_near(Event& event) {
  EventLink* place = near_.last();
  for (unsigned steps = 0; place != near_.end() && event_of(*place).key_ > event.key_; ++steps) {
    if (steps == kNearSteps) {
      return spill_near(event);
    }
    place = EventRing::previous(place);
  }
  EventRing::insert_behind(*place, event);
}

// Files the events of a list that has grown too long, and one more, into the wheel.
void EventQueue::spill_near(Event& event) {
  near_end_ = 0;
  near_.move_each([this](EventLink& link) { file(event_of(link)); });
  file(event);
}

}  // namespace baton::sim
