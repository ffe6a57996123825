// Sets of pages: what was added less what was removed, in the fewest runs.

#include "harness/invariants/page_set.h"

using namespace baton;
using namespace baton::harness;

namespace {

sim::PhysRange pages(std::uint64_t first, std::uint64_t count) {
  return {PhysAddr(first * sim::kPageSize), count * sim::kPageSize};
}

}  // namespace

TEST_CASE("adjacent and overlapping runs become one") {
  PageSet set;
  set.add(pages(10, 2));
  set.add(pages(14, 2));
  set.add(pages(12, 2));
  set.add(pages(11, 3));
  CHECK(set.runs() == std::vector<sim::PhysRange>{pages(10, 6)});
  CHECK(set.pages() == 6);
}

TEST_CASE("a removal splits a run") {
  PageSet set;
  set.add(pages(0, 10));
  set.remove(pages(3, 2));
  CHECK(set.runs() == std::vector<sim::PhysRange>{pages(0, 3), pages(5, 5)});
  CHECK(set.contains(PhysAddr(2 * sim::kPageSize + 5)));
  CHECK_FALSE(set.contains(PhysAddr(3 * sim::kPageSize)));
  set.remove(pages(0, 100));
  CHECK(set.empty());
}

TEST_CASE("a part of a page counts as the page") {
  PageSet set;
  set.add({PhysAddr(100), 10});
  CHECK(set.runs() == std::vector<sim::PhysRange>{pages(0, 1)});
}

TEST_CASE("what lies inside a range and what lies outside of others is found") {
  PageSet set;
  set.add(pages(2, 4));
  set.add(pages(10, 4));
  CHECK(set.within(pages(4, 7)) == std::vector<sim::PhysRange>{pages(4, 2), pages(10, 1)});
  CHECK(set.within(pages(7, 2)).empty());
  const std::vector<sim::PhysRange> kept{pages(0, 4), pages(11, 100)};
  CHECK(set.outside(kept) == std::vector<sim::PhysRange>{pages(4, 2), pages(10, 1)});
  CHECK(pages_in(kept) == 104);
}
