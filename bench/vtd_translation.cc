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
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "model/iommu_vtd/remapping_unit.h"

namespace {

using namespace baton;
using Word = std::uint64_t;

constexpr Word kAddress = 0x000F'FFFF'FFFF'F000;
constexpr Word kIova = Word{1} << 40;
constexpr Word kRoot = 0x1000, kContexts = 0x2000, kTop = 0x3000, kTables = 0x10'0000;
constexpr Word kTargets = Word{4} << 30;

// Tables below kTargets, then the pages: clear of the interrupt range.
constexpr Word memory_for(Word pages) { return kTargets + pages * 4096; }

Word cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<Word>(now.tv_sec) * 1'000'000'000 + static_cast<Word>(now.tv_nsec);
}

struct Random {
  Word state = 88172645463325252;
  Word next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
};

// 4-level tables that map `pages` pages of 4 KiB to pages in random order, written through `put`.
template <class Get, class Put>
void map_pages(Word pages, Get get, Put put) {
  Random random;
  std::vector<std::uint32_t> order(pages);
  for (Word i = 0; i < pages; ++i) order[i] = static_cast<std::uint32_t>(i);
  for (Word i = pages - 1; i > 0; --i) std::swap(order[i], order[random.next() % (i + 1)]);
  Word next = kTables;
  for (Word i = 0; i < pages; ++i) {
    const Word iova = kIova + i * 4096;
    Word table = kTop;
    for (unsigned level = 3; level > 0; --level) {
      const Word at = table + (iova >> (12 + 9 * level) & 511) * 8;
      if (get(at) == 0) {
        put(at, next | 3);
        next += 4096;
      }
      table = get(at) & kAddress;
    }
    put(table + (iova >> 12 & 511) * 8, (kTargets + Word{order[i]} * 4096) | 3);
  }
}

class Bare {
 public:
  explicit Bare(Word pages)
      : bytes_(memory_for(pages)),
        memory_(static_cast<char*>(::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    if (memory_ == MAP_FAILED) std::abort();
    map_pages(
        pages, [this](Word at) { return get(at); },
        [this](Word at, Word value) { std::memcpy(memory_ + at, &value, 8); });
  }
  ~Bare() { ::munmap(memory_, bytes_); }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  [[gnu::noinline]] Word walk(Word iova, Word need) const {
    Word table = kTop;
    for (unsigned level = 3;; --level) {
      const unsigned shift = 12 + 9 * level;
      const Word entry = get(table + (iova >> shift & 511) * 8);
      if ((entry & need) != need) return ~Word{0};
      if (level == 0 || (entry & 0x80) != 0) {
        return (entry & kAddress) | (iova & ((Word{1} << shift) - 1));
      }
      table = entry & kAddress;
    }
  }

 private:
  Word get(Word at) const {
    Word value = 0;
    std::memcpy(&value, memory_ + at, 8);
    return value;
  }
  Word bytes_;
  char* memory_;
};

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
    iommu_vtd::Profile profile;
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

struct Timed {
  double ns = 1e9;
  Word sum = 0;
};

template <class Run>
void time(Timed& best, Word count, Run run) {
  const Word start = cpu_ns();
  best.sum = run();
  best.ns = std::min(best.ns, static_cast<double>(cpu_ns() - start) / static_cast<double>(count));
}

void measure(const Case& what, Word count) {
  constexpr int kRounds = 5;
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

// One measured function alone, for callgrind.
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
