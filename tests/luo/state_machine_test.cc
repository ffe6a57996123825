// The tables of LUO's state machines, pair by pair.
#include "model/luo/state_machine.h"

using namespace baton;

namespace {

// Every state meets every event: as its row says, or not at all.
template <class State, class Event>
void walk(std::span<const luo::Transition<State, Event>> table, unsigned states, unsigned events) {
  std::size_t rows = 0;
  for (unsigned s = 0; s < states; ++s) {
    for (unsigned e = 0; e < events; ++e) {
      const auto state = static_cast<State>(s);
      const auto event = static_cast<Event>(e);
      INFO(luo::name(state) << ", event " << e);
      std::size_t found = 0;
      for (const auto& row : table) {
        if (row.state != state || row.event != event) continue;
        ++found;
        luo::StateOf<State, Event> machine(table, state);
        const auto checked = machine.check(event);
        CHECK(machine.value() == state);
        const auto applied = machine.apply(event);
        CHECK(checked.has_value() == applied.has_value());
        CHECK(applied.has_value() == !row.refused.has_value());
        if (row.refused) CHECK(applied.error() == *row.refused);
        CHECK(machine.value() == (row.refused ? state : row.next));
        CHECK_FALSE(row.source.empty());
      }
      CHECK(found <= 1);
      rows += found;
      if (found != 0) continue;
      luo::StateOf<State, Event> machine(table, state);
      CHECK_THROWS_AS(machine.apply(event), sim::BugError);
      CHECK_THROWS_AS(machine.check(event), sim::BugError);
      CHECK(machine.value() == state);
    }
  }
  CHECK(rows == table.size());
}

}  // namespace

TEST_CASE("every state of a session meets every event as its table says, or not at all") {
  walk(luo::session_table(), 7, 8);
}

TEST_CASE("every state of a file meets every event as its table says, or not at all") {
  walk(luo::file_table(), 7, 6);
}

TEST_CASE("every state of a shared object meets every event as its table says, or not at all") {
  walk(luo::flb_table(), 6, 6);
}
