// Which functions are in one group [linux drivers/iommu/iommu.c pci_device_group; drivers/pci/pci.c
// pci_acs_enabled; PCIe 6.12]: functions of one card without ACS.
//
// Not modelled: ports without ACS, which make one group of all that is below them in Linux (here as
// with the pcie_acs_override=downstream patch of distributions: each card below is alone), DMA
// aliases other than a VMD's, ACS equivalents of single devices, pci=config_acs and
// pci=disable_acs_redir.
#include <algorithm>

#include "model/linux/iommu/core_state.h"
#include "model/linux/pci/registers.h"

namespace baton::linux::iommu {

namespace {

constexpr const char* kAcs = "pci_acs_flags_enabled";
// REQ_ACS_FLAGS: source validation, request and completion redirect, upstream forwarding.
constexpr std::uint32_t kIsolation = 0x1D;

}  // namespace

// What a function cannot do needs no switching off; a port without the capability can do it all.
bool IommuCore::State::acs_enabled(const pci::PciDev& dev) const {
  if (dev.pcie_cap == 0) {
    return false;  // conventional PCI
  }
  const bool port =
      dev.pcie_type == pci::regs::kRootPort || dev.pcie_type == pci::regs::kDownstream;
  if (dev.is_bridge() && !port && dev.pcie_type != pci::regs::kUpstream) {
    return false;  // to and from conventional PCI
  }
  if (dev.pcie_type == pci::regs::kEventCollector) {
    return false;
  }
  if (!port && (!dev.multi_function || dev.is_virtual())) {
    return true;  // nobody to talk to
  }
  if (dev.acs_cap == 0) {
    return false;
  }
  const std::uint32_t can = pci->read(dev, static_cast<std::uint16_t>(dev.acs_cap + 4), 2, kAcs);
  const std::uint32_t does = pci->read(dev, static_cast<std::uint16_t>(dev.acs_cap + 6), 2, kAcs);
  const std::uint32_t wanted = kIsolation & can;
  return (does & wanted) == wanted;
}

// get_pci_function_alias_group(): the group of a neighbour on the same card that the function
// cannot be kept apart from, null for none.
Group* IommuCore::State::isolated_with(const pci::PciDev& dev) const {
  if (!dev.multi_function || dev.is_virtual() || acs_enabled(dev)) {
    return nullptr;
  }
  for (const auto& other : dev.bus->devices) {
    const bool neighbour =
        other->address.bdf.device() == dev.address.bdf.device() && other.get() != &dev;
    const auto found = group_by_device.find(other->address);
    if (neighbour && found != group_by_device.end() && !acs_enabled(*other)) {
      return found->second;
    }
  }
  return nullptr;
}

Group& IommuCore::State::group_for(pci::PciDev& dev) {
  Group* group = pci == nullptr || dev.bus == nullptr ? nullptr : isolated_with(dev);
  if (group == nullptr) {
    groups.push_back(std::make_unique<Group>());
    group = groups.back().get();
    group->number = static_cast<unsigned>(groups.size() - 1);
  }
  group->devices.push_back(&dev);
  group_by_device[dev.address] = group;
  return *group;
}

void IommuCore::State::leave_group(pci::PciDev& dev) {
  const auto found = group_by_device.find(dev.address);
  if (found == group_by_device.end()) {
    return;
  }
  std::erase(found->second->devices, &dev);
  found->second->attachers.erase(dev.address);
  group_by_device.erase(found);
}

std::optional<unsigned> IommuCore::group_number(const pci::PciDev& dev) const {
  const Group* group = state_->group_of(dev);
  return group == nullptr ? std::nullopt : std::optional(group->number);
}

std::vector<pci::PciDev*> IommuCore::group_devices(unsigned number) const {
  return number < state_->groups.size() ? state_->groups[number]->devices
                                        : std::vector<pci::PciDev*>();
}

}  // namespace baton::linux::iommu
