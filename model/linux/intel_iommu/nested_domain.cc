#include "model/linux/intel_iommu/nested_domain.h"

#include "sim/check.h"

namespace baton::linux::intel_iommu {

// intel_pasid_setup_nested()
Result<PasidEntry> NestedDomain::pasid_entry(const Capabilities& capabilities,
                                             std::uint16_t id) const {
  constexpr std::uint32_t kFourLevels = 48;
  constexpr std::uint32_t kFiveLevels = 57;
  const bool width = table_.address_bits == kFourLevels ||
                     (table_.address_bits == kFiveLevels && capabilities.first_stage_5_levels());
  const bool supervisor = (table_.flags & kSupervisorRequests) != 0;
  const bool accessed = (table_.flags & kExtendedAccessed) != 0;
  if (!width || (supervisor && !capabilities.supervisor_requests()) ||
      (accessed && !capabilities.extended_accessed())) {
    return fail(Errno::kInval);
  }
  PasidEntry::UserStage user;
  user.table = table_.top_table;
  user.five_levels = table_.address_bits == kFiveLevels;
  user.supervisor_requests = supervisor;
  user.write_protect = (table_.flags & kWriteProtect) != 0;
  user.extended_accessed = accessed;
  return PasidEntry::nested(capabilities, id, parent_.top_table(), parent_.top_level(), user);
}

void NestedDomain::assign_tags(Unit& unit, std::uint32_t pasid,
                               const std::optional<DeviceTlb>& device_tlb) {
  DmarDomain::assign_tags(unit, pasid, device_tlb);
  const std::uint16_t id = id_on(unit).value();
  parent_.nesting_tags().assign({&unit, id, pasid, std::nullopt, true});
  if (device_tlb) {
    parent_.nesting_tags().assign({&unit, id, pasid, device_tlb, true});
  }
}

void NestedDomain::unassign_tags(Unit& unit, std::uint32_t pasid,
                                 const std::optional<DeviceTlb>& device_tlb) {
  DmarDomain::unassign_tags(unit, pasid, device_tlb);
  const std::uint16_t id = id_on(unit).value();
  parent_.nesting_tags().unassign({&unit, id, pasid, std::nullopt, true});
  if (device_tlb) {
    parent_.nesting_tags().unassign({&unit, id, pasid, device_tlb, true});
  }
}

Result<> NestedDomain::invalidate_user(Iova first, std::uint64_t pages) {
  const bool all = pages == UINT64_MAX;
  if (first.value() % sim::kPageSize != 0 || (all && first != Iova(0))) {
    return fail(Errno::kInval);
  }
  const std::uint64_t last = all ? UINT64_MAX : first.value() + pages * sim::kPageSize - 1;
  tags().flush(first.value(), last, true);
  return {};
}

void NestedDomain::release() { BATON_CHECK(unused(), "a domain is freed while devices use it"); }

}  // namespace baton::linux::intel_iommu
