// Caches stay exactly until they are invalidated, through registers and through the queue
// [VT-d 6].
#include "tests/iommu_vtd/unit_fixture.h"

using namespace baton;
using namespace baton::iommu_vtd;
using test::Offset;
using test::UnitFixture;

namespace {

constexpr std::uint64_t kContext = 1, kIotlb = 2, kDeviceTlb = 3, kInterrupt = 4, kWait = 5;
constexpr std::uint64_t kGlobal = 1 << 4, kDomainG = 2 << 4, kFine = 3 << 4;
constexpr std::uint64_t kDid = std::uint64_t{UnitFixture::kDomain} << 16;

// A warm IOTLB over a page that has been unmapped since.
struct Stale : UnitFixture {
  Stale() {
    enable();
    read(0x5000);
    put(kPt + 40, 0);
  }
  bool cached() { return read(0x5000).allowed; }
};

void command_iotlb(UnitFixture& t, std::uint64_t granularity, std::uint64_t domain,
                   std::uint64_t address = 0) {
  t.write64(Offset::kIva, address);
  t.write64(Offset::kIotlb, 1ULL << 63 | granularity << 60 | domain << 32);
}

}  // namespace

TEST_CASE("what is unmapped but not invalidated still translates") {
  Stale t;
  CHECK(t.cached());
  t.write64(Offset::kCcmd, 1ULL << 63 | 1ULL << 61);  // context cache alone
  CHECK(t.cached());
}

TEST_CASE("the IOTLB is invalidated globally, by domain, by page") {
  Stale t;
  SECTION("global") { command_iotlb(t, 1, 0); }
  SECTION("domain") { command_iotlb(t, 2, UnitFixture::kDomain); }
  SECTION("page") { command_iotlb(t, 3, UnitFixture::kDomain, 0x5000); }
  SECTION("range") { command_iotlb(t, 3, UnitFixture::kDomain, 0x4000 | 2); }
  CHECK(t.read64(Offset::kIotlb) >> 63 == 0);
  CHECK_FALSE(t.cached());
}

TEST_CASE("another domain, another page, a refused command leave the entry") {
  Stale t;
  SECTION("domain") { command_iotlb(t, 2, UnitFixture::kDomain + 1); }
  SECTION("page") { command_iotlb(t, 3, UnitFixture::kDomain, 0x6000); }
  SECTION("reserved granularity") {
    command_iotlb(t, 0, 0);
    CHECK((t.read64(Offset::kIotlb) >> 57 & 3) == 0);
  }
  SECTION("range beyond MAMV") {
    command_iotlb(t, 3, UnitFixture::kDomain, 0x3F);
    CHECK((t.read64(Offset::kIotlb) >> 57 & 3) == 0);
  }
  CHECK(t.cached());
}

TEST_CASE("one page inside a cached superpage drops all of it") {
  UnitFixture t;
  t.put(UnitFixture::kPd + 8, 0x2020'0000 | 0x83);
  t.enable();
  t.read(0x20'0000);
  t.put(UnitFixture::kPd + 8, 0);
  CHECK(t.read(0x3F'F000).allowed);
  command_iotlb(t, 3, UnitFixture::kDomain, 0x30'0000);
  CHECK_FALSE(t.read(0x20'0000).allowed);
}

TEST_CASE("requesters that share a domain id share its entries") {
  Stale t;
  t.device = Bdf(0, 4, 0);
  t.put(UnitFixture::context_at(t.device), 0x20'0000 | 1, 2 | UnitFixture::kDomain << 8);
  CHECK(t.read(0x5000).address == PhysAddr(UnitFixture::kTarget));
}

TEST_CASE("a cached right that is too small sends the request to the tables") {
  UnitFixture t;
  t.put(UnitFixture::kPt + 40, UnitFixture::kTarget | 1);
  t.enable();
  t.read(0x5000);
  t.put(UnitFixture::kPt + 40, UnitFixture::kTarget | 3);
  CHECK(t.write(0x5000).allowed);
}

TEST_CASE("context entries are cached by requester and dropped by device, domain, or all") {
  UnitFixture t;
  t.enable();
  t.read(0x5000);
  t.put(UnitFixture::context_at(t.device), 0);
  command_iotlb(t, 1, 0);
  CHECK(t.read(0x5000).allowed);
  const std::uint64_t source = std::uint64_t{t.device.value()} << 16;
  SECTION("another device") {
    t.write64(Offset::kCcmd, 1ULL << 63 | 3ULL << 61 | (source + 0x10000));
    CHECK(t.read(0x5000).allowed);
  }
  SECTION("another domain") {
    t.write64(Offset::kCcmd, 1ULL << 63 | 2ULL << 61 | (UnitFixture::kDomain + 1));
    CHECK(t.read(0x5000).allowed);
  }
  SECTION("device") {
    t.write64(Offset::kCcmd, 1ULL << 63 | 3ULL << 61 | source | UnitFixture::kDomain);
    CHECK((t.read64(Offset::kCcmd) >> 59 & 3) == 3);
    CHECK_FALSE(t.read(0x5000).allowed);
  }
  SECTION("device by function mask") {
    t.write64(Offset::kCcmd, 1ULL << 63 | 3ULL << 61 | 3ULL << 32 | source | 0x70000);
    CHECK_FALSE(t.read(0x5000).allowed);
  }
  SECTION("domain") {
    t.write64(Offset::kCcmd, 1ULL << 63 | 2ULL << 61 | UnitFixture::kDomain);
    CHECK_FALSE(t.read(0x5000).allowed);
  }
  SECTION("global") {
    t.write64(Offset::kCcmd, 1ULL << 63 | 1ULL << 61);
    CHECK_FALSE(t.read(0x5000).allowed);
  }
}

TEST_CASE("SRTP keeps the caches, unless the unit says otherwise") {
  for (const bool flushes : {false, true}) {
    Profile profile = sapphire_rapids_legacy();
    profile.cap |= flushes ? 1ULL << 63 : 0;
    UnitFixture t(profile);
    t.enable();
    t.read(0x5000);
    t.put(UnitFixture::kPt + 40, 0);
    t.set_root();
    CHECK(t.read(0x5000).allowed == !flushes);
  }
}

TEST_CASE("caches hold what their capacity allows, the least recently used leaves first") {
  Profile profile = sapphire_rapids_legacy();
  profile.caches = Caches::kHardware;
  profile.iotlb_entries = 2;
  UnitFixture t(profile);
  for (unsigned page = 1; page <= 3; ++page) {
    t.put(UnitFixture::kPt + page * 8, (UnitFixture::kTarget + page * 0x1000) | 3);
  }
  t.enable();
  t.read(0x1000);
  t.read(0x2000);
  t.read(0x1000);
  t.read(0x3000);
  CHECK(t.read(0x1000).misses == 0);
  CHECK(t.read(0x2000).misses == 4);
}

TEST_CASE("register commands are ignored while the queue is on") {
  Stale t;
  t.enable_queue();
  command_iotlb(t, 1, 0);
  CHECK(t.read64(Offset::kIotlb) >> 63 == 1);
  CHECK(t.cached());
}

TEST_CASE("descriptors invalidate what they name") {
  Stale t;
  t.enable_queue();
  SECTION("IOTLB global") { t.submit(kIotlb | kGlobal); }
  SECTION("IOTLB domain") { t.submit(kIotlb | kDomainG | kDid); }
  SECTION("IOTLB page") { t.submit(kIotlb | kFine | kDid, 0x5000); }
  CHECK(t.read64(Offset::kIqh) == 0x10);
  CHECK(t.queue_error() == 0);
  CHECK_FALSE(t.cached());
}

TEST_CASE("a context descriptor drops the device's entry") {
  UnitFixture t;
  t.enable();
  t.enable_queue();
  t.read(0x5000);
  t.put(UnitFixture::context_at(t.device), 0);
  t.submit(kContext | kFine | kDid | std::uint64_t{t.device.value()} << 32);
  t.submit(kIotlb | kDomainG | kDid);
  CHECK_FALSE(t.read(0x5000).allowed);
  CHECK(t.recorded_reason() == 2);
}

TEST_CASE("a wait descriptor writes its status after everything before it") {
  UnitFixture t;
  t.enable_queue();
  t.put(UnitFixture::kQueue, kIotlb | kGlobal, 0);
  t.put(UnitFixture::kQueue + 16, kWait | 1 << 5 | 0x1234'5678ULL << 32, UnitFixture::kStatus + 4);
  t.write32(Offset::kIqt, 0x20);
  CHECK(t.memory.load<std::uint64_t>(PhysAddr(UnitFixture::kStatus)) == 0x1234'5678ULL << 32);
  CHECK(t.read64(Offset::kIqh) == 0x20);
}

TEST_CASE("a wait descriptor with IF raises the completion event once until it is cleared") {
  UnitFixture t;
  t.write32(Offset::kIedata, 0x51);
  t.write32(Offset::kIeaddr, 0xFEE0'1000);
  t.enable_queue();
  t.submit(kWait | 1 << 4);
  CHECK(t.read32(Offset::kIcs) == 1);
  CHECK(t.messages.empty());
  CHECK(t.read32(Offset::kIectl) == 0xC000'0000);
  t.write32(Offset::kIectl, 0);  // unmask: what is pending goes out
  REQUIRE(t.messages.size() == 1);
  CHECK(t.messages[0] == std::pair<std::uint64_t, std::uint32_t>(0xFEE0'1000, 0x51));
  t.submit(kWait | 1 << 4);
  CHECK(t.messages.size() == 1);
  t.write32(Offset::kIcs, 1);
  t.submit(kWait | 1 << 4);
  CHECK(t.messages.size() == 2);
}

TEST_CASE("clearing IWC while masked takes the pending message back") {
  UnitFixture t;
  t.enable_queue();
  t.submit(kWait | 1 << 4);
  t.write32(Offset::kIcs, 1);
  t.write32(Offset::kIectl, 0);
  CHECK(t.messages.empty());
}

TEST_CASE("each malformed descriptor stops the queue with its error") {
  struct Case {
    const char* what;
    std::uint64_t low;
    std::uint64_t high;
    unsigned error;
  };
  const std::array cases{
      Case{"type 0", 0, 0, 3},
      Case{"type 15", 0xF, 0, 3},
      Case{"type high", kIotlb | kGlobal | 1 << 9, 0, 3},
      Case{"256-bit type", 6, 0, 5},
      Case{"device-TLB without capability", kDeviceTlb, 0, 3},
      Case{"context granularity 0", kContext, 0, 4},
      Case{"context reserved 6", kContext | kGlobal | 1 << 6, 0, 4},
      Case{"context reserved 12", kContext | kGlobal | 1 << 12, 0, 4},
      Case{"context reserved 50", kContext | kGlobal | 1ULL << 50, 0, 4},
      Case{"context second word", kContext | kGlobal, 1, 4},
      Case{"IOTLB granularity 0", kIotlb, 0, 4},
      Case{"IOTLB reserved 8", kIotlb | kGlobal | 1 << 8, 0, 4},
      Case{"IOTLB reserved 32", kIotlb | kGlobal | 1ULL << 32, 0, 4},
      Case{"IOTLB second word 7", kIotlb | kFine, 1 << 7, 4},
      Case{"IOTLB mask beyond MAMV", kIotlb | kFine, 0x2E, 4},
      Case{"interrupt reserved 5", kInterrupt | 1 << 5, 0, 4},
      Case{"interrupt second word", kInterrupt, 1, 4},
      Case{"wait page drain", kWait | 1 << 5 | 1 << 7, UnitFixture::kStatus, 4},
      Case{"wait reserved 12", kWait | 1 << 5 | 1 << 12, UnitFixture::kStatus, 4},
      Case{"wait address 1", kWait | 1 << 5, UnitFixture::kStatus | 2, 4},
  };
  for (const Case& item : cases) {
    INFO(item.what);
    UnitFixture t;
    t.enable_queue();
    t.submit(kIotlb | kGlobal);
    t.submit(item.low, item.high);
    CHECK(t.queue_error() == item.error);
    CHECK(t.read64(Offset::kIqh) == 0x10);
    CHECK(t.memory.load<std::uint32_t>(PhysAddr(UnitFixture::kStatus)) == 0);
  }
}

TEST_CASE("a queue that cannot be fetched, is too wide, or has its tail outside stops") {
  UnitFixture t;
  SECTION("not backed") {
    t.write64(Offset::kIqa, 0x40'0000'0000);
    t.command(UnitFixture::kQie);
    t.write32(Offset::kIqt, 0x10);
    CHECK(t.queue_error() == 2);
  }
  SECTION("tail outside") {
    t.enable_queue();
    t.write32(Offset::kIqt, 0x1000);
    CHECK(t.queue_error() == 1);
  }
  SECTION("256-bit descriptors") {
    t.write64(Offset::kIqa, UnitFixture::kQueue | 1 << 11);
    t.command(UnitFixture::kQie);
    t.write32(Offset::kIqt, 0x20);
    CHECK(t.queue_error() == 5);
  }
  CHECK(t.read64(Offset::kIqh) == 0);
}

TEST_CASE("software repairs the descriptor, clears IQE, and the queue goes on by itself") {
  UnitFixture t;
  t.enable_queue();
  t.put(UnitFixture::kQueue, 0, 0);
  t.put(UnitFixture::kQueue + 16, kWait | 1 << 5 | 2ULL << 32, UnitFixture::kStatus);
  t.write32(Offset::kIqt, 0x20);
  CHECK(t.queue_error() == 3);
  t.put(UnitFixture::kQueue, kIotlb | kGlobal, 0);
  t.write32(Offset::kFsts, 0x10);
  CHECK(t.read64(Offset::kIqh) == 0x20);
  CHECK(t.memory.load<std::uint32_t>(PhysAddr(UnitFixture::kStatus)) == 2);
}

TEST_CASE("the head wraps at the end of the queue, and QIE off resets it") {
  UnitFixture t;
  t.enable_queue();
  for (unsigned i = 0; i < 256; ++i) {
    t.submit(kIotlb | kGlobal);
  }
  CHECK(t.read64(Offset::kIqh) == 0);
  t.submit(kIotlb | kGlobal);
  CHECK(t.read64(Offset::kIqh) == 0x10);
  t.write32(Offset::kGcmd, 0);
  CHECK(t.read64(Offset::kIqh) == 0);
  CHECK(t.read32(Offset::kGsts) == 0);
}

TEST_CASE("what was carried out is told, with its descriptor if the queue asked for it") {
  Stale t;
  std::vector<Invalidated> seen;
  t.simulation.topic<Invalidated>().subscribe(
      [&seen](const Invalidated& each) { seen.push_back(each); });
  SECTION("a register command") {
    command_iotlb(t, 1, 0);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].kind == InvalidationKind::kIotlb);
    CHECK_FALSE(seen[0].queued);
  }
  SECTION("a command that invalidates nothing is not") {
    command_iotlb(t, 0, 0);
    CHECK(seen.empty());
  }
  SECTION("a descriptor; waiting is none") {
    t.enable_queue();
    t.submit(kContext | kGlobal);
    t.submit(kWait);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].kind == InvalidationKind::kContextCache);
    CHECK(seen[0].queued);
    CHECK(seen[0].descriptor[0] == (kContext | kGlobal));
  }
}
