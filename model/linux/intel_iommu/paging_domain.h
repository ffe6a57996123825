// A paging domain of the driver: a page table of either stage, and the domain id it has on each
// unit where a device uses it [linux drivers/iommu/intel/iommu.c dmar_domain, cache.c].
#pragma once

#include <map>
#include <vector>

#include "model/linux/intel_iommu/unit.h"
#include "model/linux/iommu/generic_pt.h"
#include "model/linux/iommu/iommu.h"

namespace baton::linux::intel_iommu {

class PagingDomain final : public iommu::Domain {
 public:
  explicit PagingDomain(iommu::PageTable table) : table_(table) {}

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

  // The domain id on this unit, one use more. ENOSPC.
  Result<std::uint16_t> get_id(Unit& unit);
  // The same for a device that runs under an id of the previous kernel.
  void adopt_id(Unit& unit, std::uint16_t id);
  void put_id(Unit& unit);
  std::optional<std::uint16_t> id_on(const Unit& unit) const;
  // Cache tags of functions with device-TLBs [linux cache_tag_assign, CACHE_TAG_DEVTLB].
  void add_device_tlb(const Unit& unit, const DeviceTlb& device);
  void remove_device_tlb(const Unit& unit, const DeviceTlb& device);

 private:
  struct Attachment {
    std::uint16_t id = 0;
    unsigned devices = 0;
    std::vector<DeviceTlb> device_tlbs;
  };
  void flush(std::uint64_t first, std::uint64_t last);

  iommu::PageTable table_;
  std::map<PhysAddr, std::pair<Unit*, Attachment>> attachments_;  // by register base
};

// The smallest naturally aligned block of 2^n pages that holds [first, last], as n.
unsigned covering_mask(std::uint64_t first, std::uint64_t last);

}  // namespace baton::linux::intel_iommu
