// What a device of this driver can be attached to: a domain with an id on each unit where it is
// used, and what stands for it in a PASID entry [linux drivers/iommu/intel/iommu.h struct
// dmar_domain].
#pragma once

#include <map>

#include "model/linux/intel_iommu/cache_tags.h"
#include "model/linux/intel_iommu/pasid.h"
#include "model/linux/iommu/iommu.h"

namespace baton::linux::intel_iommu {

class PagingDomain;

class DmarDomain : public iommu::Domain {
 public:
  // The table of the host that a unit walks for it: its own, or the second stage below.
  virtual const PagingDomain& host_table() const = 0;
  // The entry of scalable mode. EINVAL: the unit cannot do what its owner asks for.
  virtual Result<PasidEntry> pasid_entry(const Capabilities& capabilities,
                                         std::uint16_t id) const = 0;
  // cache_tag_assign_domain(), cache_tag_unassign_domain(): while a device uses it. Needs an id.
  virtual void assign_tags(Unit& unit, std::uint32_t pasid,
                           const std::optional<DeviceTlb>& device_tlb);
  virtual void unassign_tags(Unit& unit, std::uint32_t pasid,
                             const std::optional<DeviceTlb>& device_tlb);

  // The domain id on this unit, one use more. ENOSPC.
  Result<std::uint16_t> get_id(Unit& unit);
  // The same for a device that runs under an id of the previous kernel.
  void adopt_id(Unit& unit, std::uint16_t id);
  void put_id(Unit& unit);
  std::optional<std::uint16_t> id_on(const Unit& unit) const;

 protected:
  bool unused() const { return ids_.empty(); }
  CacheTags& tags() { return tags_; }

 private:
  struct UnitId {
    std::uint16_t id = 0;
    unsigned users = 0;
  };
  std::map<PhysAddr, UnitId> ids_;  // by register base
  CacheTags tags_;
};

}  // namespace baton::linux::intel_iommu
