// Fault records, overflow, the fault event [VT-d 7.2, 7.3].
#include "tests/iommu_vtd/unit_fixture.h"

using namespace baton;
using test::Offset;
using test::UnitFixture;

namespace {
void clear_record(UnitFixture& t) { t.write32(Offset::kFrcd + 12, 0x8000'0000); }
}  // namespace

TEST_CASE("a record holds requester, page, direction") {
  UnitFixture t;
  t.enable();
  t.read(0x1234'5678);
  const std::uint64_t high = t.read64(Offset::kFrcd + 8);
  CHECK(high == (1ULL << 63 | 1ULL << 62 | 6ULL << 32 | t.device.value()));
  CHECK(t.read64(Offset::kFrcd) == 0x1234'5000);
  CHECK(t.read32(Offset::kFsts) == 2);
  clear_record(t);
  CHECK(t.read32(Offset::kFsts) == 0);
  t.write(0x1234'5678);
  CHECK((t.read64(Offset::kFrcd + 8) >> 62 & 1) == 0);
}

TEST_CASE("faults of a requester that has a record are dropped, others overflow") {
  UnitFixture t;
  t.enable();
  t.read(0x6000);
  t.read(0x7000);
  CHECK(t.read32(Offset::kFsts) == 2);
  t.device = Bdf(0, 4, 0);
  t.read(0x8000);
  CHECK(t.read32(Offset::kFsts) == 3);
  CHECK(t.read64(Offset::kFrcd) == 0x6000);
  REQUIRE(t.faults.size() == 3);
  CHECK(t.faults[0].recorded);
  CHECK_FALSE(t.faults[1].recorded);
  CHECK_FALSE(t.faults[2].recorded);
}

TEST_CASE("after an overflow nothing is recorded until it is cleared") {
  UnitFixture t;
  t.enable();
  t.read(0x6000);
  t.device = Bdf(0, 4, 0);
  t.read(0x8000);
  clear_record(t);
  t.read(0x8000);
  CHECK_FALSE(t.has_record());
  t.write32(Offset::kFsts, 1);
  t.read(0x8000);
  CHECK(t.has_record());
}

TEST_CASE("a unit that does not collapse overflows on the second fault") {
  iommu_vtd::Profile profile = iommu_vtd::sapphire_rapids_legacy();
  profile.collapse_faults_of_requester = false;
  UnitFixture t(profile);
  t.enable();
  t.read(0x6000);
  t.read(0x7000);
  CHECK(t.read32(Offset::kFsts) == 3);
}

TEST_CASE("the first fault sends the event, later ones do not until all is clear") {
  UnitFixture t;
  t.write32(Offset::kFedata, 0x41);
  t.write32(Offset::kFeaddr, 0xFEE0'0000);
  t.write32(Offset::kFectl, 0);
  t.enable();
  t.read(0x6000);
  t.read(0x7000);
  REQUIRE(t.messages.size() == 1);
  CHECK(t.messages[0] == std::pair<std::uint64_t, std::uint32_t>(0xFEE0'0000, 0x41));
  CHECK(t.read32(Offset::kFectl) == 0);
  clear_record(t);
  t.read(0x6000);
  CHECK(t.messages.size() == 2);
}

TEST_CASE("a masked event stays pending and goes out when unmasked") {
  UnitFixture t;
  t.enable();
  t.read(0x6000);
  CHECK(t.messages.empty());
  CHECK(t.read32(Offset::kFectl) == 0xC000'0000);
  SECTION("unmasked") {
    t.write32(Offset::kFectl, 0);
    CHECK(t.messages.size() == 1);
    CHECK(t.read32(Offset::kFectl) == 0);
  }
  SECTION("served first") {
    clear_record(t);
    CHECK(t.read32(Offset::kFectl) == 0x8000'0000);
    t.write32(Offset::kFectl, 0);
    CHECK(t.messages.empty());
  }
}

TEST_CASE("a queue error is an event condition of its own, once") {
  UnitFixture t;
  t.write32(Offset::kFectl, 0);
  t.enable_queue();
  t.submit(0);
  CHECK(t.messages.size() == 1);
  t.enable();
  t.read(0x6000);
  CHECK(t.messages.size() == 1);
}

TEST_CASE("records survive translation off and on, and a new root") {
  UnitFixture t;
  t.enable();
  t.read(0x6000);
  t.write32(Offset::kGcmd, 0);
  t.enable();
  CHECK(t.has_record());
}
