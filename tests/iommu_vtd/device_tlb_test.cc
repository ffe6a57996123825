// Invalidations of device-TLBs on their way: tags, completions, waits, time-outs; page requests and
// their responses [VT-d 6.5.2.5, 6.5.2.6, 7.4, 7.5; PCIe 10.3, 10.4].
#include <set>

#include "tests/iommu_vtd/unit_fixture.h"

using namespace baton;
using namespace baton::iommu_vtd;
using test::Offset;
using test::UnitFixture;
using namespace baton::sim::literals;

namespace {

constexpr std::uint64_t kPqh = 0xC0, kPqt = 0xC8, kPqa = 0xD0, kPrs = 0xDC, kPectl = 0xE0,
                        kPedata = 0xE4, kPeaddr = 0xE8, kQueueOfRequests = 0x13'0000;
constexpr std::uint32_t kIte = 1 << 6, kIce = 1 << 5;

Profile with_page_requests() {
  Profile profile = sapphire_rapids();
  profile.ecap |= std::uint64_t{1} << 29 | std::uint64_t{1} << 42;  // PRS, PDS
  return profile;
}

// Functions at one distance; those that are not known route to nobody.
struct Functions final : DeviceTlbPort {
  std::optional<sim::Duration> distance(Bdf function) override {
    return known.contains(function.value()) ? std::optional(200_ns) : std::nullopt;
  }
  bool invalidate(Bdf function, const pci::AtsInvalidation& invalidation) override {
    arrived.emplace_back(function, invalidation);
    return answering;
  }
  void respond(Bdf function, const pci::PageResponse& response) override {
    responses.emplace_back(function, response);
  }

  std::set<std::uint16_t> known{Bdf(0, 3, 0).value(), Bdf(0, 4, 0).value()};
  bool answering = true;
  std::vector<std::pair<Bdf, pci::AtsInvalidation>> arrived;
  std::vector<std::pair<Bdf, pci::PageResponse>> responses;
};

struct Connected : UnitFixture {
  explicit Connected(const Profile& profile = sapphire_rapids()) : UnitFixture(profile) {
    unit.connect(&functions);
    write32(Offset::kIqt, 0);
    write64(Offset::kIqa, kQueue | 0x800);  // 256-bit descriptors
    command(kQie);
  }
  void send(std::uint64_t low, std::uint64_t high = 0) {
    const std::uint64_t tail = read64(Offset::kIqt);
    put(kQueue + tail, low, high);
    put(kQueue + tail + 16, 0, 0);
    write32(Offset::kIqt, static_cast<std::uint32_t>((tail + 32) % 4096));
  }
  void invalidate(Bdf function, std::uint64_t range = 0x7FFF'FFFF'FFFF'F001, unsigned mip = 0) {
    send(3 | std::uint64_t{mip} << 16 | std::uint64_t{function.value()} << 32, range);
  }
  void wait(std::uint64_t number = 1) { send(5 | 1 << 5 | number << 32, kStatus + number * 4); }
  void fence(std::uint64_t number = 1) {
    send(5 | 1 << 5 | 1 << 6 | number << 32, kStatus + number * 4);
  }
  std::uint32_t status(std::uint64_t number = 1) {
    return memory.load<std::uint32_t>(PhysAddr(kStatus + number * 4));
  }
  void after(sim::Duration time) { simulation.run_until(simulation.now() + time); }

  Functions functions;
};

}  // namespace

TEST_CASE("a wait completes after the invalidations of device-TLBs before it, not sooner") {
  Connected t;
  const bool fence = GENERATE(true, false);
  t.invalidate(t.device);
  fence ? t.fence() : t.wait();
  t.send(1 | 1 << 4);
  CHECK(t.status() == 0);
  CHECK(t.functions.arrived.empty());
  // The wait has been fetched; what follows it has not, if it is a fence.
  CHECK(t.read64(Offset::kIqh) == (fence ? 64 : 96));
  t.after(200_ns);
  CHECK(t.functions.arrived.size() == 1);
  CHECK(t.status() == 0);
  t.after(499_ns);
  CHECK(t.status() == 0);
  t.after(1_ns);
  CHECK(t.status() == 1);
  CHECK(t.read64(Offset::kIqh) == t.read64(Offset::kIqt));
}

TEST_CASE("each wait is for the invalidations before it, and waits complete in their order") {
  Connected t;
  t.invalidate(t.device);
  t.wait(1);
  t.after(300_ns);
  t.invalidate(Bdf(0, 4, 0));
  t.wait(2);
  t.wait(3);
  t.after(400_ns);
  CHECK(t.status(1) == 1);
  CHECK(t.status(2) == 0);
  t.after(300_ns);
  CHECK(t.status(2) == 2);
  CHECK(t.status(3) == 3);
}

TEST_CASE("without invalidations of device-TLBs a wait completes within the register write") {
  Connected t;
  t.wait();
  CHECK(t.status() == 1);
}

TEST_CASE("device-TLB descriptors name a range by the lowest zero bit of the address") {
  Connected t;
  struct Case {
    std::uint64_t word;
    std::uint64_t first;
    std::uint64_t last;
  };
  const std::array cases{
      Case{0x1234'5000, 0x1234'5000, 0x1234'5FFF}, Case{0x1234'4001, 0x1234'4000, 0x1234'5FFF},
      Case{0x0012'5001, 0x0012'4000, 0x0012'7FFF}, Case{0x001F'F001, 0x0000'0000, 0x003F'FFFF},
      Case{0x7FFF'FFFF'FFFF'F001, 0, ~0ULL},
  };
  for (const Case& c : cases) {
    INFO(std::hex << c.word);
    t.invalidate(t.device, c.word);
    t.after(1_us);
    const pci::AtsInvalidation& seen = t.functions.arrived.back().second;
    CHECK(seen.first == c.first);
    CHECK(seen.last == c.last);
    CHECK_FALSE(seen.pasid);
    CHECK(t.functions.arrived.back().first == t.device);
  }
  CHECK(t.functions.arrived.size() == cases.size());
}

TEST_CASE("PASID-based device-TLB descriptors carry their PASID, and G means all") {
  Connected t;
  const std::uint64_t low = 8 | std::uint64_t{t.device.value()} << 16 | 5ULL << 32;
  t.send(low, 0x1234'5000);
  t.send(low, 0x1234'4801);
  t.after(1_us);
  REQUIRE(t.functions.arrived.size() == 2);
  CHECK(t.functions.arrived[0].second.pasid == Pasid(5));
  CHECK_FALSE(t.functions.arrived[0].second.all_pasids);
  CHECK(t.functions.arrived[1].second.all_pasids);
  CHECK(t.functions.arrived[1].second.last == 0x1234'5FFF);
}

TEST_CASE(
    "no answer is a time-out: its wait never completes, the queue stops until ITE is cleared") {
  Connected t;
  const bool routed = GENERATE(true, false);
  t.functions.answering = false;
  if (!routed) {
    t.functions.known.clear();
  }
  t.invalidate(t.device);
  t.fence(1);
  t.wait(2);
  t.after(sim::Duration::seconds(89));
  CHECK((t.read32(Offset::kFsts) & kIte) == 0);
  t.after(sim::Duration::seconds(2));
  CHECK((t.read32(Offset::kFsts) & kIte) != 0);
  CHECK((t.read64(Offset::kIqercd) >> 32 & 0xFFFF) == t.device.value());
  CHECK(t.read32(Offset::kFectl) >> 30 == 3);  // masked, pending
  CHECK(t.status(1) == 0);
  CHECK(t.status(2) == 0);
  CHECK(t.read64(Offset::kIqh) == 64);
  t.write32(Offset::kFsts, kIte);
  CHECK(t.status(1) == 0);
  CHECK(t.status(2) == 2);
}

TEST_CASE("a function takes as many invalidations at a time as MIP says, the unit 32") {
  Connected t;
  SECTION("MIP") {
    for (unsigned i = 0; i < 3; ++i) t.invalidate(t.device, 0x1000, 2);
    CHECK(t.read64(Offset::kIqh) == 64);
    t.after(200_ns);
    CHECK(t.functions.arrived.size() == 2);
    t.after(2_us);
    CHECK(t.functions.arrived.size() == 3);
  }
  SECTION("tags") {
    for (unsigned i = 0; i < 40; ++i) t.invalidate(t.device, 0x1000);
    CHECK(t.read64(Offset::kIqh) == 32 * 32);
    t.after(200_ns);
    CHECK(t.functions.arrived.size() == 32);
    t.after(2_us);
    CHECK(t.functions.arrived.size() == 40);
  }
}

TEST_CASE("a completion that nobody asked for is an error, and the queue goes on") {
  Connected t;
  t.invalidate(t.device);
  SECTION("a tag that is not in use") { t.unit.invalidation_completed(t.device, 2); }
  SECTION("another function's tag") { t.unit.invalidation_completed(Bdf(0, 4, 0), 1); }
  SECTION("no tag") { t.unit.invalidation_completed(t.device, 0); }
  CHECK((t.read32(Offset::kFsts) & kIce) != 0);
  CHECK(t.read64(Offset::kIqercd) >> 48 != 0);
  t.wait();
  CHECK(t.status() == 0);
  t.after(1_us);
  CHECK(t.status() == 1);
  t.write32(Offset::kFsts, kIce);
  CHECK((t.read32(Offset::kFsts) & kIce) == 0);
}

TEST_CASE("switching the queue off drops the wait, a reset drops what is on its way") {
  Connected t;
  t.invalidate(t.device);
  t.wait();
  SECTION("queue off") { t.write32(Offset::kGcmd, 0); }
  SECTION("reset") {
    t.unit.reset();
    CHECK(t.functions.arrived.empty());
  }
  t.after(sim::Duration::seconds(200));
  CHECK(t.status() == 0);
  CHECK((t.read32(Offset::kFsts) & kIte) == 0);
}

namespace {

// Scalable mode: 00:03.0 may send page requests for PASID 5.
struct Paging : Connected {
  static constexpr std::uint64_t kScalableContexts = 0x14'0000, kDirectory = 0x14'1000,
                                 kPasids = 0x14'2000;

  explicit Paging(const Profile& profile = with_page_requests()) : Connected(profile) {
    put(kRoot, kScalableContexts | 1, 0);
    put(context(), kDirectory | 0x1D, 0);  // PRE, PASIDE, DTE, P
    put(kDirectory, kPasids | 1);
    put(kPasids + 5 * 64, kPml4 | 2 << 6 | 2 << 2 | 1);  // second stage, 4 levels
    put(kPasids + 5 * 64 + 8, kDomain);
    set_root(kRoot | 0x400);
    command(kTe);
    write64(kPqa, kQueueOfRequests);
  }
  std::uint64_t context() const { return kScalableContexts + device.devfn() * 32; }
  void ask(bool last = true, std::uint16_t group = 9) {
    unit.page_request({.requester = device,
                       .pasid = Pasid(5),
                       .address = 0x7000'1000,
                       .read = true,
                       .write = true,
                       .last = last,
                       .group = group});
  }
  std::uint64_t word(std::uint64_t n) {
    return memory.load<std::uint64_t>(PhysAddr(kQueueOfRequests + n * 8));
  }
};

}  // namespace

TEST_CASE("a page request becomes an entry of the queue, byte for byte, and an event") {
  Paging t;
  t.write32(kPedata, 0x31);
  t.write32(kPeaddr, 0xFEE0'1000);
  t.write32(kPectl, 0);
  t.ask();
  CHECK(t.word(0) == (0x1ULL | 1 << 8 | std::uint64_t{t.device.value()} << 16 | 5ULL << 32));
  CHECK(t.word(1) == (0x7000'1000ULL | 9 << 3 | 1 << 2 | 1 << 1 | 1));
  CHECK(t.word(2) == 0);
  CHECK(t.read64(kPqt) == 32);
  CHECK(t.read32(kPrs) == 1);
  REQUIRE(t.messages.size() == 1);
  CHECK(t.messages[0] == std::pair<std::uint64_t, std::uint32_t>(0xFEE0'1000, 0x31));
  t.ask();  // PPR is set: no further event
  CHECK(t.messages.size() == 1);
  CHECK(t.read64(kPqt) == 64);
  t.write32(kPrs, 1);
  CHECK(t.read32(kPrs) == 0);
  t.ask();
  CHECK(t.messages.size() == 2);
}

TEST_CASE(
    "a masked page request event stays pending until it is unmasked or its cause is cleared") {
  Paging t;
  t.ask();
  CHECK(t.read32(kPectl) == 0xC000'0000);
  SECTION("unmasked") {
    t.write32(kPectl, 0);
    CHECK(t.messages.size() == 1);
  }
  SECTION("cleared") {
    t.write32(kPrs, 1);
    CHECK(t.read32(kPectl) == 0x8000'0000);
    t.write32(kPectl, 0);
    CHECK(t.messages.empty());
  }
}

TEST_CASE("a full queue overflows: groups are answered with success until PRO is cleared") {
  Paging t;
  t.write64(kPqh, 64);
  t.ask();
  CHECK(t.read64(kPqt) == 32);
  t.ask(false);
  CHECK(t.read32(kPrs) == 3);
  CHECK(t.functions.responses.empty());
  t.ask();
  REQUIRE(t.functions.responses.size() == 1);
  CHECK(t.functions.responses[0].second.code == pci::PageResponseCode::kSuccess);
  CHECK(t.functions.responses[0].second.group == 9);
  t.write64(kPqh, 0);
  t.ask();
  CHECK(t.read64(kPqt) == 32);
  t.write32(kPrs, 2);
  t.ask();
  CHECK(t.read64(kPqt) == 64);
}

TEST_CASE("a page group response descriptor reaches the function") {
  Paging t;
  t.send(9 | 1 << 4 | 1 << 12 | std::uint64_t{t.device.value()} << 16 | 5ULL << 32, 9 << 3);
  REQUIRE(t.functions.responses.size() == 1);
  CHECK(t.functions.responses[0].first == t.device);
  CHECK(t.functions.responses[0].second.pasid == Pasid(5));
  CHECK(t.functions.responses[0].second.group == 9);
  CHECK(t.functions.responses[0].second.code == pci::PageResponseCode::kInvalidRequest);
  t.send(5 | 1 << 5 | 1 << 7 | 1ULL << 32, UnitFixture::kStatus + 4);  // PD
  CHECK(t.status() == 1);
}

TEST_CASE("without page requests their descriptor and drain flag are queue errors") {
  Connected t;
  SECTION("response") {
    t.send(9 | std::uint64_t{t.device.value()} << 16);
    CHECK(t.queue_error() == 3);
  }
  SECTION("drain") {
    t.send(5 | 1 << 5 | 1 << 7 | 1ULL << 32, UnitFixture::kStatus + 4);
    CHECK(t.queue_error() == 4);
    CHECK(t.status() == 0);
  }
}

TEST_CASE("page requests that the tables refuse are recorded and answered with failure") {
  Paging t;
  struct Case {
    const char* what;
    std::function<void(Paging&)> change;
    unsigned reason;
  };
  const std::vector<Case> cases{
      {"legacy mode", [](Paging& p) { p.set_root(); }, 0x32},
      {"reserved mode", [](Paging& p) { p.set_root(UnitFixture::kRoot | 0x800); }, 0x30},
      {"PRE off", [](Paging& p) { p.put(p.context(), Paging::kDirectory | 0xD); }, 0x47},
      {"PASIDE off", [](Paging& p) { p.put(p.context(), Paging::kDirectory | 0x15); }, 0x45},
      {"no context entry", [](Paging& p) { p.put(p.context(), 0); }, 0x41},
      {"no PASID entry", [](Paging& p) { p.put(Paging::kPasids + 5 * 64, 0); }, 0x59},
  };
  for (const Case& c : cases) {
    INFO(c.what);
    Paging fresh;
    c.change(fresh);
    fresh.ask();
    CHECK(fresh.recorded_reason() == c.reason);
    CHECK((fresh.read64(Offset::kFrcd + 8) >> 62 & 1) == 0);  // T1=0, T2=1: page request
    CHECK((fresh.read64(Offset::kFrcd + 8) >> 28 & 1) == 1);
    CHECK(fresh.read64(kPqt) == 0);
    REQUIRE(fresh.functions.responses.size() == 1);
    CHECK(fresh.functions.responses[0].second.code == pci::PageResponseCode::kFailure);
  }
}

TEST_CASE("a page request drops what the caches know of its page") {
  Paging t;
  pci::MemoryRequest request{.requester = t.device, .pasid = Pasid(5), .address = 0x5000};
  request.length = 4;
  CHECK(t.unit.translate(request).allowed);
  t.put(UnitFixture::kPt + 40, 0);
  CHECK(t.unit.translate(request).allowed);
  t.unit.page_request({.requester = t.device, .pasid = Pasid(5), .address = 0x5000});
  CHECK_FALSE(t.unit.translate(request).allowed);
}
