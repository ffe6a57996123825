#include "model/pci/device_tlb.h"

#include <bit>

namespace baton::pci {

namespace {

constexpr unsigned kSizeBits = 6;
constexpr std::uint64_t kWithPasid = 1 << 20;

std::uint64_t tag_of(std::optional<Pasid> pasid) { return pasid ? kWithPasid | pasid->value() : 0; }

}  // namespace

// Pages are 4 KiB or more: the 12 low bits of an address have room for the size.
sim::CacheKey DeviceTlb::key(std::optional<Pasid> pasid, std::uint64_t address,
                             unsigned log2_bytes) {
  return {tag_of(pasid), address >> log2_bytes << log2_bytes | log2_bytes};
}

const AtsTranslation* DeviceTlb::find(std::optional<Pasid> pasid, std::uint64_t address) {
  for (std::uint64_t rest = sizes_; rest != 0; rest &= rest - 1) {
    const auto log2_bytes = static_cast<unsigned>(std::countr_zero(rest));
    if (const AtsTranslation* found = cache_.find(key(pasid, address, log2_bytes))) {
      return found;
    }
  }
  return nullptr;
}

void DeviceTlb::insert(std::optional<Pasid> pasid, std::uint64_t address,
                       const AtsTranslation& translation) {
  const auto log2_bytes = static_cast<unsigned>(std::countr_zero(translation.bytes));
  sizes_ |= std::uint64_t{1} << log2_bytes;
  cache_.insert(key(pasid, address, log2_bytes), translation);
}

void DeviceTlb::invalidate(const AtsInvalidation& invalidation) {
  cache_.erase_if([&](const sim::CacheKey& key, const AtsTranslation& translation) {
    const std::uint64_t first = key.place >> kSizeBits << kSizeBits;
    const bool in_range =
        first <= invalidation.last && first + (translation.bytes - 1) >= invalidation.first;
    return in_range && (invalidation.all_pasids || key.tag == tag_of(invalidation.pasid));
  });
}

}  // namespace baton::pci
