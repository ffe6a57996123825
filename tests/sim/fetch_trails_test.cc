// Room of the trails: taken block by block, given back, and no more of it than there is.
#include "sim/fetch_trails.h"

namespace {

using baton::sim::FetchTrails;

constexpr std::size_t kMore = std::size_t{1} << 22;  // places, more than there is room for

void fill(FetchTrails& trails, std::size_t slot) {
  const int place = 0;
  for (std::size_t i = 0; i < kMore; ++i) {
    trails.note(slot, &place);
  }
}

}  // namespace

TEST_CASE("trails that have taken all room leave none to others until they are gone") {
  FetchTrails trails(3);
  const int place = 0;
  fill(trails, 0);
  trails.note(1, &place);
  CHECK(trails.empty(1));
  trails.drop(0);
  CHECK(trails.empty(0));
  fill(trails, 1);
  CHECK_FALSE(trails.empty(1));
  trails.note(2, &place);
  CHECK(trails.empty(2));
}

TEST_CASE("a trail is gone behind the walk along it, however far that went") {
  FetchTrails trails(1);
  const int place = 0;
  for (const std::size_t places : {0U, 1U, 62U, 63U, 64U, 126U, 127U, 1000U}) {
    for (const std::size_t steps : {std::size_t{0}, places, 2 * places}) {
      for (std::size_t i = 0; i < places; ++i) {
        trails.note(0, &place);
      }
      CHECK(trails.empty(0) == (places == 0));
      {
        FetchTrails::Walk walk(trails, 0);
        for (std::size_t i = 0; i < steps; ++i) {
          walk.step();
        }
      }
      CHECK(trails.empty(0));
    }
  }
}
