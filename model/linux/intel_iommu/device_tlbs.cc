// Which functions use device-TLBs, and waiting for what they were told to forget [linux
// drivers/iommu/intel/iommu.c dmar_ats_supported, iommu_enable_pci_ats, iommu_disable_pci_ats].
#include <algorithm>

#include "model/linux/intel_iommu/state.h"

namespace baton::linux::intel_iommu {

// A function on a root bus is one that firmware lets use them; below a root port an ATSR of the
// DMAR table would have to say so, and the model's firmware writes none. Behind other than PCI
// Express nothing carries the messages.
std::optional<DeviceTlb> IntelIommu::State::find_device_tlb(pci::PciDev& dev,
                                                            const Unit& unit) const {
  const bool wanted = pci != nullptr && services.config().policies.ats == AtsPolicy::kOn;
  if (!wanted || !unit.capabilities().device_tlb() || dev.pcie_cap == 0 || dev.bus == nullptr ||
      dev.bus->bridge != nullptr || dev.is_virtual()) {
    return std::nullopt;
  }
  const unsigned depth = pci->ats_queue_depth(dev);
  return depth == 0 ? std::nullopt
                    : std::optional(DeviceTlb{.source = dev.address.bdf.value(), .depth = depth});
}

// Before the function's entries are used, so that nothing that it caches is older.
void IntelIommu::State::enable_ats(DeviceInfo& info) {
  if (!info.device_tlb) {
    return;
  }
  info.uses_device_tlb = true;
  // Blocked and attached in one go: it never was off.
  if (std::erase(ats_to_disable, info.dev) == 0) {
    pci->enable_ats(*info.dev);
  }
}

// A function without ATS answers no invalidation: what was asked of it comes first.
void IntelIommu::State::disable_ats(DeviceInfo& info) {
  if (info.uses_device_tlb) {
    info.uses_device_tlb = false;
    ats_to_disable.push_back(info.dev);
  }
}

Co<> IntelIommu::settle() {
  State& state = *state_;
  for (const auto& unit : state.units) {
    if (!unit->settled()) {
      co_await unit->settle();
    }
  }
  for (pci::PciDev* dev : std::exchange(state.ats_to_disable, {})) {
    state.pci->disable_ats(*dev);
  }
}

}  // namespace baton::linux::intel_iommu
