// A paging domain of the driver: a page table of either stage [linux drivers/iommu/intel/iommu.c
// dmar_domain].
#pragma once

#include "model/linux/intel_iommu/dmar_domain.h"
#include "model/linux/iommu/generic_pt.h"

namespace baton::linux::intel_iommu {

class PagingDomain final : public DmarDomain {
 public:
  explicit PagingDomain(iommu::PageTable table, bool nest_parent = false)
      : table_(table), nest_parent_(nest_parent) {}

  void release() override;
  Result<> map(Iova iova, PhysAddr physical, std::uint64_t length, iommu::Prot prot) override;
  Result<> unmap(Iova iova, std::uint64_t length) override;
  std::optional<PhysAddr> lookup(Iova iova) const override { return table_.lookup(iova); }
  Iova last() const override { return table_.last(); }
  void for_each_table(const std::function<void(PhysAddr, unsigned level)>& visit) const override {
    table_.for_each_table(visit);
  }
  PhysAddr top_table() const override { return table_.top_table(); }
  unsigned top_level() const override { return table_.top_level(); }
  unsigned address_bits() const override { return table_.format().address_bits; }
  bool sign_extend() const override { return first_stage(); }
  bool first_stage() const { return table_.format().first_stage; }

  const PagingDomain& host_table() const override { return *this; }
  Result<PasidEntry> pasid_entry(const Capabilities& capabilities, std::uint16_t id) const override;

  // Tables of user space may lie over it.
  bool nest_parent() const { return nest_parent_; }
  // Tags of such a table, which this domain's own changes concern too.
  CacheTags& nesting_tags() { return tags(); }

 private:
  iommu::PageTable table_;
  bool nest_parent_;
};

}  // namespace baton::linux::intel_iommu
