// State machines as tables: state, event, next state, guard, what is answered when refused, source.
//
// The model applies its tables in its normal work: it asks what an event does in a state or is
// refused with, and StateOf is the only writer of the state. docs/state-machines.md and its
// diagrams are made from the same rows. A pair of state and event without a row cannot come about;
// the run stops as a bug in baton when it does.
//
// States and events are enumerations that count from 0. Lookup is one index, whatever the size of
// the table.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "sim/check.h"

namespace baton::sim {

template <class State, class Event, class Refusal>
struct Transition {
  State state;
  Event event;
  State next;
  std::optional<Refusal> refused;
  std::string_view source;
  std::string_view guard = {};  // in words: when it is this row; who sends the event decides it
};

template <class State, class Event, class Refusal>
class StateTable {
 public:
  using Row = Transition<State, Event, Refusal>;
  using Names = std::span<const std::string_view>;

  // A second row for a pair of state and event does not compile, nor one out of range.
  consteval StateTable(std::span<const Row> rows, Names states, Names events)
      : rows_(rows), states_(states), events_(events) {
    if (states.size() * events.size() > kPairsMost) throw "too many pairs for the index";
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto state = static_cast<std::size_t>(rows[i].state);
      const auto event = static_cast<std::size_t>(rows[i].event);
      if (state >= states.size() || event >= events.size()) throw "a row outside the names";
      std::uint8_t& at = index_[state * events.size() + event];
      if (at != 0) throw "two rows for a pair of state and event";
      at = static_cast<std::uint8_t>(i + 1);
    }
  }

  std::span<const Row> rows() const { return rows_; }
  std::size_t state_count() const { return states_.size(); }
  std::size_t event_count() const { return events_.size(); }
  std::string_view name(State state) const { return states_[static_cast<std::size_t>(state)]; }
  std::string_view name(Event event) const { return events_[static_cast<std::size_t>(event)]; }

  // Null: the state cannot meet the event.
  const Row* find(State state, Event event) const {
    const std::uint8_t at =
        index_[static_cast<std::size_t>(state) * events_.size() + static_cast<std::size_t>(event)];
    return at == 0 ? nullptr : &rows_[at - 1U];
  }
  const Row& at(State state, Event event) const {
    const Row* row = find(state, event);
    if (row == nullptr) {
      check_failed(__FILE__, __LINE__, "row", "an event that this state cannot meet");
    }
    return *row;
  }

 private:
  static constexpr std::size_t kPairsMost = 255;

  std::span<const Row> rows_;
  Names states_;
  Names events_;
  std::array<std::uint8_t, kPairsMost> index_{};  // number of the row; 0: none
};

// A state and the table that it follows.
template <class State, class Event, class Refusal>
class StateOf {
 public:
  using Table = StateTable<State, Event, Refusal>;
  using Answer = std::expected<void, Refusal>;

  StateOf(const StateTable<State, Event, Refusal>& table, State initial)
      : table_(&table), state_(initial) {}

  State value() const { return state_; }

  // What the event would meet; no change.
  Answer check(Event event) const { return answer(table_->at(state_, event)); }

  Answer apply(Event event) {
    const auto& row = table_->at(state_, event);
    if (!row.refused) state_ = row.next;
    return answer(row);
  }

  // An event that has come about, after the check that could refuse it.
  void commit(Event event) {
    const Answer applied = apply(event);
    BATON_CHECK(applied.has_value(), "an event that has come about is refused by its table");
  }

 private:
  static Answer answer(const typename Table::Row& row) {
    return row.refused ? Answer(std::unexpected(*row.refused)) : Answer();
  }

  const Table* table_;
  State state_;
};

}  // namespace baton::sim
