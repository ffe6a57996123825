// PASIDs: which functions have them, and domains for requests that carry one [linux
// drivers/iommu/intel/iommu.c intel_iommu_probe_finalize, intel_iommu_set_dev_pasid,
// blocking_domain_set_dev_pasid, nested.c].
#include <algorithm>

#include "model/linux/intel_iommu/state.h"

namespace baton::linux::intel_iommu {

// Without the PCI core nobody could switch them on.
std::uint32_t IntelIommu::State::find_pasids(pci::PciDev& dev, const Unit& unit) const {
  if (pci == nullptr || dev.is_virtual() || unit.capabilities().pasids() == 0) {
    return 0;
  }
  return std::min(pci->max_pasids(dev), unit.capabilities().pasids());
}

// PASID before ATS: with ATS on, the function refuses a change.
void IntelIommu::State::finish_probe(DeviceInfo& info) {
  if (info.max_pasids > 0) {
    pci->enable_pasid(*info.dev);
  }
  enable_ats(info);
}

Result<> IntelIommu::attach_pasid(pci::PciDev& dev, std::uint32_t pasid, iommu::Domain& domain) {
  State& state = *state_;
  auto& target = static_cast<DmarDomain&>(domain);
  Unit* unit = state.unit_of(dev);
  if (unit == nullptr || !unit->scalable()) {
    return fail(Errno::kOpNotSupp);
  }
  if (state.is_copied(dev, *unit)) {
    return fail(Errno::kBusy);
  }
  if (!State::can_walk(*unit, target.host_table())) {
    return fail(Errno::kInval);
  }
  const Result<std::uint16_t> id = target.get_id(*unit);
  if (!id) {
    return fail(id.error());
  }
  const Result<PasidEntry> entry = target.pasid_entry(unit->capabilities(), *id);
  Result<> written = entry ? Result<>() : fail(entry.error());
  DeviceInfo& info = state.devices.at(dev.address);
  if (written) {
    detach_pasid(dev, pasid);  // what was there
    written = info.pasids->install(*unit, dev.address.bdf, pasid, *entry);
  }
  if (!written) {
    target.put_id(*unit);
    return written;
  }
  info.pasid_domains[pasid] = &target;
  target.assign_tags(*unit, pasid, info.device_tlb);
  return {};
}

void IntelIommu::detach_pasid(pci::PciDev& dev, std::uint32_t pasid) {
  State& state = *state_;
  DeviceInfo& info = state.devices.at(dev.address);
  const auto attached = info.pasid_domains.find(pasid);
  if (attached == info.pasid_domains.end()) {
    return;
  }
  Unit& unit = *state.unit_of(dev);
  info.pasids->tear_down(unit, pasid, State::device_tlb_of(info));
  attached->second->unassign_tags(unit, pasid, info.device_tlb);
  attached->second->put_id(unit);
  info.pasid_domains.erase(attached);
}

iommu::HardwareInfo IntelIommu::hardware_info(pci::PciDev& dev) const {
  const Unit* unit = state_->unit_of(dev);
  iommu::HardwareInfo result;
  if (unit == nullptr) {
    return result;
  }
  result.cap = unit->capabilities().cap;
  result.ecap = unit->capabilities().ecap;
  if (const auto found = state_->devices.find(dev.address); found != state_->devices.end()) {
    result.max_pasids = dev.pasid_enabled ? found->second.max_pasids : 0;
    result.pasid_features = dev.pasid_control & 0x06;
  }
  return result;
}

}  // namespace baton::linux::intel_iommu
