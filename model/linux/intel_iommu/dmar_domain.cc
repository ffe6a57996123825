#include "model/linux/intel_iommu/dmar_domain.h"

#include "sim/check.h"

namespace baton::linux::intel_iommu {

// domain_attach_iommu()
Result<std::uint16_t> DmarDomain::get_id(Unit& unit) {
  const auto found = ids_.find(unit.registers());
  if (found != ids_.end()) {
    ++found->second.users;
    return found->second.id;
  }
  const Result<std::uint16_t> id = unit.allocate_domain_id();
  if (id) {
    adopt_id(unit, *id);
  }
  return id;
}

void DmarDomain::adopt_id(Unit& unit, std::uint16_t id) {
  UnitId& known = ids_[unit.registers()];
  known.id = id;
  ++known.users;
}

// domain_detach_iommu()
void DmarDomain::put_id(Unit& unit) {
  const auto found = ids_.find(unit.registers());
  BATON_CHECK(found != ids_.end(), "a domain leaves a unit it is not on");
  if (--found->second.users == 0) {
    unit.free_domain_id(found->second.id);
    ids_.erase(found);
  }
}

std::optional<std::uint16_t> DmarDomain::id_on(const Unit& unit) const {
  const auto found = ids_.find(unit.registers());
  return found == ids_.end() ? std::nullopt : std::optional(found->second.id);
}

void DmarDomain::assign_tags(Unit& unit, std::uint32_t pasid,
                             const std::optional<DeviceTlb>& device_tlb) {
  const std::uint16_t id = id_on(unit).value();
  tags_.assign({&unit, id, pasid, std::nullopt, false});
  if (device_tlb) {
    tags_.assign({&unit, id, pasid, device_tlb, false});
  }
}

void DmarDomain::unassign_tags(Unit& unit, std::uint32_t pasid,
                               const std::optional<DeviceTlb>& device_tlb) {
  const std::uint16_t id = id_on(unit).value();
  tags_.unassign({&unit, id, pasid, std::nullopt, false});
  if (device_tlb) {
    tags_.unassign({&unit, id, pasid, device_tlb, false});
  }
}

}  // namespace baton::linux::intel_iommu
