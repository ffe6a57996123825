// Invalidations wait for the requests that were under way [VT-d 6.5.4]: read and write drain, of
// descriptors and of the register command.
#include "tests/iommu_vtd/scalable_fixture.h"

using namespace baton;
using namespace baton::iommu_vtd;
using test::Offset;
using test::ScalableFixture;
using test::UnitFixture;
using namespace baton::sim::literals;

namespace {

constexpr std::uint64_t kDomainSelective = 2 | 2 << 4 | 7 << 16, kDw = 1 << 6, kDr = 1 << 7;

// A read of 300 ns and a write of 500 ns are under way.
template <class Base>
struct Busy : Base {
  template <class... Args>
  explicit Busy(const Args&... args) : Base(args...) {
    this->simulation.template topic<WaitCompleted>().subscribe(
        [this](const WaitCompleted& seen) { waits.push_back(seen.waited); });
    this->unit.under_way(request(false), 300_ns);
    this->unit.under_way(request(true), 500_ns);
  }
  pci::MemoryRequest request(bool write) const {
    pci::MemoryRequest made;
    made.requester = this->device;
    made.write = write;
    return made;
  }
  std::uint32_t status() {
    return this->memory.template load<std::uint32_t>(PhysAddr(UnitFixture::kStatus));
  }
  void after(sim::Duration time) { this->simulation.run_until(this->simulation.now() + time); }

  std::vector<sim::Duration> waits;
};

}  // namespace

TEST_CASE("a wait after an invalidation with drain completes when those requests have arrived") {
  struct Case {
    std::uint64_t bits;
    sim::Duration takes;
  };
  const Case c =
      GENERATE(Case{0, 0_ns}, Case{kDr, 300_ns}, Case{kDw, 500_ns}, Case{kDr | kDw, 500_ns});
  Busy<UnitFixture> t;
  t.enable_queue();
  t.submit(kDomainSelective | c.bits);
  t.submit(5 | 1 << 5 | 1ULL << 32, UnitFixture::kStatus);
  CHECK(t.read64(Offset::kIqh) == 32);
  if (c.takes > 0_ns) {
    CHECK(t.status() == 0);
    t.after(c.takes - 1_ns);
    CHECK(t.status() == 0);
    t.after(1_ns);
    REQUIRE(t.waits.size() == 1);
    CHECK(t.waits[0] == c.takes);
  }
  CHECK(t.status() == 1);
}

TEST_CASE("requests that come after the invalidation are not waited for") {
  Busy<UnitFixture> t;
  t.enable_queue();
  t.submit(kDomainSelective | kDr | kDw);
  t.unit.under_way(t.request(true), 900_ns);
  t.submit(5 | 1 << 5 | 1ULL << 32, UnitFixture::kStatus);
  t.after(500_ns);
  CHECK(t.status() == 1);
}

TEST_CASE("what an invalidation drops is gone at once, whatever the wait takes") {
  Busy<UnitFixture> t;
  t.enable();
  t.enable_queue();
  CHECK(t.read(0x5000).allowed);
  t.put(UnitFixture::kPt + 5 * 8, 0);
  t.submit(kDomainSelective | kDr | kDw);
  CHECK_FALSE(t.read(0x5000).allowed);
}

TEST_CASE("an invalidation by PASID drains reads and writes always") {
  Busy<ScalableFixture> t;
  t.enable_wide_queue();
  t.send(6 | 2 << 4 | 8ULL << 16 | 1ULL << 32);
  t.send(5 | 1 << 5 | 1ULL << 32, UnitFixture::kStatus);
  t.after(499_ns);
  CHECK(t.status() == 0);
  t.after(1_ns);
  CHECK(t.status() == 1);
}

TEST_CASE("the IOTLB register command with drain keeps IVT until those requests have arrived") {
  Busy<UnitFixture> t;
  const std::uint64_t command = 1ULL << 63 | 1ULL << 60;
  t.write64(Offset::kIotlb, command | 1ULL << 49);  // DR
  CHECK(t.read64(Offset::kIotlb) >> 63 == 1);
  t.after(300_ns);
  CHECK(t.read64(Offset::kIotlb) >> 63 == 0);
  t.write64(Offset::kIotlb, command);
  CHECK(t.read64(Offset::kIotlb) >> 63 == 0);
}

TEST_CASE("a unit without draining waits for nothing") {
  Profile profile = sapphire_rapids_legacy();
  profile.cap &= ~(3ULL << 54);
  Busy<UnitFixture> t(profile);
  t.enable_queue();
  t.submit(kDomainSelective | kDr | kDw);
  t.submit(5 | 1 << 5 | 1ULL << 32, UnitFixture::kStatus);
  CHECK(t.status() == 1);
}

TEST_CASE("switching the queue off ends a wait that never completes") {
  Busy<UnitFixture> t;
  t.enable_queue();
  t.submit(kDomainSelective | kDr | kDw);
  t.submit(5 | 1 << 5 | 1ULL << 32, UnitFixture::kStatus);
  t.write32(Offset::kGcmd, 0);
  t.after(1_us);
  CHECK(t.status() == 0);
  CHECK(t.waits.empty());
}
