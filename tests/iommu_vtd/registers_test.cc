// The register block: rows, access modes, command handshakes [VT-d 11].
#include "model/iommu_vtd/registers.h"

#include "tests/iommu_vtd/unit_fixture.h"

using namespace baton;
using namespace baton::iommu_vtd;
using test::Offset;
using test::UnitFixture;

TEST_CASE("rows that overlap or leave a bit out are recognised") {
  constexpr std::array kGood{Field{"a", 31, 8}, Field{"b", 7, 0}};
  constexpr std::array kOverlap{Field{"a", 31, 8}, Field{"b", 8, 0}};
  constexpr std::array kHole{Field{"a", 31, 8}, Field{"b", 6, 0}};
  constexpr std::array kAcross{Field{"a", 127, 60}, Field{"b", 59, 0}};
  STATIC_REQUIRE(covers(kGood, 32));
  STATIC_REQUIRE_FALSE(covers(kOverlap, 32));
  STATIC_REQUIRE_FALSE(covers(kHole, 32));
  STATIC_REQUIRE_FALSE(covers(kAcross, 128));
}

TEST_CASE("fields print by name in hexadecimal, reserved ones not at all") {
  constexpr std::array kFields{Field{"DID", 15, 8}, Field{"", 7, 1, Access::kReserved},
                               Field{"P", 0, 0}};
  const std::array<std::uint64_t, 1> words{0x2A01};
  CHECK(print(kFields, words) == "DID=2a P=1");
}

TEST_CASE("after reset every register has its reset value") {
  Profile profile = sapphire_rapids_legacy();
  profile.ecap |= std::uint64_t{1} << 29;  // PRS
  UnitFixture t(profile);
  for (const Register& row : register_rows()) {
    if (row.base != Base::kBlock || row.offset <= 0x10) {
      continue;
    }
    INFO(row.name);
    CHECK(t.unit.mmio_read(row.offset, row.bytes) == row.reset);
  }
  CHECK(t.read32(0x00) == 0x60);
  CHECK(t.read64(0x08) == t.unit.profile().cap);
  CHECK(t.read64(0x10) == t.unit.profile().ecap);
  CHECK(t.unit.register_space() == 0x1000);
}

TEST_CASE("without page requests their registers read zero") {
  UnitFixture t;
  for (const Register& row : register_rows()) {
    if (row.needs == Needs::kPageRequests) {
      INFO(row.name);
      t.unit.mmio_write(row.offset, row.bytes, 0xFFFF'FFFF);
      CHECK(t.unit.mmio_read(row.offset, row.bytes) == 0);
    }
  }
}

TEST_CASE("software changes only writable bits") {
  UnitFixture t;
  struct Case {
    std::uint64_t offset;
    unsigned width;
    std::uint64_t after;  // all ones were written
  };
  const std::array cases{
      Case{0x00, 4, 0x60},
      Case{0x08, 8, t.unit.profile().cap},
      Case{0x10, 8, t.unit.profile().ecap},
      Case{Offset::kRtaddr, 8, ~0x3FFULL},
      Case{Offset::kFectl, 4, 0x8000'0000},
      Case{Offset::kFedata, 4, 0xFFFF},
      Case{Offset::kFeaddr, 4, 0xFFFF'FFFC},
      Case{Offset::kPlmbase, 4, 0xFFF0'0000},
      Case{Offset::kPhmbase, 8, ~0xF'FFFFULL},
      Case{Offset::kIqh, 8, 0},
      Case{Offset::kIqa, 8, ~0xFFFULL | 0x807},
      Case{Offset::kIqercd, 8, 0},
      Case{Offset::kIrta, 8, ~0xFFFULL | 0x80F},
      Case{Offset::kIva, 8, 0},
  };
  for (const Case& item : cases) {
    INFO(fmt::format("{:#x}", item.offset));
    t.unit.mmio_write(item.offset, item.width, item.width == 8 ? ~0ULL : 0xFFFF'FFFF);
    CHECK(t.unit.mmio_read(item.offset, item.width) == item.after);
  }
}

TEST_CASE("the halves of a 64-bit register are registers of their own") {
  UnitFixture t;
  t.write32(Offset::kRtaddr + 4, 0x12);
  t.write32(Offset::kRtaddr, 0x3456'7000);
  CHECK(t.read64(Offset::kRtaddr) == 0x12'3456'7000);
  CHECK(t.read32(Offset::kRtaddr + 4) == 0x12);
  // The upper half of CCMD holds the command bit.
  t.write32(Offset::kCcmd + 4, 0xA000'0000);
  CHECK(t.read32(Offset::kCcmd + 4) >> 31 == 0);
  CHECK((t.read32(Offset::kCcmd + 4) >> 27 & 3) == 1);
}

TEST_CASE("what the profile does not have reads zero and cannot be written") {
  Profile profile = sapphire_rapids_legacy();
  profile.cap &= ~0x60ULL;   // no protected memory
  profile.ecap &= ~0x1AULL;  // no QI, IR, EIM
  UnitFixture t(profile);
  t.write32(Offset::kPmen, 0x8000'0000);
  t.write32(Offset::kPlmbase, ~0U);
  t.write32(0x44, ~0U);
  t.write64(Offset::kIrta, ~0ULL);
  t.write64(0x58, ~0ULL);
  t.write32(0xD8, ~0U);  // page request queue
  CHECK(t.read32(Offset::kPmen) == 0);
  CHECK(t.read32(Offset::kPlmbase) == 0);
  CHECK(t.read32(0x44) == 0);
  CHECK(t.read64(Offset::kIrta) == 0);
  CHECK(t.read64(0x58) == 0);
  CHECK(t.read32(0xD8) == 0);
  t.command(UnitFixture::kQie);
  t.command(UnitFixture::kIre);
  t.command(UnitFixture::kSirtp);
  CHECK(t.read32(Offset::kGsts) == 0);
}

TEST_CASE("the root pointer takes effect with SRTP alone") {
  UnitFixture t;
  t.write64(Offset::kRtaddr, UnitFixture::kRoot);
  CHECK(t.unit.root_table() == PhysAddr(0));
  t.command(UnitFixture::kSrtp);
  CHECK(t.unit.root_table() == PhysAddr(UnitFixture::kRoot));
  CHECK(t.read32(Offset::kGsts) == UnitFixture::kSrtp);
  CHECK(t.read32(Offset::kGcmd) == 0);
  t.write64(Offset::kRtaddr, 0x9000);
  CHECK(t.unit.root_table() == PhysAddr(UnitFixture::kRoot));
}

TEST_CASE("switching is published, and level bits follow what is written") {
  UnitFixture t;
  std::vector<std::pair<bool, std::uint64_t>> seen;
  t.simulation.topic<TranslationSwitched>().subscribe(
      [&](const TranslationSwitched& s) { seen.emplace_back(s.enabled, s.root_table.value()); });
  t.enable();
  CHECK(t.unit.translation_enabled());
  t.command(0);                                  // nothing changes
  t.write32(Offset::kGcmd, UnitFixture::kSrtp);  // without TE: off
  CHECK_FALSE(t.unit.translation_enabled());
  const std::vector<std::pair<bool, std::uint64_t>> expected{{false, UnitFixture::kRoot},
                                                             {true, UnitFixture::kRoot},
                                                             {false, UnitFixture::kRoot},
                                                             {false, UnitFixture::kRoot}};
  CHECK(seen == expected);
}

TEST_CASE("several fault records lie where CAP says") {
  Profile profile = sapphire_rapids_legacy();
  profile.cap |= 3ULL << 40;  // four records
  UnitFixture t(profile);
  t.set_root();
  t.command(UnitFixture::kTe);
  for (unsigned function = 0; function < 4; ++function) {
    t.device = Bdf(1, 0, function);
    t.read(0x5000);
  }
  for (unsigned index = 0; index < 4; ++index) {
    const std::uint64_t high = t.read64(Offset::kFrcd + index * 16 + 8);
    CHECK(high >> 63 == 1);
    CHECK((high & 0xFFFF) == Bdf(1, 0, index).value());
  }
  CHECK(t.read32(Offset::kFsts) == 2);  // FRI 0, no overflow
}

TEST_CASE("unaligned register accesses are bugs of the caller") {
  UnitFixture t;
  CHECK_THROWS_AS(t.unit.mmio_read(2, 4), sim::BugError);
  CHECK_THROWS_AS(t.unit.mmio_read(4, 8), sim::BugError);
  CHECK_THROWS_AS(t.unit.mmio_write(0, 2, 0), sim::BugError);
}
