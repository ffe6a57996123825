// Random tables, requests, changes and the invalidations that they need: the unit with all its
// caches always says what an oracle without caches says; without the invalidations, something that
// the tables have said since the last one. And the test itself: a unit that breaks one rule does
// not pass.
#include "tests/iommu_vtd/property_world.h"

using namespace baton;
using namespace baton::iommu_vtd;
using test::World;
using test::WorldOptions;

namespace {

World::Counts run(const WorldOptions& options, unsigned steps) {
  World world(options);
  for (unsigned step = 0; step < steps; ++step) {
    const std::string wrong = world.step();
    if (!wrong.empty()) {
      FAIL("seed " << options.seed << " step " << step << ": " << wrong);
    }
  }
  return world.counts;
}

constexpr unsigned kSteps = 10'000;
constexpr unsigned kManySteps = 100'000;

void check_all(unsigned steps) {
  const auto caches = GENERATE(Caches::kExact, Caches::kHardware);
  const unsigned hits = steps / (caches == Caches::kExact ? 50 : 150);
  SECTION("legacy mode") {
    const bool without = GENERATE(false, true);
    const auto counts =
        run({.seed = 0x1234'5678, .without_paging_caches = without, .caches = caches}, steps);
    CHECK(counts.reasons.at(0) > steps / 12);
    CHECK(counts.hits > hits);
    CHECK(counts.reasons.size() > 6);
    CHECK(counts.translated > steps / 100);
    CHECK(counts.interrupts > steps / 20);
  }
  SECTION("scalable mode") {
    const auto counts = run({.seed = 0x9E37'79B9, .scalable = true, .caches = caches}, steps);
    CHECK(counts.reasons.at(0) > steps / 12);
    CHECK(counts.hits > hits);
    CHECK(counts.reasons.size() > 15);
  }
  SECTION("scalable mode with few faults and deep tables") {
    const auto counts =
        run({.seed = 0x5A5A'0001, .scalable = true, .calm = 20, .caches = caches}, steps);
    CHECK(counts.reasons.at(0) > steps / 5);
    CHECK(counts.hits > hits);
    CHECK(counts.translated > steps / 25);
  }
  SECTION("invalidations that come late") {
    const bool scalable = GENERATE(false, true);
    const auto counts =
        run({.seed = 0x600D, .scalable = scalable, .calm = 20, .forgetful = true, .caches = caches},
            steps);
    CHECK(counts.stale > steps / 1'000);
  }
}

bool notices(Erratum erratum) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    World world({.seed = seed * 0x9E37'79B9,
                 .scalable = seed % 2 == 0,
                 .calm = seed % 4 < 2 ? 20U : 3U,
                 .erratum = erratum});
    for (unsigned step = 0; step < 20'000; ++step) {
      if (!world.step().empty()) return true;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("10,000 steps agree with an oracle without caches") { check_all(kSteps); }

TEST_CASE("a million steps agree with an oracle without caches", "[.million]") {
  check_all(kManySteps);
}

TEST_CASE("a unit that breaks one rule of its caches does not pass") {
  for (unsigned i = 1; i < static_cast<unsigned>(Erratum::kCount); ++i) {
    INFO("erratum " << i);
    CHECK(notices(static_cast<Erratum>(i)));
  }
}
