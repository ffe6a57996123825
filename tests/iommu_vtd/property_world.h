// Random tables in memory, requests, changes and the invalidations that they need, for a unit and
// an oracle. Tables of each level come from a small pool and addresses use few indices, so that
// requests meet one another in the caches.
#pragma once

#include "model/iommu_vtd/profiles.h"
#include "model/pci/device_tlb.h"
#include "tests/iommu_vtd/oracle.h"
#include "tests/iommu_vtd/unit_fixture.h"

namespace baton::test {

struct WorldOptions {
  std::uint64_t seed = 1;
  bool scalable = false;
  std::uint64_t calm = 1;  // how much rarer what faults is
  bool forgetful = false;  // software leaves invalidations out for a while
  bool without_paging_caches = false;
  iommu_vtd::Caches caches = iommu_vtd::Caches::kExact;
  iommu_vtd::Erratum erratum = iommu_vtd::Erratum::kNone;
};

inline iommu_vtd::Profile profile_of(const WorldOptions& options) {
  iommu_vtd::Profile profile = iommu_vtd::sapphire_rapids();
  profile.caches = options.caches;
  profile.erratum = options.erratum;
  if (options.without_paging_caches) profile.paging_cache_entries = 0;
  if (options.caches == iommu_vtd::Caches::kHardware && !options.without_paging_caches) {
    profile.paging_cache_entries = 12;
  }
  if (options.caches == iommu_vtd::Caches::kHardware) {
    profile.context_cache_entries = 2;
    profile.pasid_cache_entries = 2;
    profile.iotlb_entries = 24;
    profile.interrupt_cache_entries = 4;
  }
  return profile;
}

class World : public UnitFixture, private iommu_vtd::DeviceTlbPort {
 public:
  explicit World(const WorldOptions& options);

  // One change with its invalidations, or one request. What went wrong; empty if nothing did.
  std::string step();

  struct Counts {
    std::map<unsigned, unsigned> reasons;  // of requests; 0: allowed
    unsigned hits = 0;                     // allowed without a look into memory
    unsigned stale = 0;                    // permitted, but not what the tables say now
    unsigned translated = 0;               // served by a device-TLB
    unsigned interrupts = 0;
  };
  Counts counts;

 private:
  using Word = std::uint64_t;
  static constexpr unsigned kLevels = 5, kTables = 3, kIndices = 3, kEntries = 4, kDevices = 3,
                            kRemapEntries = 16;
  static constexpr Word kLegacyContexts = 0x10'1000, kScalableContexts = 0x10'2000,
                        kDirectory = 0x10'3000, kPasids = 0x10'4000, kSecondPool = 0x20'0000,
                        kFirstPool = 0x30'0000, kData = 0x800'0000, kSharedDomain = 30;

  // Random numbers [xorshift]; every draw a statement of its own.
  Word pick(Word bound);
  bool one_in(Word n) { return pick(n) == 0; }
  bool fault_in(Word n) { return one_in(n * options_.calm); }

  static Word page(Word pool, unsigned level, Word table) {
    return pool + (level * kTables + table) * 0x1000;
  }
  static Word slot(Word pool, unsigned level, Word i) {
    return page(pool, level, i / kIndices) + i % kIndices * 8;
  }
  static Bdf function(Word which) { return Bdf(0, 3 + static_cast<unsigned>(which), 1); }
  Word legacy_context(Word which) const { return kLegacyContexts + function(which).devfn() * 16; }
  Word scalable_context(Word which) const {
    return kScalableContexts + function(which).devfn() * 32;
  }
  static Word legacy_domain(Word which) { return 10 + which; }
  // Entries of the first stage alone share a domain id, told apart by their PASID; no others do.
  static Word domain_for(Word pasid, Word type) { return type == 1 ? kSharedDomain : 20 + pasid; }
  Word domain_of(Word pasid) {
    return memory.load<Word>(PhysAddr(kPasids + pasid * 64 + 8)) & 0xFFFF;
  }

  void write(Word at, Word value);
  Word any_table(Word pool, unsigned level);
  Word any_address();
  Word any_target(unsigned level);
  Word second_entry(unsigned level);
  Word first_entry(unsigned level);
  void change_context(Word which);
  void change_pasid(Word pasid);
  void change_interrupt(Word index);

  void send(Word low, Word high = 0);
  template <class Each>
  void each_range(Each each);
  void flush_context(Word which);
  void flush_second(Word domain, bool leaf_only);
  void flush_first(Word domain, Word pasid, bool leaf_only);
  void flush_pasid(Word pasid, Word domain);
  void flush_device_tlbs();
  void flush_interrupt(Word index);
  void flush_everything();
  void change();
  void change_without_flush();

  pci::MemoryRequest any_request();
  std::string check_request();
  std::string check_translation(const pci::MemoryRequest& request, Word which);
  std::string check_translated(const pci::MemoryRequest& request, Word which,
                               const pci::AtsTranslation& translation);
  std::string check_interrupt();
  bool offers_services(Word which);
  bool permitted(const pci::MemoryRequest& request, const Verdict& seen);
  std::string differs(const char* what, const pci::MemoryRequest& request, unsigned seen,
                      unsigned wanted) const;

  // iommu_vtd::DeviceTlbPort
  std::optional<sim::Duration> distance(Bdf) override { return sim::Duration::nanoseconds(100); }
  bool invalidate(Bdf target, const pci::AtsInvalidation& invalidation) override;
  void respond(Bdf, const pci::PageResponse&) override {}

  const WorldOptions options_;
  ForgivingOracle oracle_;
  std::array<pci::DeviceTlb, kDevices> device_tlbs_;
  Word random_;
  std::array<Word, 32> recent_{};  // addresses that come again
  unsigned forgotten_ = 0;         // changes since the last invalidation of everything
};

inline World::World(const WorldOptions& options)
    : UnitFixture(profile_of(options)),
      options_(options),
      oracle_(memory, kRoot, options.scalable),
      random_(options.seed) {
  put(kRoot, (options_.scalable ? kScalableContexts : kLegacyContexts) | 1, 0);
  put(kDirectory, kPasids | 1);
  for (Word i = 0; i < kDevices; ++i) change_context(i);
  for (Word i = 0; i < kEntries; ++i) change_pasid(i);
  for (Word i = 0; i < kRemapEntries; ++i) change_interrupt(i);
  for (unsigned level = 0; level < kLevels; ++level) {
    for (Word i = 0; i < kTables * kIndices; ++i) {
      put(slot(kSecondPool, level, i), second_entry(level));
      put(slot(kFirstPool, level, i), first_entry(level));
    }
  }
  unit.connect(this);
  set_root(kRoot | (options_.scalable ? 0x400U : 0U));
  write64(Offset::kIrta, kRemapTable | 3);  // 16 entries
  command(kSirtp);
  command(kIre);
  command(kTe);
  write64(Offset::kIqa, kQueue | (options_.scalable ? 0x800U : 0U));
  command(kQie);
}

inline World::Word World::pick(Word bound) {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return (random_ >> 11) % bound;
}

// Tables and their contents --------------------------------------------------------------------

inline void World::write(Word at, Word value) {
  if (options_.forgetful) oracle_.changed(at, memory.load<Word>(PhysAddr(at)));
  put(at, value);
}

inline World::Word World::any_table(Word pool, unsigned level) {
  return fault_in(40) ? Word{0x7000'0000} : page(pool, level, pick(kTables));
}

// 4 levels of indices out of few; rarely with an index of a fifth level.
inline World::Word World::any_address() {
  Word address = pick(0x1000);
  for (unsigned level = 0; level < 4; ++level) {
    address |= pick(kIndices) << (12 + 9 * level);
  }
  if (!fault_in(20)) return address;
  return address | Word{1} << (47 + pick(12));
}

inline World::Word World::any_target(unsigned level) {
  if (fault_in(30)) return 0xFEE0'0000;
  const Word mask = ~((Word{0x1000} << (9 * level)) - 1);
  // Second-stage leaves may hold first-stage tables: a nested walk passes there.
  const bool in_pool = one_in(2);
  const auto pool_level = static_cast<unsigned>(pick(4));
  const Word table = pick(kTables);
  const Word data = kData + pick(64) * 0x1000;
  const Word at = in_pool ? page(kFirstPool, pool_level, table) : data;
  return fault_in(20) ? at : at & mask;
}

inline World::Word World::second_entry(unsigned level) {
  if (fault_in(20)) return 0;
  const Word some = pick(4);
  const Word rights = fault_in(12) ? some : 3;
  const Word odd = fault_in(40) ? Word{1} << 62 : fault_in(40) ? Word{1} << 11 : 0;
  const bool leaf = level == 0 || one_in(level > 2 ? 60 * options_.calm : 6);
  if (leaf) return any_target(level) | rights | odd | (level > 0 ? 0x80U : 0U);
  return any_table(kSecondPool, level - 1) | rights | odd;
}

// The address of a table when nested: what second-stage tables may translate.
inline World::Word World::first_entry(unsigned level) {
  if (fault_in(20)) return 0;
  const Word some = pick(8);
  const Word rights = fault_in(12) ? some : 7;
  const Word odd = fault_in(40) ? Word{1} << 63 : 0;
  if (level == 0 || one_in(level > 2 ? 60 * options_.calm : 6)) {
    const bool anywhere = one_in(2);
    const Word target = anywhere ? any_address() & ~Word{0xFFF} : any_target(level);
    const Word mask = ~((Word{0x1000} << (9 * level)) - 1);
    return (target & mask & 0xF'FFFF'FFFF'F000) | rights | odd | (level > 0 ? 0x80U : 0U);
  }
  const bool anywhere = one_in(3);
  const Word table = anywhere ? any_address() & 0xFFFF'FFFF'F000 : any_table(kFirstPool, level - 1);
  return table | rights | odd;
}

inline void World::change_context(Word which) {
  const Word odd_aw = pick(8);
  const Word good_aw = 2 + pick(2);
  const Word aw = fault_in(10) ? odd_aw : good_aw;
  const Word any_type = pick(4);
  const Word type = one_in(6) ? any_type : any_type % 2;
  const Word present = fault_in(12) ? 0 : 1;
  const Word table = page(kSecondPool, aw == 3 ? 4 : 3, 0);
  write(legacy_context(which), table | type << 2 | present);
  write(legacy_context(which) + 8, aw | legacy_domain(which) << 8);
  const Word pasids = one_in(4) ? 0 : 8;
  const Word services = one_in(4) ? 0 : 4;
  const Word good = pick(kEntries);
  write(scalable_context(which), kDirectory | pasids | services | present);
  write(scalable_context(which) + 8, fault_in(30) ? Word{0x2040} : good);
}

inline void World::change_pasid(Word pasid) {
  const Word odd_type = pick(8);
  const Word good_type = 1 + pick(3);
  const Word pass = one_in(8) ? 1 : 0;
  const Word type = fault_in(15) ? odd_type : good_type + pass;
  const Word odd_aw = pick(8);
  const Word good_aw = 2 + pick(2);
  const Word aw = fault_in(20) ? odd_aw : good_aw;
  const Word odd_mode = pick(4);
  const Word mode = fault_in(20) ? odd_mode : odd_mode % 2;
  const Word at = kPasids + pasid * 64;
  const Word second = page(kSecondPool, aw == 3 ? 4 : 3, pick(kTables));
  const Word dirty = one_in(3) ? 0x200 : 0;
  const Word present = fault_in(12) ? 0 : 1;
  const Word guest = any_address() & 0xFFFF'FFFF'F000;
  const Word host = page(kFirstPool, mode == 1 ? 4 : 3, pick(kTables));
  const Word first = type == 3 && !one_in(3) ? guest : host;
  const Word no_execute = one_in(2) ? 0x20 : 0;
  write(at, second | type << 6 | aw << 2 | dirty | present);
  const Word snooped = fault_in(60) ? 0 : Word{1} << 23;
  write(at + 8, domain_for(pasid, type) | snooped);
  write(at + 16, first | mode << 2 | no_execute);
}

inline void World::change_interrupt(Word index) {
  const Word present = one_in(6) ? 0 : 1;
  const Word reserved = one_in(12) ? 0x1000 : 0;
  const Word vector = 0x20 + pick(0xC0);
  const Word source = function(pick(kDevices)).value();
  const Word check = one_in(2) ? Word{1} << 18 : 0;
  put(kRemapTable + index * 16, present | reserved | vector << 16 | 0x100ULL << 32, source | check);
}

// Invalidations --------------------------------------------------------------------------------

inline void World::send(Word low, Word high) {
  const Word bytes = options_.scalable ? 32 : 16;
  const Word tail = read64(Offset::kIqt);
  put(kQueue + tail, low, high);
  if (options_.scalable) put(kQueue + tail + 16, 0, 0);
  write32(Offset::kIqt, static_cast<std::uint32_t>((tail + bytes) % 4096));
}

// Ranges that together hold every address the tables may know, fine or coarse.
template <class Each>
void World::each_range(Each each) {
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

inline void World::flush_context(Word which) {
  const Word how = pick(4);
  const Word source = function(which).value();
  if (how == 0) return send(1 | 1 << 4);
  if (how == 1) return send(1 | 2 << 4 | legacy_domain(which) << 16);
  if (how == 2) return send(1 | 3 << 4 | source << 32);
  send(1 | 3 << 4 | (source ^ 6) << 32 | Word{3} << 48);  // any function of the device
}

inline void World::flush_second(Word domain, bool leaf_only) {
  if (one_in(2)) return send(2 | 2 << 4 | domain << 16);
  each_range(
      [&](Word range) { send(2 | 3 << 4 | domain << 16, range | (leaf_only ? 0x40U : 0U)); });
}

inline void World::flush_first(Word domain, Word pasid, bool leaf_only) {
  const Word type = 6 | domain << 16 | pasid << 32;
  if (one_in(2)) return send(type | 2 << 4);
  send(type | 3 << 4, 52 | (leaf_only ? 0x40U : 0U));
}

inline void World::flush_pasid(Word pasid, Word domain) {
  const Word how = pick(3);
  send(7 | (how == 2 ? 3 : how) << 4 | domain << 16 | pasid << 32);
  flush_first(domain, pasid, false);
  flush_second(domain, false);
}

inline void World::flush_device_tlbs() {
  constexpr Word kAll = 0x7FFF'FFFF'FFFF'F000;
  const bool together = one_in(2);
  for (Word which = 0; which < kDevices; ++which) {
    const Word source = function(which).value();
    if (!options_.scalable || !together) send(3 | source << 32, kAll | 1);
    if (!options_.scalable) continue;
    for (Word pasid = 0; pasid < (together ? 1 : kEntries); ++pasid) {
      send(8 | source << 16 | pasid << 32, kAll | 0x800 | (together ? 1 : 0));
    }
  }
  simulation.run_until(simulation.now() + sim::Duration::microseconds(10));
}

inline bool World::invalidate(Bdf target, const pci::AtsInvalidation& invalidation) {
  for (Word which = 0; which < kDevices; ++which) {
    if (function(which) == target) device_tlbs_[which].invalidate(invalidation);
  }
  return true;
}

inline void World::flush_interrupt(Word index) {
  const Word mask = pick(3);
  if (one_in(3)) return send(4);
  send(4 | 1 << 4 | mask << 27 | index << 32);
}

inline void World::flush_everything() {
  send(1 | 1 << 4);
  if (options_.scalable) send(7 | 3 << 4);
  send(2 | 1 << 4);
  flush_device_tlbs();
  oracle_.forget();
  forgotten_ = 0;
}

// Changes --------------------------------------------------------------------------------------

inline void World::change() {
  const Word kind = pick(options_.scalable ? 9 : 6);
  const auto level = static_cast<unsigned>(pick(kLevels));
  const Word i = pick(kTables * kIndices);
  const bool leaf_only = level == 0 && one_in(2);
  if (kind == 0) {
    const Word which = pick(kDevices);
    change_context(which);
    flush_context(which);
    if (!options_.scalable) flush_second(legacy_domain(which), false);
  } else if (kind == 1) {
    const Word index = pick(kRemapEntries);
    change_interrupt(index);
    return flush_interrupt(index);
  } else if (kind < 6) {
    put(slot(kSecondPool, level, i), second_entry(level));
    if (one_in(4)) {
      send(2 | 1 << 4);
    } else {
      const Word domains = options_.scalable ? kEntries : kDevices;
      for (Word n = 0; n < domains; ++n) {
        flush_second(options_.scalable ? domain_for(n, 2) : legacy_domain(n), leaf_only);
      }
    }
  } else if (kind < 8) {
    put(slot(kFirstPool, level, i), first_entry(level));
    // Also reached as memory of nested tables, where second-stage entries are leaves.
    if (one_in(4)) {
      send(2 | 1 << 4);
    } else {
      for (Word n = 0; n < kEntries; ++n) flush_first(domain_of(n), n, leaf_only);
    }
  } else {
    const Word pasid = pick(kEntries);
    const Word domain = domain_of(pasid);
    change_pasid(pasid);
    flush_pasid(pasid, domain);
  }
  flush_device_tlbs();
}

// At most a few changes at a time: what is permitted then is every mixture of old and new.
inline void World::change_without_flush() {
  if (forgotten_ == 3) return flush_everything();
  ++forgotten_;
  const auto level = static_cast<unsigned>(pick(kLevels));
  const Word at = slot(one_in(2) ? kFirstPool : kSecondPool, level, pick(kTables * kIndices));
  const bool first = at >= kFirstPool;
  const Word kind = pick(options_.scalable ? 8 : 6);
  if (kind == 0) return change_context(pick(kDevices));
  if (kind == 1 && options_.scalable) return change_pasid(pick(kEntries));
  write(at, first ? first_entry(level) : second_entry(level));
}

// Requests -------------------------------------------------------------------------------------

inline std::string World::differs(const char* what, const pci::MemoryRequest& request,
                                  unsigned seen, unsigned wanted) const {
  return fmt::format("{}: {:04x} address {:#x} write {} pasid {:#x}: {:#x}, not {:#x}", what,
                     request.requester.value(), request.address, request.write,
                     request.pasid ? request.pasid->value() : 0xFFFFFU, seen, wanted);
}

inline bool World::permitted(const pci::MemoryRequest& request, const Verdict& seen) {
  const Verdict wanted = oracle_.ask(request);
  if (wanted.reason == seen.reason && (seen.reason != 0 || wanted.address == seen.address)) {
    return true;
  }
  const bool stale = options_.forgetful && oracle_.permits(request, seen);
  counts.stale += stale ? 1 : 0;
  return stale;
}

inline bool World::offers_services(Word which) {
  const Word at = options_.scalable ? scalable_context(which) : legacy_context(which);
  return (memory.load<Word>(PhysAddr(at)) & (options_.scalable ? 5U : 0xDU)) == 5;
}

inline pci::MemoryRequest World::any_request() {
  pci::MemoryRequest request;
  if (options_.scalable && one_in(2)) {
    const Word pasid = pick(kEntries);
    request.pasid = Pasid(static_cast<std::uint32_t>(fault_in(40) ? 0x2040 : pasid));
  }
  const bool fresh = !one_in(3);
  const Word at = pick(recent_.size());
  if (fresh) recent_[at] = any_address();
  request.address = recent_[at];
  request.write = one_in(2);
  request.length = fault_in(20) ? 0 : 4;
  return request;
}

inline std::string World::check_request() {
  pci::MemoryRequest request = any_request();
  const Word which = pick(kDevices);
  request.requester = function(which);
  const bool services = one_in(4);
  if (services && !options_.forgetful && offers_services(which) && request.length != 0) {
    return check_translation(request, which);
  }
  const iommu_vtd::Translation seen = unit.translate(request);
  const Verdict verdict{seen.fault_reason, seen.allowed ? seen.address.value() : 0};
  if (!permitted(request, verdict)) {
    return differs("request", request, verdict.reason, oracle_.ask(request).reason);
  }
  ++counts.reasons[verdict.reason];
  counts.hits += seen.allowed && seen.misses == 0 ? 1 : 0;
  return {};
}

// As a function with a device-TLB does it.
inline std::string World::check_translation(const pci::MemoryRequest& request, Word which) {
  if (const pci::AtsTranslation* known = device_tlbs_[which].find(request.pasid, request.address);
      known != nullptr && (request.write ? known->writable : known->readable)) {
    return check_translated(request, which, *known);
  }
  pci::MemoryRequest ask = request;
  ask.type = pci::AddressType::kTranslationRequest;
  const iommu_vtd::Translation seen = unit.translate(ask);
  pci::MemoryRequest read = request;
  read.write = false;
  const bool readable = oracle_.ask(read).reason == 0;
  if (seen.allowed && seen.readable != readable) {
    return differs("readable", request, seen.readable ? 1 : 0, readable ? 1 : 0);
  }
  const bool wanted = oracle_.ask(request).reason == 0;
  const bool granted = seen.allowed && (request.write ? seen.writable : seen.readable);
  if (granted != wanted) return differs("granted", request, granted ? 1 : 0, wanted ? 1 : 0);
  if (!granted) return {};
  const std::uint64_t completion = pci::encode({.address = seen.address.value(),
                                                .bytes = seen.page_bytes,
                                                .readable = seen.readable,
                                                .writable = seen.writable});
  const pci::AtsTranslation translation = pci::decode_ats_translation(completion);
  device_tlbs_[which].insert(request.pasid, request.address, translation);
  return check_translated(request, which, translation);
}

inline std::string World::check_translated(const pci::MemoryRequest& request, Word which,
                                           const pci::AtsTranslation& translation) {
  pci::MemoryRequest translated = request;
  translated.requester = function(which);
  translated.type = pci::AddressType::kTranslated;
  translated.pasid.reset();
  translated.address = translation.address + (request.address & (translation.bytes - 1));
  const iommu_vtd::Translation seen = unit.translate(translated);
  const Verdict wanted = oracle_.ask(request);
  if (!seen.allowed || wanted.reason != 0 || wanted.address != seen.address.value()) {
    return differs("translated", request, seen.fault_reason, wanted.reason);
  }
  ++counts.translated;
  return {};
}

inline std::string World::check_interrupt() {
  const Word index = pick(kRemapEntries);
  const Bdf source = function(pick(kDevices));
  const Word low = memory.load<Word>(PhysAddr(kRemapTable + index * 16));
  const Word high = memory.load<Word>(PhysAddr(kRemapTable + index * 16 + 8));
  const bool source_wrong = (high >> 18 & 3) == 1 && (high & 0xFFFF) != source.value();
  const unsigned reason = (low & 1) == 0        ? 0x22U
                          : (low & 0x7000) != 0 ? 0x24U
                          : source_wrong        ? 0x26U
                                                : 0U;
  const auto seen = unit.remap(source, 0xFEE0'0010 | index << 5, 0);
  ++counts.interrupts;
  if (seen.fault_reason != reason || (reason == 0 && seen.vector.value() != (low >> 16 & 0xFF))) {
    return fmt::format("interrupt {}: {:#x}, not {:#x}", index, seen.fault_reason, reason);
  }
  return {};
}

inline std::string World::step() {
  const Word kind = pick(12);
  if (kind == 0) {
    options_.forgetful ? change_without_flush() : change();
    return queue_error() == 0 ? std::string() : fmt::format("queue error {}", queue_error());
  }
  return kind == 1 ? check_interrupt() : check_request();
}

}  // namespace baton::test
