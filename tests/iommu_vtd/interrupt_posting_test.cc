// Interrupt posting: each step of the algorithm, its faults, its notification [VT-d 5.2].
#include "tests/iommu_vtd/unit_fixture.h"

using namespace baton;
using namespace baton::iommu_vtd;
using test::Offset;
using test::UnitFixture;

namespace {

constexpr std::uint64_t kRemappable = 0xFEE0'0010;
constexpr std::uint64_t kDescriptor = 0x13'0040;
constexpr std::uint64_t kOn = 1;
constexpr std::uint64_t kSn = 2;
constexpr std::uint64_t kNotification = 0xF2ULL << 16;

// Entry 1 posts vector 41h into the descriptor, from the fixture's device alone.
struct Posted : UnitFixture {
  explicit Posted(std::uint64_t irta_bits = 3)
      : UnitFixture(with_posted_interrupts(sapphire_rapids_legacy())) {
    simulation.topic<InterruptPosted>().subscribe(
        [this](const InterruptPosted& seen) { postings.push_back(seen); });
    write64(Offset::kIrta, kRemapTable | irta_bits);
    command(kSirtp);
    command(kIre);
    entry(low(kDescriptor), high(kDescriptor));
    control(kNotification | 0x300ULL << 32);
  }
  std::uint64_t low(std::uint64_t descriptor) const {
    return 1 | 1 << 15 | 0x41 << 16 | (descriptor >> 6 & 0x3FF'FFFF) << 38;
  }
  std::uint64_t high(std::uint64_t descriptor) const {
    return device.value() | 1ULL << 18 | descriptor >> 32 << 32;
  }
  void entry(std::uint64_t low_word, std::uint64_t high_word) {
    put(kRemapTable + 16, low_word, high_word);
  }
  void control(std::uint64_t value) { put(kDescriptor + 32, value); }
  std::uint64_t control() { return memory.load<std::uint64_t>(PhysAddr(kDescriptor + 32)); }
  std::uint64_t requests(unsigned quadword) {
    return memory.load<std::uint64_t>(PhysAddr(kDescriptor + quadword * 8));
  }
  RemappedInterrupt send() { return unit.remap(device, kRemappable | 1 << 5, 0); }

  std::vector<InterruptPosted> postings;
};

}  // namespace

TEST_CASE("a posted interrupt sets its request bit and notifies once") {
  Posted t;
  const RemappedInterrupt first = t.send();
  CHECK(first.allowed);
  CHECK(first.posted);
  CHECK(first.notifies);
  CHECK(first.vector == Vector(0xF2));
  CHECK(first.destination == 3);  // NDST[15:8]
  CHECK(t.requests(1) == 1ULL << (0x41 - 64));
  CHECK(t.requests(0) == 0);
  CHECK(t.control() == (kNotification | 0x300ULL << 32 | kOn));
  // Outstanding: the next one is merged into the bit, silently.
  const RemappedInterrupt second = t.send();
  CHECK(second.allowed);
  CHECK_FALSE(second.notifies);
  REQUIRE(t.postings.size() == 2);
  CHECK_FALSE(t.postings[0].merged);
  CHECK(t.postings[1].merged);
  CHECK(t.postings[1].descriptor == PhysAddr(kDescriptor));
}

TEST_CASE("with x2APIC ids NDST is all 32 bits") {
  Posted t(3 | 1 << 11);
  CHECK(t.send().destination == 0x300);
}

TEST_CASE("suppression holds the notification back, and an urgent entry does not care") {
  Posted t;
  t.control(kNotification | kSn);
  CHECK_FALSE(t.send().notifies);
  CHECK(t.control() == (kNotification | kSn));  // ON stays clear
  CHECK(t.requests(1) != 0);
  t.enable_queue();
  t.entry(t.low(kDescriptor) | 1 << 14, t.high(kDescriptor));
  t.submit(4);  // all interrupt entries
  CHECK(t.send().notifies);
  CHECK(t.control() == (kNotification | kSn | kOn));
  CHECK_FALSE(t.send().notifies);  // but for ON
}

TEST_CASE("software that clears ON gets the next notification") {
  Posted t;
  CHECK(t.send().notifies);
  t.control(kNotification);
  t.put(kDescriptor + 8, 0);
  CHECK(t.send().notifies);
  CHECK_FALSE(t.postings.back().merged);
}

TEST_CASE("each refusal of a posting has its reason, is recorded, and is silenced by FPD") {
  struct Case {
    const char* what;
    std::uint64_t low_bits;
    std::uint64_t descriptor;
    std::uint64_t control;
    unsigned reason;
  };
  const std::array cases{
      Case{"descriptor outside of RAM", 0, 0x40'0000'0000, 0, 0x27},
      Case{"descriptor beyond the host's width", 0, 1ULL << 60, 0, 0x27},
      Case{"descriptor reserved 2", 0, kDescriptor, 1 << 2, 0x28},
      Case{"descriptor reserved 24", 0, kDescriptor, 1 << 24, 0x28},
      Case{"entry reserved 2", 1 << 2, kDescriptor, 0, 0x24},
      Case{"entry reserved 12", 1 << 12, kDescriptor, 0, 0x24},
      Case{"entry reserved 24", 1 << 24, kDescriptor, 0, 0x24},
  };
  for (const Case& item : cases) {
    for (const std::uint64_t silent : {std::uint64_t{0}, std::uint64_t{2}}) {
      INFO(item.what << " FPD " << silent / 2);
      Posted t;
      t.control(item.control);
      t.entry(t.low(item.descriptor) | item.low_bits | silent, t.high(item.descriptor));
      const RemappedInterrupt irq = t.send();
      CHECK_FALSE(irq.allowed);
      CHECK(unsigned{irq.fault_reason} == item.reason);
      CHECK(t.has_record() == (silent == 0));
      REQUIRE(t.faults.size() == 1);
      CHECK(t.faults.front().silenced == (silent != 0));
      CHECK(t.requests(1) == 0);
      CHECK(t.postings.empty());
    }
  }
}

TEST_CASE("the source is checked before the descriptor is touched") {
  Posted t;
  t.entry(t.low(kDescriptor), t.high(kDescriptor) + 1);
  CHECK(unsigned{t.send().fault_reason} == 0x26);
  CHECK(t.requests(1) == 0);
}

TEST_CASE("a unit that posts still remaps through entries in remapped format") {
  Posted t;
  t.entry(1 | 0x51 << 16 | 0x300'0000'0000, t.device.value() | 1ULL << 18);
  const RemappedInterrupt irq = t.send();
  CHECK(irq.allowed);
  CHECK_FALSE(irq.posted);
  CHECK(irq.vector == Vector(0x51));
}

TEST_CASE("posting costs a locked update, and a notification its way") {
  Posted t;
  const Profile& profile = t.unit.profile();
  const sim::Duration with = t.send().latency;
  const sim::Duration without = t.send().latency;
  const sim::Duration entry = profile.timing.table_read - profile.timing.interrupt_entry_hit;
  CHECK(with - without == entry + profile.timing.posted_notification);
  CHECK(without == profile.timing.interrupt_entry_hit + profile.timing.posted_update);
}
