// Tables of state machines: what is asked of them, and what cannot be.
#include "sim/state_table.h"

#include "tests/support/state_walk.h"

using namespace baton;

namespace {

enum class Door : std::uint8_t { kOpen, kShut };
enum class Hand : std::uint8_t { kPull, kPush, kLock };

constexpr std::string_view kDoors[] = {"open", "shut"};
constexpr std::string_view kHands[] = {"pull", "push", "lock"};
constexpr sim::Transition<Door, Hand, int> kRows[] = {
    {Door::kOpen, Hand::kPull, Door::kShut, {}, "carpentry"},
    {Door::kShut, Hand::kPush, Door::kOpen, {}, "carpentry", "it is not locked"},
    {Door::kShut, Hand::kPull, Door::kShut, 7, "carpentry"},
};
constexpr sim::StateTable<Door, Hand, int> kTable(kRows, kDoors, kHands);

}  // namespace

TEST_CASE("a state machine does what its table says, and stops where the table says nothing") {
  sim::StateOf machine(kTable, Door::kOpen);
  CHECK(machine.check(Hand::kPull).has_value());
  CHECK(machine.value() == Door::kOpen);
  machine.commit(Hand::kPull);
  CHECK(machine.value() == Door::kShut);
  CHECK(machine.apply(Hand::kPull).error() == 7);
  CHECK(machine.value() == Door::kShut);
  CHECK_THROWS_AS(machine.commit(Hand::kPull), sim::BugError);
  CHECK_THROWS_AS(machine.apply(Hand::kLock), sim::BugError);
  machine.commit(Hand::kPush);
  CHECK(machine.value() == Door::kOpen);
  CHECK_THROWS_AS(machine.check(Hand::kPush), sim::BugError);
  CHECK(kTable.find(Door::kOpen, Hand::kLock) == nullptr);
  CHECK(kTable.at(Door::kShut, Hand::kPush).guard == "it is not locked");
  CHECK(kTable.name(Door::kShut) == "shut");
  CHECK(kTable.name(Hand::kLock) == "lock");
}

TEST_CASE("the walk over a table meets every pair") { test::walk_pairs(kTable); }
