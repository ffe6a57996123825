// A remapping unit with the tables of bench/bare_walk.h in its memory, and the orders in which
// translations are asked of it.
#pragma once

#include <array>
#include <cstdint>

#include "bench/bare_walk.h"
#include "model/iommu_vtd/profiles.h"
#include "model/iommu_vtd/remapping_unit.h"

namespace baton::bench {

inline constexpr Word kRoot = 0x1000, kContexts = 0x2000;

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
inline constexpr std::array kCases{
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

}  // namespace baton::bench
