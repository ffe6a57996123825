// The tables of LUO's state machines, pair by pair.
#include "model/luo/state_machine.h"
#include "tests/support/state_walk.h"

using namespace baton;

TEST_CASE("every state of a session meets every event as its table says, or not at all") {
  test::walk_pairs(luo::session_table());
}

TEST_CASE("every state of a file meets every event as its table says, or not at all") {
  test::walk_pairs(luo::file_table());
}

TEST_CASE("every state of a shared object meets every event as its table says, or not at all") {
  test::walk_pairs(luo::flb_table());
}
