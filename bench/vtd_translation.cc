// What a translation costs: a remapping unit beside a bare walk of the same tables in one flat
// mapping, in the same run. CPU time of the process; instructions by callgrind, of one of the two
// measured functions:
//
//   vtd_translation [CASE [TRANSLATIONS]]        hit, miss64m, miss16g; all without arguments
//   valgrind --tool=callgrind --toggle-collect='*measured_*' vtd_translation CASE N WHICH
//                                                WHICH: bare, exact or hardware
//
// Each translation depends on the one before, so that latency is measured, not throughput.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "bench/bare_walk.h"
#include "model/iommu_vtd/profiles.h"
#include "model/iommu_vtd/remapping_unit.h"

namespace {

using namespace baton;
using namespace baton::bench;

constexpr Word kRoot = 0x1000, kContexts = 0x2000;

class Unit {
 public:
  Unit(Word pages, iommu_vtd::Caches caches)
      : memory_(memory_for(pages)),
        unit_(simulation_, memory_, "dmar0", PhysAddr(0xFED9'0000), profile_of(caches),
              [](std::uint64_t, std::uint32_t) {}) {
    const auto get = [this](Word at) { return memory_.load<Word>(PhysAddr(at)); };
    const auto put = [this](Word at, Word value) { memory_.store(PhysAddr(at), value); };
    put(kRoot, kContexts | 1);
    put(kContexts + 16 * 16, kTop | 1);
    put(kContexts + 16 * 16 + 8, 2 | 7 << 8);
    map_pages(pages, get, put);
    unit_.mmio_write(0x20, 8, kRoot);
    unit_.mmio_write(0x18, 4, 1U << 30);
    unit_.mmio_write(0x18, 4, 1U << 31);
  }

  Word translate(Word iova) {
    pci::MemoryRequest request;
    request.requester = Bdf(0, 2, 0);
    request.address = iova;
    request.length = 64;
    const iommu_vtd::Translation found = unit_.translate(request);
    misses += found.misses;
    return found.allowed ? found.address.value() : ~Word{0};
  }
  void forget() {  // global IOTLB invalidation
    unit_.mmio_write(0x508, 8, Word{1} << 63 | Word{1} << 60);
  }

  Word misses = 0;

 private:
  static iommu_vtd::Profile profile_of(iommu_vtd::Caches caches) {
    iommu_vtd::Profile profile = iommu_vtd::sapphire_rapids_legacy();
    profile.caches = caches;
    return profile;
  }
  sim::Simulation simulation_{1};
  sim::PhysicalMemory memory_;
  iommu_vtd::RemappingUnit unit_;
};

struct Case {
  const char* name;
  Word pages;
  bool one_page;
  bool random;
};
constexpr std::array kCases{
    Case{"hit", Word{1} << 14, true, false},
    Case{"miss64m", Word{1} << 14, false, false},
    Case{"miss16g", Word{1} << 22, false, true},
};

template <class Translate>
Word loop(const Case& what, Word count, Translate translate) {
  Random random;
  Word sum = 0;
  Word dependence = 0;  // always 0
  for (Word i = 0; i < count; ++i) {
    const Word page = what.one_page ? 5 : what.random ? random.next() % what.pages : i % what.pages;
    const Word result = translate(kIova + page * 4096 + i % 64 * 64 + dependence);
    sum += result;
    dependence = result >> 63 << 12;
  }
  return sum;
}

[[gnu::noinline]] Word measured_bare(const Case& what, Word count, const Bare& bare) {
  return loop(what, count, [&](Word iova) { return bare.walk(iova, 1); });
}
[[gnu::noinline]] Word measured_unit(const Case& what, Word count, Unit& unit) {
  return loop(what, count, [&](Word iova) { return unit.translate(iova); });
}

void measure(const Case& what, Word wanted) {
  constexpr int kRounds = 5;
  // In order each page comes once, or it would be cached the next time.
  const Word count = what.one_page || what.random ? wanted : std::min(wanted, what.pages);
  const Bare bare(what.pages);
  Unit exact(what.pages, iommu_vtd::Caches::kExact);
  Unit bounded(what.pages, iommu_vtd::Caches::kHardware);
  Timed walk;
  Timed forgetful;
  Timed evicting;
  for (int round = 0; round < kRounds; ++round) {
    time(walk, count, [&] { return measured_bare(what, count, bare); });
    if (!what.one_page) exact.forget();
    time(forgetful, count, [&] { return measured_unit(what, count, exact); });
    time(evicting, count, [&] { return measured_unit(what, count, bounded); });
  }
  if (walk.sum != forgetful.sum || walk.sum != evicting.sum) {
    fmt::print(stderr, "{}: the results differ\n", what.name);
    std::exit(1);
  }
  fmt::print(
      "{:8} bare {:7.1f} ns   exact caches {:7.1f} ns ({:.2f}x)   "
      "hardware caches {:7.1f} ns ({:.2f}x)   reads of tables {} {}\n",
      what.name, walk.ns, forgetful.ns, forgetful.ns / walk.ns, evicting.ns, evicting.ns / walk.ns,
      exact.misses, bounded.misses);
}

// One measured function alone, for callgrind; N at most 16384 for misses in order.
void measure_alone(const Case& what, Word count, const std::string& which) {
  if (which == "bare") {
    fmt::print("{:x}\n", measured_bare(what, count, Bare(what.pages)));
  } else {
    Unit unit(what.pages,
              which == "exact" ? iommu_vtd::Caches::kExact : iommu_vtd::Caches::kHardware);
    // Once for memory and tables of the program itself, then from empty caches.
    loop(what, count, [&](Word iova) { return unit.translate(iova); });
    if (!what.one_page) unit.forget();
    unit.misses = 0;
    const Word sum = measured_unit(what, count, unit);
    fmt::print("{:x}, {} reads of tables\n", sum, unit.misses);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "";
  const Word count = argc > 2 ? std::strtoull(argv[2], nullptr, 0) : 1'000'000;
  for (const Case& each : kCases) {
    if (!wanted.empty() && wanted != each.name) continue;
    argc > 3 ? measure_alone(each, count, argv[3]) : measure(each, count);
  }
  return 0;
}
