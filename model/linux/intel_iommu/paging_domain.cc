#include "model/linux/intel_iommu/paging_domain.h"

#include "sim/check.h"

namespace baton::linux::intel_iommu {

void PagingDomain::release() {
  BATON_CHECK(unused(), "a domain is freed while devices use it");
  table_.release();
}

Result<> PagingDomain::map(Iova iova, PhysAddr physical, std::uint64_t length, iommu::Prot prot) {
  auto mapped = table_.map(iova, physical, length, prot);
  if (mapped && !first_stage()) {
    tags().flush_after_map();
  }
  return mapped;
}

Result<> PagingDomain::unmap(Iova iova, std::uint64_t length) {
  std::vector<PhysAddr> freed;
  auto unmapped = table_.unmap(iova, length, freed);
  if (unmapped && length != 0) {
    tags().flush(iova.value(), iova.value() + length - 1, first_stage());
  }
  table_.free_tables(freed);
  return unmapped;
}

Result<PasidEntry> PagingDomain::pasid_entry(const Capabilities& capabilities,
                                             std::uint16_t id) const {
  return first_stage() ? PasidEntry::first_stage(capabilities, id, top_table(), top_level())
                       : PasidEntry::second_stage(capabilities, id, top_table(), top_level());
}

}  // namespace baton::linux::intel_iommu
