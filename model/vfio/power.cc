// Power states that the owner of a device chooses [linux drivers/vfio/pci/vfio_pci_core.c
// vfio_pci_set_power_state]. D1 and D2 count as D0.
//
// A function whose No_Soft_Reset bit is clear forgets its registers on the way from D3hot to D0:
// what it had is kept from the way down, and across a live update in FLB baton-vfio-v1.
#include "model/vfio/device.h"

namespace baton::vfio {

using linux::pci::PowerState;

Co<linux::Result<>> Device::set_power_state(PowerState state) {
  linux::pci::PciCore& core = vfio.pci;
  if (dev.num_vfs != 0 && state > PowerState::kD0) {
    co_return linux::fail(linux::Errno::kBusy);
  }
  const bool down = state >= PowerState::kD3Hot;
  const bool is_down = dev.current_state == PowerState::kD3Hot;
  if (down == is_down) {
    co_return linux::Result<>();
  }
  const bool forgets = core.needs_pm_restore(dev);
  if (down && forgets) {
    pm_save = core.save_state(dev);
  }
  co_await core.set_power_state(dev, state);
  if (!down && forgets && pm_save) {
    core.restore_state(dev, *pm_save);
  }
  if (!down) {
    pm_save.reset();
  }
  co_return linux::Result<>();
}

Co<> Device::wake() {
  if (dev.pm_cap != 0 && dev.current_state == PowerState::kD3Hot) {
    static_cast<void>(co_await set_power_state(PowerState::kD0));
  }
}

void Device::adopt_sleep(const std::optional<DeviceState>& sleep) {
  pm_save.reset();
  if (sleep && dev.current_state == PowerState::kD3Hot) {
    pm_save = linux::pci::PciCore::SavedState{};
    pm_save->header = sleep->saved_header;
    pm_save->pcie = sleep->saved_pcie;
  }
}

Co<std::optional<DeviceState>> VfioPci::State::inherited_sleep(const Device& device) {
  std::optional<DeviceState> found;
  const auto got = co_await luo.get_incoming(states);
  if (got) {
    if (device.dev.recorded_as()) {
      found = states.find_sleeping(*device.dev.recorded_as());
    }
    co_await luo.put_incoming(states);
  }
  co_return found;
}

std::optional<DeviceState> Device::sleeping_state() const {
  if (!pm_save || vfio.services.has(linux::Defect::kVfioLosePmSave)) {
    return std::nullopt;
  }
  DeviceState result;
  result.domain = dev.address.segment;
  result.bdf = dev.address.bdf.value();
  result.used = kSleepingEntry;
  result.saved_header = pm_save->header;
  result.saved_pcie = pm_save->pcie;
  return result;
}

}  // namespace baton::vfio
