// Random tables, requests, changes and the invalidations that they need: the unit with all its
// caches always says what an oracle without caches says.
#include <map>

#include "tests/iommu_vtd/oracle.h"
#include "tests/iommu_vtd/unit_fixture.h"

using namespace baton;
using test::Offset;
using test::UnitFixture;

namespace {

using Word = std::uint64_t;

constexpr Word kLegacyContexts = 0x10'1000, kScalableContexts = 0x10'2000, kDirectory = 0x10'3000,
               kPasids = 0x10'4000, kSecondPool = 0x20'0000, kFirstPool = 0x30'0000,
               kData = 0x800'0000;
constexpr unsigned kLevels = 5, kTables = 3, kIndices = 3, kEntries = 4, kDevices = 3;

// Tables of each level come from a small pool, and addresses use few indices, so that requests meet
// one another in the caches.
struct World : UnitFixture {
  World(std::uint64_t seed, bool is_scalable, Word calm)
      : UnitFixture(iommu_vtd::sapphire_rapids()),
        scalable(is_scalable),
        oracle(memory, kRoot, is_scalable),
        calm_(calm),
        random_(seed) {
    put(kRoot, (scalable ? kScalableContexts : kLegacyContexts) | 1, 0);
    put(kDirectory, kPasids | 1);
    for (unsigned i = 0; i < kDevices; ++i) change_context(i);
    for (unsigned i = 0; i < kEntries; ++i) change_pasid(i);
    for (unsigned level = 0; level < kLevels; ++level) {
      for (unsigned i = 0; i < kTables * kIndices; ++i) {
        put(slot(kSecondPool, level, i), second_entry(level));
        put(slot(kFirstPool, level, i), first_entry(level));
      }
    }
    set_root(kRoot | (scalable ? 0x400U : 0U));
    command(kTe);
    write64(Offset::kIqa, kQueue | (scalable ? 0x800U : 0U));
    command(kQie);
  }

  // Any number below `bound` [xorshift].
  Word pick(Word bound) {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return (random_ >> 11) % bound;
  }
  bool one_in(Word n) { return pick(n) == 0; }
  bool fault_in(Word n) { return one_in(n * calm_); }

  static Word page(Word pool, unsigned level, Word table) {
    return pool + (level * kTables + table) * 0x1000;
  }
  static Word slot(Word pool, unsigned level, Word i) {
    return page(pool, level, i / kIndices) + i % kIndices * 8;
  }
  Word any_table(Word pool, unsigned level) {
    return fault_in(40) ? Word{0x7000'0000} : page(pool, level, pick(kTables));
  }

  // 4 levels of indices out of few; rarely with an index of a fifth level.
  Word any_address() {
    Word address = pick(0x1000);
    for (unsigned level = 0; level < 4; ++level) {
      address |= pick(kIndices) << (12 + 9 * level);
    }
    return fault_in(20) ? address | Word{1} << (47 + pick(12)) : address;
  }
  Word any_target(unsigned level) {
    if (fault_in(30)) return 0xFEE0'0000;
    const Word mask = ~((Word{0x1000} << (9 * level)) - 1);
    // Second-stage leaves may hold first-stage tables: a nested walk passes there.
    const bool in_pool = one_in(2);
    const auto pool_level = static_cast<unsigned>(pick(4));
    const Word at =
        in_pool ? page(kFirstPool, pool_level, pick(kTables)) : kData + pick(64) * 0x1000;
    return fault_in(20) ? at : at & mask;
  }

  Word second_entry(unsigned level) {
    if (fault_in(20)) return 0;
    const Word rights = fault_in(12) ? pick(4) : 3;
    const Word odd = fault_in(40) ? Word{1} << 62 : fault_in(40) ? Word{1} << 11 : 0;
    const bool leaf = level == 0 || one_in(level > 2 ? 60 * calm_ : 6);
    return leaf ? any_target(level) | rights | odd | (level > 0 ? 0x80U : 0U)
                : any_table(kSecondPool, level - 1) | rights | odd;
  }
  // The address of a table when nested: what second-stage tables may translate.
  Word first_entry(unsigned level) {
    if (fault_in(20)) return 0;
    const Word rights = fault_in(12) ? pick(8) : 7;
    const Word odd = fault_in(40) ? Word{1} << 63 : 0;
    if (level == 0 || one_in(level > 2 ? 60 * calm_ : 6)) {
      const Word target = one_in(2) ? any_address() & ~Word{0xFFF} : any_target(level);
      const Word mask = ~((Word{0x1000} << (9 * level)) - 1);
      return (target & mask & 0xF'FFFF'FFFF'F000) | rights | odd | (level > 0 ? 0x80U : 0U);
    }
    const Word table =
        one_in(3) ? any_address() & 0xFFFF'FFFF'F000 : any_table(kFirstPool, level - 1);
    return table | rights | odd;
  }

  void change_context(Word i) {
    const Word aw = fault_in(10) ? pick(8) : 2 + pick(2);
    const Word type = one_in(6) ? pick(4) : 0;
    const Word present = fault_in(12) ? 0 : 1;
    const Word table = page(kSecondPool, aw == 3 ? 4 : 3, 0);
    put(kLegacyContexts + 8 * (3 + i) * 16, table | type << 2 | present,
        aw | legacy_domain(i) << 8);
    const Word pasids = one_in(4) ? 0 : 8;
    const Word own = fault_in(30) ? Word{0x2040} : pick(kEntries);
    put(kScalableContexts + 8 * (3 + i) * 32, kDirectory | pasids | present, own);
  }
  void change_pasid(Word i) {
    const Word pass = one_in(8) ? 1 : 0;
    const Word type = fault_in(15) ? pick(8) : 1 + pick(3) + pass;
    const Word aw = fault_in(20) ? pick(8) : 2 + pick(2);
    const Word mode = fault_in(20) ? pick(4) : pick(2);
    const Word at = kPasids + i * 64;
    const Word second = page(kSecondPool, aw == 3 ? 4 : 3, pick(kTables));
    const Word dirty = one_in(3) ? 0x200 : 0;
    const Word present = fault_in(12) ? 0 : 1;
    put(at, second | type << 6 | aw << 2 | dirty | present);
    put(at + 8, pasid_domain(i));
    const Word first = type == 3 && !one_in(3) ? any_address() & 0xFFFF'FFFF'F000
                                               : page(kFirstPool, mode == 1 ? 4 : 3, pick(kTables));
    const Word no_execute = one_in(2) ? 0x20 : 0;
    put(at + 16, first | mode << 2 | no_execute);
  }
  // Domain ids never move to other tables without a flush; no two PASIDs share one.
  static Word legacy_domain(Word which) { return 10 + which; }
  static Word pasid_domain(Word pasid) { return 20 + pasid; }

  void send(Word low, Word high = 0) {
    const Word bytes = scalable ? 32 : 16;
    const Word tail = read64(Offset::kIqt);
    put(kQueue + tail, low, high);
    if (scalable) put(kQueue + tail + 16, 0, 0);
    write32(Offset::kIqt, static_cast<std::uint32_t>((tail + bytes) % 4096));
  }

  // Ranges that together hold every address the tables may know, fine or coarse.
  template <class Each>
  void each_range(Each each) {
    const auto fine = static_cast<unsigned>(pick(4));  // the level of the ranges
    Word count = 1;
    for (unsigned level = fine; level < 4; ++level) count *= kIndices;
    for (Word n = 0; n < count; ++n) {
      Word address = 0;
      Word rest = n;
      for (unsigned level = fine; level < 4; ++level, rest /= kIndices) {
        address |= rest % kIndices << (12 + 9 * level);
      }
      each(address | 9 * fine);
    }
    each(20);  // tables and data as memory of nested ones: below 4 GiB
    for (unsigned high = 47; high < 57; ++high) each(Word{1} << high | 29);
  }
  void flush_second(Word domain, bool leaf_only) {
    if (one_in(2)) return send(2 | 2 << 4 | domain << 16);
    each_range(
        [&](Word range) { send(2 | 3 << 4 | domain << 16, range | (leaf_only ? 0x40U : 0U)); });
  }
  void flush_first(Word pasid, bool leaf_only) {
    const Word type = 6 | pasid_domain(pasid) << 16 | pasid << 32;
    if (one_in(2)) return send(type | 2 << 4);
    send(type | 3 << 4, 52 | (leaf_only ? 0x40U : 0U));
  }
  void flush_pasid(Word i) {
    send(7 | pick(2) << 4 | pasid_domain(i) << 16 | i << 32);
    flush_first(i, false);
    flush_second(pasid_domain(i), false);
  }

  void change() {
    const Word kind = pick(scalable ? 8 : 5);
    const auto level = static_cast<unsigned>(pick(kLevels));
    const Word i = pick(kTables * kIndices);
    if (kind == 0) {
      const Word which = pick(kDevices);
      change_context(which);
      send(1 | (one_in(2) ? 1U : 3U) << 4 | (8 * (3 + which)) << 32);
      if (!scalable) flush_second(legacy_domain(which), false);
    } else if (kind < 5) {
      put(slot(kSecondPool, level, i), second_entry(level));
      if (one_in(4)) return send(2 | 1 << 4);
      for (Word n = 0; n < kEntries; ++n) {
        flush_second(scalable ? pasid_domain(n) : legacy_domain(n), level == 0 && one_in(2));
      }
    } else if (kind < 7) {
      put(slot(kFirstPool, level, i), first_entry(level));
      // Also reached as memory of nested tables, where second-stage entries are leaves.
      for (Word n = 0; n < kEntries; ++n) flush_first(n, level == 0 && one_in(2));
    } else {
      const Word pasid = pick(kEntries);
      change_pasid(pasid);
      flush_pasid(pasid);
    }
  }

  void check_request() {
    pci::MemoryRequest request;
    request.requester = Bdf(0, 3 + static_cast<unsigned>(pick(kDevices)), 0);
    if (scalable && one_in(2)) {
      request.pasid = Pasid(static_cast<std::uint32_t>(fault_in(40) ? 0x2040 : pick(kEntries)));
    }
    if (!one_in(3)) recent_[pick(recent_.size())] = any_address();
    request.address = recent_[pick(recent_.size())];
    request.write = one_in(2);
    request.length = fault_in(20) ? 0 : 4;
    const iommu_vtd::Translation seen = unit.translate(request);
    const test::Verdict wanted = oracle.ask(request);
    INFO(request.requester.value()
         << " address " << std::hex << request.address << " write " << request.write << " pasid "
         << (request.pasid ? request.pasid->value() : 0xFFFFFU));
    REQUIRE(unsigned{seen.fault_reason} == wanted.reason);
    if (seen.allowed) {
      REQUIRE(seen.address.value() == wanted.address);
    }
    ++reasons[wanted.reason];
    hits += seen.allowed && seen.misses == 0 ? 1 : 0;
  }

  const bool scalable;
  test::Oracle oracle;
  std::map<unsigned, unsigned> reasons;
  unsigned hits = 0;

 private:
  const Word calm_;  // how much rarer what faults is
  Word random_;
  std::array<Word, 32> recent_{};  // addresses that come again
};

struct Counts {
  std::map<unsigned, unsigned> reasons;
  unsigned hits = 0;
};

Counts run(bool scalable, Word seed, Word calm = 1) {
  World world(seed, scalable, calm);
  for (unsigned step = 0; step < 10'000; ++step) {
    INFO("step " << step);
    if (world.pick(12) == 0) {
      world.change();
      REQUIRE(world.queue_error() == 0);
    } else {
      world.check_request();
    }
  }
  return {world.reasons, world.hits};
}

}  // namespace

TEST_CASE("with the invalidations they need, 10,000 legacy steps agree with an oracle") {
  Counts counts = run(false, 0x1234'5678);
  CHECK(counts.reasons[0] > 1'000);
  CHECK(counts.hits > 300);
  CHECK(counts.reasons.size() > 6);
}

TEST_CASE("with the invalidations they need, 10,000 scalable steps agree with an oracle") {
  Counts counts = run(true, 0x9E37'79B9);
  CHECK(counts.reasons[0] > 1'000);
  CHECK(counts.hits > 300);
  CHECK(counts.reasons.size() > 15);
}

TEST_CASE("with few faults and deep tables, 10,000 scalable steps agree with an oracle") {
  Counts counts = run(true, 0x5A5A'0001, 20);
  CHECK(counts.reasons[0] > 3'000);
  CHECK(counts.hits > 500);
}
