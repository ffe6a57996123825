// Regions of a request's way: translation by a remapping unit, with the unit's caches unbounded and
// as bounded as hardware's, and the search for who claims an address, alone and as part of a CPU's
// read of a BAR or a device's write to RAM.
#include <fmt/format.h>

#include <memory>

#include "bench/bar_machine.h"
#include "bench/measured.h"
#include "bench/vtd_unit.h"
#include "model/pci/address_map.h"

namespace baton::bench {
namespace {

// kCases[0] is one page that is cached, kCases[1] pages in order, each for the first time.
Work prepare_translation(bool hit, iommu_vtd::Caches caches) {
  const Case& what = kCases[hit ? 0 : 1];
  const auto unit = std::make_shared<Unit>(what.pages, caches);
  return [unit, &what, hit](std::uint64_t count) {
    if (!hit) unit->forget();
    use(loop(what, count, [&](Word iova) { return unit->translate(iova); }));
    return count;
  };
}

// Windows of 1 MiB beside each other, one claimant each.
Work prepare_search(std::uint32_t windows) {
  const auto map = std::make_shared<pci::AddressMap>();
  for (std::uint32_t i = 0; i < windows; ++i) {
    map->add(kBars + i * kBarBytes, kBars + (i + 1) * kBarBytes - 1, i);
  }
  return [map, windows](std::uint64_t count) {
    Random random;
    Word sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      const Word window = (random.next() + sum) & (windows - 1);
      sum = *map->find(kBars + window * kBarBytes + i % 64 * 64);
    }
    use(sum);
    return count;
  };
}

Work prepare_reads(unsigned windows, bool one) {
  const auto machine = std::make_shared<Machine>(windows);
  return [machine, windows, one](std::uint64_t count) {
    use(read_bars(*machine, windows, one, count));
    return count;
  };
}

Work prepare_dma() {
  const auto machine = std::make_shared<Machine>(16);
  return [machine](std::uint64_t count) {
    const std::array<std::byte, 64> data{};
    Word sum = 0;
    for (Word i = 0; i < count; ++i) {
      sum += machine->dma(5, i % 4096 * 64 + (sum >> 63), data);
    }
    use(sum);
    return count;
  };
}

}  // namespace

std::vector<Region> translation_regions() {
  using iommu_vtd::Caches;
  constexpr std::uint64_t kCount = 16'384;  // no page twice
  return {
      {"translation-hit", kCount, [] { return prepare_translation(true, Caches::kExact); }},
      {"translation-miss", kCount, [] { return prepare_translation(false, Caches::kExact); }},
      {"translation-hit-hardware", kCount,
       [] { return prepare_translation(true, Caches::kHardware); }},
      {"translation-miss-hardware", kCount,
       [] { return prepare_translation(false, Caches::kHardware); }},
  };
}

std::vector<Region> routing_regions() {
  constexpr std::uint64_t kCount = 20'000;
  return {
      {"search-among-16", kCount, [] { return prepare_search(16); }},
      {"search-among-1024", kCount, [] { return prepare_search(1024); }},
      {"read-of-the-same-BAR", kCount, [] { return prepare_reads(16, true); }},
      {"read-of-any-of-16-BARs", kCount, [] { return prepare_reads(16, false); }},
      {"read-of-any-of-1024-BARs", kCount, [] { return prepare_reads(1024, false); }},
      {"write-of-64-bytes-to-RAM", kCount, prepare_dma},
  };
}

}  // namespace baton::bench
