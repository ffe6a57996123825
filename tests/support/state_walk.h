// Walks every pair of state and event of a table: each meets its row, or cannot come about.
#pragma once

#include "sim/state_table.h"

namespace baton::test {

template <class State, class Event, class Refusal>
void walk_pairs(const sim::StateTable<State, Event, Refusal>& table) {
  std::size_t rows = 0;
  for (std::size_t s = 0; s < table.state_count(); ++s) {
    for (std::size_t e = 0; e < table.event_count(); ++e) {
      const auto state = static_cast<State>(s);
      const auto event = static_cast<Event>(e);
      INFO(table.name(state) << ", " << table.name(event));
      CHECK_FALSE(table.name(state).empty());
      CHECK_FALSE(table.name(event).empty());
      sim::StateOf<State, Event, Refusal> machine(table, state);
      const auto* row = table.find(state, event);
      if (row == nullptr) {
        CHECK_THROWS_AS(machine.check(event), sim::BugError);
        CHECK_THROWS_AS(machine.apply(event), sim::BugError);
        CHECK_THROWS_AS(machine.commit(event), sim::BugError);
        CHECK(machine.value() == state);
        continue;
      }
      ++rows;
      CHECK((row->state == state && row->event == event));
      CHECK_FALSE(row->source.empty());
      const auto checked = machine.check(event);
      CHECK(machine.value() == state);
      const auto applied = machine.apply(event);
      CHECK(checked.has_value() == applied.has_value());
      CHECK(applied.has_value() == !row->refused.has_value());
      if (row->refused) {
        CHECK(applied.error() == *row->refused);
        CHECK(row->next == state);  // what is refused changes nothing, and the row says so
        CHECK_THROWS_AS(machine.commit(event), sim::BugError);
      }
      CHECK(machine.value() == row->next);
    }
  }
  CHECK(rows == table.rows().size());
}

}  // namespace baton::test
