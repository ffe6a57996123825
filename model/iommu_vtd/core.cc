#include "model/iommu_vtd/core.h"

namespace baton::iommu_vtd {

namespace {
constexpr unsigned kLevels = 3;     // page sizes: 4 KiB, 2 MiB, 1 GiB
constexpr unsigned kPageBits = 45;  // page number of a 57-bit address
}  // namespace

std::uint64_t Iotlb::key(DomainId domain, std::uint64_t iova, unsigned level) {
  const std::uint64_t page = iova >> (12 + 9 * level);
  return std::uint64_t{domain.value()} << (kPageBits + 2) | std::uint64_t{level} << kPageBits |
         page;
}

const IotlbEntry* Iotlb::find(DomainId domain, std::uint64_t iova) {
  for (unsigned level = 0; level < kLevels; ++level) {
    if (const IotlbEntry* entry = cache_.find(key(domain, iova, level))) {
      return entry;
    }
  }
  return nullptr;
}

void Iotlb::insert(DomainId domain, std::uint64_t iova, const Mapping& mapping) {
  const std::uint64_t first = iova & ~(mapping.bytes() - 1);
  cache_.insert(key(domain, iova, mapping.level), {domain, first, mapping});
}

void Iotlb::invalidate_domain(DomainId domain) {
  cache_.erase_if([&](std::uint64_t, const IotlbEntry& entry) { return entry.domain == domain; });
}

void Iotlb::invalidate_range(DomainId domain, std::uint64_t first, std::uint64_t bytes) {
  cache_.erase_if([&](std::uint64_t, const IotlbEntry& entry) {
    return entry.domain == domain && entry.first < first + bytes &&
           first < entry.first + entry.mapping.bytes();
  });
}

}  // namespace baton::iommu_vtd
