// Observers see the tables as they are, and leave no trace.
#include "tests/iommu_vtd/unit_fixture.h"

using namespace baton;
using namespace baton::iommu_vtd;
using test::UnitFixture;

TEST_CASE("inspection walks memory past the caches and records nothing") {
  UnitFixture t;
  t.enable();
  t.read(0x5000);
  t.put(UnitFixture::kPt + 40, 0x3000'0000 | 1);
  const RemappingUnit::Walk walk = t.unit.inspect(t.device, Iova(0x5010));
  CHECK(walk.mapped);
  CHECK(walk.address == PhysAddr(0x3000'0010));
  CHECK(walk.readable);
  CHECK_FALSE(walk.writable);
  CHECK(walk.domain == DomainId(UnitFixture::kDomain));
  CHECK_FALSE(t.unit.inspect(t.device, Iova(0x6000)).mapped);
  CHECK_FALSE(t.unit.inspect(t.device, Iova(1ULL << 50)).mapped);
  CHECK_FALSE(t.unit.inspect(Bdf(1, 0, 0), Iova(0x5000)).mapped);
  CHECK(t.faults.empty());
  CHECK(t.read(0x5000).address == PhysAddr(UnitFixture::kTarget));
}

TEST_CASE("with translation off everything is mapped to itself") {
  UnitFixture t;
  const RemappingUnit::Walk walk = t.unit.inspect(t.device, Iova(0x777));
  CHECK(walk.mapped);
  CHECK(walk.address == PhysAddr(0x777));
}

TEST_CASE("all table pages and merged runs of leaves are shown") {
  UnitFixture t;
  t.put(UnitFixture::kPt + 6 * 8, (UnitFixture::kTarget + 0x1000) | 3);
  t.put(UnitFixture::kPt + 7 * 8, (UnitFixture::kTarget + 0x2000) | 1);
  t.put(UnitFixture::kPd + 8, 0x2020'0000 | 0x83);
  t.enable();
  std::vector<std::pair<std::uint64_t, std::string>> tables;
  struct Run {
    std::uint64_t from, to, length;
    bool writable;
    bool operator==(const Run&) const = default;
  };
  std::vector<Run> runs;
  t.unit.inspect_tables(
      t.device, [&](PhysAddr page, const char* what) { tables.emplace_back(page.value(), what); },
      [&](Iova from, PhysAddr to, std::uint64_t length, bool writable) {
        runs.push_back({from.value(), to.value(), length, writable});
      });
  using F = UnitFixture;
  const std::vector<std::pair<std::uint64_t, std::string>> expected_tables{
      {F::kRoot, "root table"}, {F::kContexts, "context table"}, {F::kPml4, "page table"},
      {F::kPdpt, "page table"}, {F::kPd, "page table"},          {F::kPt, "page table"}};
  CHECK(tables == expected_tables);
  const std::vector<Run> expected_runs{{0x5000, F::kTarget, 0x2000, true},
                                       {0x7000, F::kTarget + 0x2000, 0x1000, false},
                                       {0x20'0000, 0x2020'0000, 0x20'0000, true}};
  CHECK((runs == expected_runs));
}
