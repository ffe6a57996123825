// Regions of a DSA's work from the portal to the completion record, behind a remapping unit whose
// caches hold what it translates: pages that are copied, with nobody and with somebody who hashes
// what was moved, and descriptors that are almost all there is.
#include <memory>

#include "bench/dsa_machine.h"
#include "bench/measured.h"
#include "sim/xxh3.h"

namespace baton::bench {
namespace {

constexpr std::uint32_t kLong = 256 << 10;

Work prepare_pages(bool checked) {
  const auto machine = std::make_shared<DsaMachine>();
  if (checked) {
    machine->simulation().topic<pci::RequestDone>().subscribe(
        [](const pci::RequestDone& seen) { use(XXH3_64bits(seen.data.data(), seen.data.size())); });
  }
  return [machine](std::uint64_t pages) {
    return machine->copy(pages * 4096 / kLong, kLong) * (kLong / 4096);
  };
}

Work prepare_descriptors(std::uint32_t bytes) {
  const auto machine = std::make_shared<DsaMachine>();
  return [machine, bytes](std::uint64_t count) { return machine->copy(count, bytes); };
}

}  // namespace

std::vector<Region> device_regions() {
  return {
      {"dma-page", 1 << 14, [] { return prepare_pages(false); }},
      {"dma-page-hashed", 1 << 14, [] { return prepare_pages(true); }},
      {"descriptor-of-64-bytes", 10'000, [] { return prepare_descriptors(64); }},
      {"descriptor-of-4-KiB", 10'000, [] { return prepare_descriptors(4096); }},
  };
}

}  // namespace baton::bench
