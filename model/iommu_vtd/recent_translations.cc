#include "model/iommu_vtd/recent_translations.h"

namespace baton::iommu_vtd {

void RecentTranslations::remember(const Core& core, const pci::MemoryRequest& request,
                                  const Translation& answer) {
  if (core.profile.caches == Caches::kExact && answer.allowed && answer.misses == 0 &&
      request.type == pci::AddressType::kUntranslated && is_plain(request) && fits(request)) {
    Entry& entry = entries_[slot(request)];
    const std::uint64_t page = request.address >> 12;
    if (entry.candidate != page) {
      entry.candidate = page;
      return;
    }
    entry = {.changes = core.changes,
             .page = page,
             .candidate = page,
             .pasid = request.pasid.value_or(Pasid()),
             .requester = request.requester,
             .has_pasid = request.pasid.has_value(),
             .write = request.write,
             .answer = answer};
    entry.answer.address = PhysAddr(answer.address.page_base());
  }
}

}  // namespace baton::iommu_vtd
