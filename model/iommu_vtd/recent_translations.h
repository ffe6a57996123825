// Answers given a moment ago, to be given again without another look while nothing that they came
// from has changed. A speed-up alone: what it says is what the caches would say, so it serves only
// units whose caches lose nothing by themselves and do not remember who used them last. A page is
// remembered when it comes a second time: traffic that does not come back costs next to nothing.
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
                      entry.requester == request.requester && entry.write == request.write &&
                      request.type == pci::AddressType::kUntranslated &&
                      entry.has_pasid == request.pasid.has_value() &&
                      (!entry.has_pasid || (entry.pasid == *request.pasid && is_plain(request))) &&
                      fits(request);
    return same ? &entry.answer : nullptr;
  }

  void remember(const Core& core, const pci::MemoryRequest& request, const Translation& answer);

 private:
  struct alignas(128) Entry {
    std::uint64_t changes = 0;  // Core::changes starts above it
    std::uint64_t page = 0;
    std::uint64_t candidate = 0;  // the page that was last told to be remembered here
    Pasid pasid;
    Bdf requester;
    bool has_pasid = false;
    bool write = false;
    Translation answer;
  };
  static constexpr std::size_t kEntries = 256;

  static std::size_t slot(const pci::MemoryRequest& request) {
    return (request.address >> 12 ^ request.requester.value()) % kEntries;
  }
  // A PASID and no more in its prefix.
  static bool is_plain(const pci::MemoryRequest& request) {
    return !request.privileged && !request.execute;
  }
  // Within one page, and not empty.
  static bool fits(const pci::MemoryRequest& request) {
    return request.length - 1U <= 0xFFFU - static_cast<std::uint32_t>(request.address & 0xFFF);
  }

  std::array<Entry, kEntries> entries_{};
};

}  // namespace baton::iommu_vtd
