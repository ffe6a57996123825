// Circular lists of events. An EventLink is part of each event; an EventRing is the link that such
// a list begins and ends with. An event leaves its list by itself, when it is cancelled or
// destroyed, and nobody has to know which list that is.
//
// Not a list of Boost.Intrusive, because the queue moves whole lists: it reads each link once and
// writes it once, where taking an element out of one list and putting it into another writes four
// times and resets the link between (a fifth of the instructions of moving an event).
#pragma once

namespace baton::sim {

class EventRing;

class EventLink {
 public:
  EventLink() = default;
  EventLink(const EventLink&) = delete;
  EventLink& operator=(const EventLink&) = delete;
  ~EventLink() { unlink(); }

  bool linked() const { return next_ != nullptr; }
  void unlink() {
    if (next_ != nullptr) {
      previous_->next_ = next_;
      next_->previous_ = previous_;
      next_ = nullptr;
    }
  }

 private:
  friend class EventRing;

  void link_behind(EventLink& place) {
    EventLink* const next = place.next_;
    next_ = next;
    previous_ = &place;
    place.next_ = this;
    next->previous_ = this;
  }

  EventLink* next_ = nullptr;  // null: in no list
  EventLink* previous_ = nullptr;
};

class EventRing {
 public:
  EventRing() { clear(); }
  ~EventRing() {
    while (!empty()) {
      first()->unlink();
    }
    head_.next_ = nullptr;
  }
  EventRing(const EventRing&) = delete;
  EventRing& operator=(const EventRing&) = delete;

  bool empty() const { return head_.next_ == &head_; }
  bool has_one() const { return head_.next_->next_ == &head_; }  // asked when not empty

  bool has_two() const { return head_.next_->next_ == head_.previous_; }  // of two or more

  // Both ends, and steps towards them; end() is behind the last and before the first.
  EventLink* first() const { return head_.next_; }
  EventLink* last() const { return head_.previous_; }
  EventLink* end() { return &head_; }
  static EventLink* next(const EventLink* link) { return link->next_; }
  static EventLink* previous(const EventLink* link) { return link->previous_; }

  void push_back(EventLink& link) { link.link_behind(*head_.previous_); }
  static void insert_behind(EventLink& place, EventLink& link) { link.link_behind(place); }

  EventLink* take_first() {
    EventLink* const link = head_.next_;
    EventLink* const next = link->next_;
    head_.next_ = next;
    next->previous_ = &head_;
    link->next_ = nullptr;
    return link;
  }

  // Of the two links in this ring one is taken out and the other moved into a ring that is empty.
  void part(EventLink& taken, EventLink& moved, EventRing& to) {
    clear();
    taken.next_ = nullptr;
    to.head_.next_ = to.head_.previous_ = &moved;
    moved.next_ = moved.previous_ = &to.head_;
  }

  // Takes over all of `other`, which is not empty, in its order. This ring was empty.
  void take_all(EventRing& other) {
    head_.next_ = other.head_.next_;
    head_.previous_ = other.head_.previous_;
    head_.next_->previous_ = &head_;
    head_.previous_->next_ = &head_;
    other.clear();
  }

  // Hands each link to `put`, first to last, which links it elsewhere (never here). This ring is
  // empty then.
  template <class Put>
  void move_each(Put put) {
    EventLink* link = head_.next_;
    clear();
    while (link != &head_) {
      EventLink* const next = link->next_;
      put(*link);
      link = next;
    }
  }

 private:
  void clear() { head_.next_ = head_.previous_ = &head_; }

  EventLink head_;
};

}  // namespace baton::sim
