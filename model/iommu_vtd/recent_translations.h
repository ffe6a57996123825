// Answers given a moment ago, to be given again without another look while nothing that they came
// from has changed. A speed-up alone: what it says is what the caches would say, so it serves only
// units whose caches lose nothing by themselves and do not remember who used them last.
#pragma once

#include <array>
#include <cstdint>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/remapping_unit.h"

namespace baton::iommu_vtd {

class RecentTranslations {
 public:
  // Null: ask the caches.
  const Translation* find(const Core& core, const pci::MemoryRequest& request) const {
    const Entry& entry = entries_[slot(request)];
    const bool same = entry.changes == core.changes && entry.page == request.address >> 12 &&
                      entry.who == who(request) && fits(request);
    return same ? &entry.answer : nullptr;
  }

  void remember(const Core& core, const pci::MemoryRequest& request, const Translation& answer) {
    if (core.profile.caches == Caches::kExact && answer.allowed && answer.misses == 0 &&
        request.type == pci::AddressType::kUntranslated && fits(request)) {
      entries_[slot(request)] = {core.changes, request.address >> 12, who(request), answer};
      entries_[slot(request)].answer.address = PhysAddr(answer.address.page_base());
    }
  }

 private:
  struct Entry {
    std::uint64_t changes = 0;  // Core::changes starts above it
    std::uint64_t page = 0;
    std::uint64_t who = 0;
    Translation answer;
  };
  static constexpr std::size_t kEntries = 256;

  // Everything that the answer depends on beside the page. Untranslated requests alone are
  // remembered.
  static std::uint64_t who(const pci::MemoryRequest& request) {
    const std::uint64_t pasid = request.pasid ? std::uint64_t{request.pasid->value()} << 1 | 1 : 0;
    return pasid << 32 | std::uint64_t{request.requester.value()} << 8 |
           static_cast<std::uint64_t>(request.type) << 1 | (request.write ? 1 : 0);
  }
  static std::size_t slot(const pci::MemoryRequest& request) {
    return (request.address >> 12 ^ request.requester.value()) % kEntries;
  }
  // Within one page, and not empty.
  static bool fits(const pci::MemoryRequest& request) {
    return request.length - 1U <= 0xFFFU - static_cast<std::uint32_t>(request.address & 0xFFF);
  }

  std::array<Entry, kEntries> entries_{};
};

}  // namespace baton::iommu_vtd
