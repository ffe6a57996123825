// Nothing is allocated on the way of a request, whatever it meets.
#include "tests/iommu_vtd/scalable_fixture.h"
#include "tests/support/count_allocations.h"

using namespace baton;
using test::allocations;
using test::ScalableFixture;

TEST_CASE("the counter of allocations counts") {
  const std::size_t before = allocations;
  const auto some = std::make_unique<int>(1);
  CHECK(allocations == before + 1);
}

TEST_CASE("requests, misses, faults and interrupts allocate nothing") {
  auto profile = test::every_feature();
  const bool bounded = GENERATE(false, true);
  profile.caches = bounded ? iommu_vtd::Caches::kHardware : iommu_vtd::Caches::kExact;
  ScalableFixture t(profile);
  t.faults.reserve(4096);
  // The fixture listens to faults; what it keeps is its own.
  for (std::uint64_t page = 0; page < 512; ++page) {
    t.put(ScalableFixture::kPt + page * 8, (ScalableFixture::kTarget + page * 4096) | 3);
  }
  const std::size_t before = allocations;
  unsigned allowed = 0;
  for (std::uint64_t round = 0; round < 4; ++round) {
    for (std::uint64_t page = 0; page < 640; ++page) {
      allowed += t.ask({std::nullopt, page * 4096}).allowed ? 1 : 0;
      allowed += t.ask({1 + page % 3, page * 4096, page % 2 != 0}).allowed ? 1 : 0;
    }
  }
  t.unit.remap(t.device, 0xFEE0'0000, 0x41);
  const std::size_t after = allocations;
  CHECK(after == before);
  CHECK(allowed > 2048);
  CHECK_FALSE(t.faults.empty());
}
