// Interrupt remapping: formats, each fault, source check, the entry cache [VT-d 5.1].
#include "tests/iommu_vtd/unit_fixture.h"

using namespace baton;
using namespace baton::iommu_vtd;
using test::Offset;
using test::UnitFixture;

namespace {

constexpr std::uint64_t kRemappable = 0xFEE0'0010;
constexpr std::uint64_t address_of(unsigned index) {
  return kRemappable | (index & 0x7FFF) << 5 | (index >> 15) << 2;
}

// Vector 51h to APIC id 3, from the fixture's device alone.
struct Remapping : UnitFixture {
  explicit Remapping(std::uint64_t irta_bits = 3) {  // 16 entries
    write64(Offset::kIrta, kRemapTable | irta_bits);
    command(kSirtp);
    command(kIre);
    entry(1, kGood, 1ULL << 18 | device.value());
  }
  void entry(unsigned index, std::uint64_t low, std::uint64_t high) {
    put(kRemapTable + index * 16, low, high);
  }
  RemappedInterrupt send(unsigned index, std::uint32_t data = 0) {
    return unit.remap(device, address_of(index), data);
  }
  static constexpr std::uint64_t kGood = 0x300'0000'0000 | 0x51 << 16 | 1;
};

}  // namespace

TEST_CASE("with remapping off a message is what it says") {
  UnitFixture t;
  const RemappedInterrupt irq = t.unit.remap(t.device, 0xFEE0'5000, 0x41);
  CHECK(irq.allowed);
  CHECK(irq.destination == 5);
  CHECK(irq.vector == Vector(0x41));
  CHECK_FALSE(irq.logical);
}

TEST_CASE("a remappable message becomes what its entry says") {
  Remapping t;
  const RemappedInterrupt irq = t.send(1);
  CHECK(irq.allowed);
  CHECK(irq.destination == 3);
  CHECK(irq.vector == Vector(0x51));
  CHECK(unsigned{irq.delivery_mode} == 0);
}

TEST_CASE("with x2APIC ids the destination is all 32 bits") {
  Remapping t(3 | 1 << 11);
  CHECK(t.send(1).destination == 0x300);
}

TEST_CASE("the subhandle adds to the index when SHV is set") {
  Remapping t;
  CHECK(t.unit.remap(t.device, address_of(0) | 8, 1).vector == Vector(0x51));
  CHECK(t.unit.remap(t.device, address_of(1), 0xFFFF'0000).allowed);  // SHV=0: data is ignored
}

TEST_CASE("each refusal of an interrupt has its reason and is recorded with the index") {
  struct Case {
    const char* what;
    std::uint64_t address;
    std::uint32_t data;
    std::uint64_t low;
    std::uint64_t high;
    unsigned reason;
    std::uint64_t index;
  };
  const std::uint64_t good = Remapping::kGood;
  const std::array cases{
      Case{"reserved data", address_of(1) | 8, 0x10000, good, 0, 0x20, 1},
      Case{"index too large", address_of(16), 0, good, 0, 0x21, 16},
      Case{"index too large by subhandle", address_of(1) | 8, 20, good, 0, 0x21, 21},
      Case{"absent", address_of(1), 0, good & ~1ULL, 0, 0x22, 1},
      Case{"reserved 12", address_of(1), 0, good | 1 << 12, 0, 0x24, 1},
      Case{"posted format", address_of(1), 0, good | 1 << 15, 0, 0x24, 1},
      Case{"reserved 84", address_of(1), 0, good, 1ULL << 20, 0x24, 1},
      Case{"reserved source check", address_of(1), 0, good, 3ULL << 18, 0x24, 1},
      Case{"compatibility format", 0xFEE0'0000, 0x41, good, 0, 0x25, 0},
      Case{"another source", address_of(1), 0, good, 1ULL << 18 | 0x99, 0x26, 1},
      Case{"bus outside the range", address_of(1), 0, good, 2ULL << 18 | 0x0203, 0x26, 1},
  };
  for (const Case& item : cases) {
    INFO(item.what);
    Remapping t;
    t.entry(1, item.low, item.high);
    const RemappedInterrupt irq = t.unit.remap(t.device, item.address, item.data);
    CHECK_FALSE(irq.allowed);
    CHECK(unsigned{irq.fault_reason} == item.reason);
    CHECK(t.recorded_reason() == item.reason);
    CHECK(t.read64(Offset::kFrcd) == item.index << 48);
  }
}

TEST_CASE("FPD in an entry silences what was found in it") {
  for (const std::uint64_t low : std::array{Remapping::kGood - 1, Remapping::kGood | 1 << 12}) {
    Remapping t;
    t.entry(1, low | 2, 0);
    CHECK_FALSE(t.send(1).allowed);
    CHECK_FALSE(t.has_record());
  }
}

TEST_CASE("a table that is not backed is an unreadable entry") {
  Remapping t;
  t.write64(Offset::kIrta, 0x40'0000'0000 | 3);
  t.command(UnitFixture::kSirtp);
  CHECK(unsigned{t.send(1).fault_reason} == 0x23);
}

TEST_CASE("the source may be checked by masks and by bus range") {
  Remapping t;
  t.device = Bdf(2, 3, 1);
  t.entry(1, Remapping::kGood, 1ULL << 18 | 3ULL << 16 | Bdf(2, 3, 0).value());
  CHECK(t.send(1).allowed);
  t.entry(2, Remapping::kGood, 2ULL << 18 | 0x0103);  // buses 1 to 3
  CHECK(t.send(2).allowed);
}

TEST_CASE("compatibility messages pass when software allows them, never with x2APIC ids") {
  Remapping t;
  t.command(UnitFixture::kCfi);
  CHECK(t.unit.remap(t.device, 0xFEE0'5000, 0x41).vector == Vector(0x41));
  Remapping wide(3 | 1 << 11);
  wide.command(UnitFixture::kCfi);
  CHECK(unsigned{wide.unit.remap(wide.device, 0xFEE0'5000, 0x41).fault_reason} == 0x25);
}

TEST_CASE("entries are cached until they are invalidated, one by one or all") {
  Remapping t;
  t.enable_queue();
  t.send(1);
  t.entry(1, Remapping::kGood ^ 0x3 << 16, 0);
  CHECK(t.send(1).vector == Vector(0x51));
  t.submit(4 | 1 << 4 | 2ULL << 32);  // index 2
  CHECK(t.send(1).vector == Vector(0x51));
  SECTION("index") { t.submit(4 | 1 << 4 | 1ULL << 32); }
  SECTION("block") { t.submit(4 | 1 << 4 | 1ULL << 27); }
  SECTION("global") { t.submit(4); }
  CHECK(t.send(1).vector == Vector(0x52));
}
