// The way of a DMA request: each fault reason of legacy mode, permissions, page sizes, protected
// memory, latency [VT-d 3, 7.1.3].
#include "tests/iommu_vtd/unit_fixture.h"

using namespace baton;
using namespace baton::iommu_vtd;
using test::Offset;
using test::UnitFixture;
using namespace baton::sim::literals;

namespace {
constexpr std::uint64_t kNowhere = 0x40'0000'0000;  // 256 GiB: no RAM there

// One change to the fixture's tables, and what a request gets then.
struct FaultCase {
  const char* what;
  std::function<void(UnitFixture&)> change;
  unsigned reason;
  std::uint64_t iova = 0x5000;
  bool write = false;
  bool qualified = true;  // suppressed by FPD
};

std::vector<FaultCase> fault_cases() {
  using F = UnitFixture;
  const std::uint64_t context = F::context_at(Bdf(0, 3, 0));
  const std::uint64_t word1 = 2 | F::kDomain << 8;
  return {
      {"root entry absent", [](F& t) { t.put(F::kRoot, 0); }, 0x1, 0x5000, false, false},
      {"root table not backed", [](F& t) { t.set_root(kNowhere); }, 0x8, 0x5000, false, false},
      {"context table not backed", [](F& t) { t.put(F::kRoot, kNowhere | 1); }, 0x9, 0x5000, false,
       false},
      {"root entry reserved bit", [](F& t) { t.put(F::kRoot, F::kContexts | 3); }, 0xA, 0x5000,
       false, false},
      {"root entry upper half", [](F& t) { t.put(F::kRoot + 8, 1); }, 0xA, 0x5000, false, false},
      {"context entry absent", [=](F& t) { t.put(context, F::kPml4); }, 0x2},
      {"context entry reserved bit", [=](F& t) { t.put(context, F::kPml4 | 0x11); }, 0xB},
      {"table pointer above the host width",
       [=](F& t) { t.put(context, F::kPml4 | 1ULL << 52 | 1); }, 0xB},
      {"translation type 01 without device-TLB", [=](F& t) { t.put(context, F::kPml4 | 5); }, 0x3},
      {"translation type 11", [=](F& t) { t.put(context, F::kPml4 | 0xD); }, 0x3},
      {"3 levels not supported", [=](F& t) { t.put(context + 8, (word1 & ~7ULL) | 1); }, 0x3},
      {"address width 0", [=](F& t) { t.put(context + 8, word1 & ~7ULL); }, 0x3},
      {"pass-through with the smaller width", [=](F& t) { t.put(context, 9); }, 0x3},
      {"top table not backed", [=](F& t) { t.put(context, kNowhere | 1); }, 0x3},
      {"address beyond the table", [](F&) {}, 0x4, 1ULL << 48},
      {"absent, write", [](F&) {}, 0x5, 0x6000, true},
      {"read-only, write", [](F& t) { t.put(F::kPt + 40, F::kTarget | 1); }, 0x5, 0x5000, true},
      {"upper level read-only, write", [](F& t) { t.put(F::kPd, F::kPt | 1); }, 0x5, 0x5000, true},
      {"absent, read", [](F&) {}, 0x6, 0x6000},
      {"write-only, read", [](F& t) { t.put(F::kPt + 40, F::kTarget | 2); }, 0x6},
      {"lower table not backed", [](F& t) { t.put(F::kPdpt, kNowhere | 3); }, 0x7},
      {"leaf bit 62", [](F& t) { t.put(F::kPt + 40, F::kTarget | 3 | 1ULL << 62); }, 0xC},
      {"PS in the top table", [](F& t) { t.put(F::kPml4, F::kPdpt | 0x83); }, 0xC},
      {"snoop bit in a table entry", [](F& t) { t.put(F::kPd, F::kPt | 0x803); }, 0xC},
      {"2 MiB page not aligned", [](F& t) { t.put(F::kPd, F::kTarget | 0x1083); }, 0xC},
      {"result is an interrupt address", [](F& t) { t.put(F::kPt + 40, 0xFEE0'0003); }, 0xE},
  };
}
}  // namespace

TEST_CASE("a request ends where the tables say, with the page offset kept") {
  UnitFixture t;
  t.enable();
  const Translation read = t.read(0x5040);
  CHECK(read.allowed);
  CHECK(read.address == PhysAddr(UnitFixture::kTarget + 0x40));
  CHECK(read.domain == DomainId(UnitFixture::kDomain));
  CHECK(t.write(0x5000).allowed);
  CHECK(t.faults.empty());
}

TEST_CASE("with translation off every address is physical") {
  UnitFixture t;
  const Translation read = t.read(0x12'3456);
  CHECK(read.allowed);
  CHECK(read.address == PhysAddr(0x12'3456));
  CHECK(read.domain == DomainId(0));
  CHECK(read.latency == 0_ns);
}

TEST_CASE("each fault of legacy mode has its reason, and is recorded") {
  for (const FaultCase& fault : fault_cases()) {
    INFO(fault.what);
    UnitFixture t;
    t.enable();
    fault.change(t);
    const Translation result = t.request(fault.iova, fault.write);
    CHECK_FALSE(result.allowed);
    CHECK(unsigned{result.fault_reason} == fault.reason);
    CHECK(t.has_record());
    CHECK(t.recorded_reason() == fault.reason);
    CHECK(t.read64(Offset::kFrcd) == (fault.iova & ~0xFFFULL));
    REQUIRE(t.faults.size() == 1);
    CHECK(t.faults[0].recorded);
    CHECK(t.faults[0].source == t.device);
    CHECK(t.faults[0].write == fault.write);
  }
}

TEST_CASE("FPD in the context entry keeps qualified faults out of the log, not the request alive") {
  for (const FaultCase& fault : fault_cases()) {
    INFO(fault.what);
    UnitFixture t;
    t.enable();
    fault.change(t);
    const std::uint64_t at = UnitFixture::context_at(t.device);
    t.put(at, t.memory.load<std::uint64_t>(PhysAddr(at)) | 2);
    CHECK_FALSE(t.request(fault.iova, fault.write).allowed);
    CHECK(t.has_record() == !fault.qualified);
    REQUIRE(t.faults.size() == 1);
    CHECK(t.faults[0].recorded == !fault.qualified);
  }
}

TEST_CASE("address types and PASIDs that legacy mode refuses") {
  UnitFixture t;
  t.enable();
  pci::MemoryRequest request;
  request.requester = t.device;
  request.address = 0x5000;
  request.length = 64;
  SECTION("translated request") {
    request.type = pci::AddressType::kTranslated;
    CHECK(unsigned{t.unit.translate(request).fault_reason} == 0xD);
    CHECK((t.read64(Offset::kFrcd + 8) >> 60 & 3) == 2);  // AT
  }
  SECTION("request with PASID") {
    request.pasid = Pasid(5);
    CHECK(unsigned{t.unit.translate(request).fault_reason} == 0x31);
    CHECK((t.read64(Offset::kFrcd + 8) >> 40 & 0xFFFFF) == 5);
  }
  SECTION("scalable root table") {
    t.set_root(UnitFixture::kRoot | 1 << 10);
    CHECK(unsigned{t.unit.translate(request).fault_reason} == 0x30);
  }
}

TEST_CASE("superpages translate with their whole offset") {
  UnitFixture t;
  t.enable();
  t.put(UnitFixture::kPd + 8, 0x2020'0000 | 0x83);       // 2 MiB at 2 MiB
  t.put(UnitFixture::kPdpt + 8, 0x4000'0000ULL | 0x83);  // 1 GiB at 1 GiB
  CHECK(t.read(0x20'0000 + 0x12'3456).address == PhysAddr(0x2020'0000 + 0x12'3456));
  CHECK(t.read(0x4000'0000 + 0x123'4567).address == PhysAddr(0x4000'0000 + 0x123'4567));
  CHECK(t.faults.empty());
}

TEST_CASE("five-level tables translate 57 bits") {
  UnitFixture t;
  constexpr std::uint64_t kPml5 = 0x10'6000;
  t.put(kPml5 + 8 * 0x1FF, UnitFixture::kPml4 | 3);
  t.put(UnitFixture::context_at(t.device), kPml5 | 1, 3 | UnitFixture::kDomain << 8);
  t.enable();
  CHECK(t.read((0x1FFULL << 48) + 0x5000).address == PhysAddr(UnitFixture::kTarget));
  CHECK(unsigned{t.read(1ULL << 57).fault_reason} == 4);
}

TEST_CASE("a zero-length read may hit a write-only page") {
  UnitFixture t;
  t.put(UnitFixture::kPt + 40, UnitFixture::kTarget | 2);
  t.enable();
  CHECK(t.request(0x5000, false, 0).allowed);
  CHECK_FALSE(t.request(0x5000, false, 4).allowed);
}

TEST_CASE("pass-through keeps the address, up to the host width") {
  UnitFixture t;
  t.put(UnitFixture::context_at(t.device), 9, 3 | 1 << 8);  // TT=10, largest width, domain 1
  t.enable();
  CHECK(t.read(0x777000).address == PhysAddr(0x777000));
  CHECK(t.read(0x777000).domain == DomainId(1));
  CHECK(unsigned{t.read(1ULL << 52).fault_reason} == 4);
}

TEST_CASE("reads of interrupt addresses are blocked, recorded only while interrupts are remapped") {
  UnitFixture t;
  CHECK_FALSE(t.read(0xFEE0'1000).allowed);
  t.enable();
  CHECK_FALSE(t.read(0xFEE0'1000).allowed);
  CHECK_FALSE(t.has_record());
  t.command(UnitFixture::kIre);
  CHECK_FALSE(t.read(0xFEE0'1000).allowed);
  CHECK(t.recorded_reason() == 0x29);
}

TEST_CASE("protected regions stop what is not translated, without a record") {
  UnitFixture t;
  t.write32(Offset::kPlmbase, 0x1000'0000);
  t.write32(Offset::kPlmlimit, 0x1010'0000);
  t.write64(Offset::kPhmbase, 0x1'0000'0000);
  t.write64(Offset::kPhmlimit, 0x1'0000'0000);
  CHECK(t.read(0x1000'0000).allowed);
  t.write32(Offset::kPmen, 0x8000'0000);
  CHECK(t.read32(Offset::kPmen) == 0x8000'0001);
  CHECK_FALSE(t.read(0x1000'0000).allowed);
  CHECK_FALSE(t.write(0x101F'F000).allowed);
  CHECK_FALSE(t.read(0x1'0000'0000).allowed);
  CHECK(t.read(0x1020'0000).allowed);
  CHECK(t.read(0x0FFF'F000).allowed);
  CHECK_FALSE(t.has_record());
  t.put(UnitFixture::kPt + 40, 0x1000'0000 | 3);
  t.enable();
  CHECK(t.read(0x5000).allowed);  // translated
  t.write32(Offset::kPmen, 0);
  CHECK(t.read32(Offset::kPmen) == 0);
}

TEST_CASE("latency counts what was read: six structures cold, two hits warm") {
  UnitFixture t;
  t.enable();
  const Translation cold = t.read(0x5000);
  CHECK(cold.misses == 6);
  CHECK(cold.latency == 600_ns);
  const Translation warm = t.read(0x5000);
  CHECK(warm.misses == 0);
  CHECK(warm.latency == 15_ns);
}

TEST_CASE("overwritten tables are faults, never mappings") {
  UnitFixture t;
  t.enable();
  t.memory.overwrite(1, {});
  CHECK_FALSE(t.read(0x5000).allowed);
}
