// A first-stage table that its owner keeps in its own memory, over a second stage of the host: what
// a VMM makes for a guest that has a virtual VT-d [linux drivers/iommu/intel/nested.c].
//
// The kernel never looks at the table. Its owner says what it has changed (IOMMU_HWPT_INVALIDATE).
// Not modelled: faults reported to the owner (IOMMU_FAULT_QUEUE_ALLOC), vIOMMU objects.
#pragma once

#include "model/linux/intel_iommu/paging_domain.h"

namespace baton::linux::intel_iommu {

class NestedDomain final : public DmarDomain {
 public:
  // IOMMU_VTD_S1_*
  static constexpr std::uint64_t kSupervisorRequests = 1;
  static constexpr std::uint64_t kExtendedAccessed = 2;
  static constexpr std::uint64_t kWriteProtect = 4;

  NestedDomain(PagingDomain& parent, const iommu::UserTable& table)
      : parent_(parent), table_(table) {}

  const PagingDomain& host_table() const override { return parent_; }
  Result<PasidEntry> pasid_entry(const Capabilities& capabilities, std::uint16_t id) const override;
  void assign_tags(Unit& unit, std::uint32_t pasid,
                   const std::optional<DeviceTlb>& device_tlb) override;
  void unassign_tags(Unit& unit, std::uint32_t pasid,
                     const std::optional<DeviceTlb>& device_tlb) override;
  // intel_nested_cache_invalidate_user(): pages from an address; all with UINT64_MAX pages.
  Result<> invalidate_user(Iova first, std::uint64_t pages) override;

  void release() override;
  // It has no table that the kernel could change.
  Result<> map(Iova, PhysAddr, std::uint64_t, iommu::Prot) override { return fail(Errno::kInval); }
  Result<> unmap(Iova, std::uint64_t) override { return fail(Errno::kInval); }
  std::optional<PhysAddr> lookup(Iova) const override { return std::nullopt; }
  Iova last() const override { return parent_.last(); }
  void for_each_table(const std::function<void(PhysAddr, unsigned level)>&) const override {}
  PhysAddr top_table() const override { return parent_.top_table(); }
  unsigned top_level() const override { return parent_.top_level(); }
  unsigned address_bits() const override { return parent_.address_bits(); }

 private:
  PagingDomain& parent_;
  const iommu::UserTable table_;
};

}  // namespace baton::linux::intel_iommu
