#include "model/linux/intel_iommu/paging_domain.h"

#include <bit>

#include "model/linux/intel_iommu/pasid.h"
#include "sim/check.h"

namespace baton::linux::intel_iommu {

unsigned covering_mask(std::uint64_t first, std::uint64_t last) {
  const std::uint64_t different = (first ^ last) >> 12;
  return static_cast<unsigned>(std::bit_width(different));
}

void PagingDomain::release() {
  BATON_CHECK(attachments_.empty(), "a domain is freed while devices use it");
  table_.release();
}

Result<> PagingDomain::map(Iova iova, PhysAddr physical, std::uint64_t length, iommu::Prot prot) {
  auto mapped = table_.map(iova, physical, length, prot);
  // Hardware that caches what is not present has to be told [VT-d 6.1, caching mode].
  if (mapped && !first_stage()) {
    for (auto& [base, attachment] : attachments_) {
      Unit& unit = *attachment.first;
      if (unit.capabilities().caching_mode()) {
        unit.submit(iotlb_of_domain(attachment.second.id));
      }
    }
  }
  return mapped;
}

Result<> PagingDomain::unmap(Iova iova, std::uint64_t length) {
  std::vector<PhysAddr> freed;
  auto unmapped = table_.unmap(iova, length, freed);
  if (unmapped && length != 0) {
    flush(iova.value(), iova.value() + length - 1);
  }
  table_.free_tables(freed);
  return unmapped;
}

// cache_tag_flush_range(): pages if the unit can, else the whole domain; then device-TLBs, which
// may ask the unit again for what they miss.
void PagingDomain::flush(std::uint64_t first, std::uint64_t last) {
  const unsigned mask = covering_mask(first, last);
  for (auto& [base, attachment] : attachments_) {
    Unit& unit = *attachment.first;
    const std::uint16_t id = attachment.second.id;
    const bool pages =
        unit.capabilities().page_selective() && mask <= unit.capabilities().max_address_mask();
    const std::uint64_t block = first & ~((sim::kPageSize << mask) - 1);
    std::vector<Descriptor> batch;
    if (first_stage()) {
      batch.push_back(pages ? pasid_iotlb_pages(id, kNoPasid, block, mask)
                            : pasid_iotlb_of(id, kNoPasid));
    } else {
      batch.push_back(pages ? iotlb_pages(id, block, mask) : iotlb_of_domain(id));
    }
    if (unit.uses_device_tlbs()) {
      for (const DeviceTlb& device : attachment.second.device_tlbs) {
        batch.push_back(device_tlb_pages(device.source, device.depth, block, mask));
      }
    }
    unit.submit(batch);
  }
}

// domain_attach_iommu()
Result<std::uint16_t> PagingDomain::get_id(Unit& unit) {
  const auto found = attachments_.find(unit.registers());
  if (found != attachments_.end()) {
    ++found->second.second.devices;
    return found->second.second.id;
  }
  const Result<std::uint16_t> id = unit.allocate_domain_id();
  if (id) {
    adopt_id(unit, *id);
  }
  return id;
}

void PagingDomain::adopt_id(Unit& unit, std::uint16_t id) {
  auto& [owner, attachment] = attachments_[unit.registers()];
  owner = &unit;
  attachment.id = id;
  ++attachment.devices;
}

// domain_detach_iommu()
void PagingDomain::put_id(Unit& unit) {
  const auto found = attachments_.find(unit.registers());
  BATON_CHECK(found != attachments_.end(), "a domain leaves a unit it is not on");
  if (--found->second.second.devices == 0) {
    unit.free_domain_id(found->second.second.id);
    attachments_.erase(found);
  }
}

std::optional<std::uint16_t> PagingDomain::id_on(const Unit& unit) const {
  const auto found = attachments_.find(unit.registers());
  return found == attachments_.end() ? std::nullopt : std::optional(found->second.second.id);
}

void PagingDomain::add_device_tlb(const Unit& unit, const DeviceTlb& device) {
  attachments_.at(unit.registers()).second.device_tlbs.push_back(device);
}

void PagingDomain::remove_device_tlb(const Unit& unit, const DeviceTlb& device) {
  std::erase(attachments_.at(unit.registers()).second.device_tlbs, device);
}

}  // namespace baton::linux::intel_iommu
