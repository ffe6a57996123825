// A card is pulled out while the kernel runs [linux drivers/pci/hotplug/pciehp_ctrl.c
// pciehp_handle_presence_or_link_change, remove_board; pciehp_pci.c pciehp_unconfigure_device;
// drivers/pci/remove.c].
//
// From the slot's interrupt on the functions count as disconnected: nothing reaches the bus for
// them any more. Their drivers are told to let go, and vfio-pci waits in there until its owner has
// closed the device, a session of live update included. remove() runs under the device lock, which
// device_shutdown() takes as well: a reboot in that time does not get past the device [linux
// drivers/base/dd.c device_release_driver_internal, core.c device_shutdown].
//
// Not modelled: link-down events with the card still in the slot (logged by pcieport.cc), Surprise
// Down errors, the IOMMU group of what is gone (it stays, as that of a virtual function does), a
// card with a switch or with virtual functions, another card in the slot afterwards.
#include <algorithm>

#include "model/linux/pci/pci_liveupdate.h"
#include "model/linux/pci/pcieport.h"
#include "model/linux/pci/state.h"

namespace baton::linux::pci {

Co<> PciCore::hot_remove(PciDev& port) {
  if (port.subordinate == nullptr) co_return;
  state_->disconnect(*port.subordinate);
  co_await state_->stop_and_remove(*port.subordinate);
}

// pci_walk_bus(pci_dev_set_disconnected).
void PciCore::State::disconnect(PciBus& bus) {
  for (const auto& dev : bus.devices) {
    dev->disconnected = true;
    if (dev->subordinate != nullptr) disconnect(*dev->subordinate);
  }
}

// pci_stop_and_remove_bus_device, last function first.
Co<> PciCore::State::stop_and_remove(PciBus& bus) {
  while (!bus.devices.empty()) {
    PciDev& dev = *bus.devices.back();
    if (dev.subordinate != nullptr) co_await stop_and_remove(*dev.subordinate);
    co_await remove_function(dev);
  }
}

Co<> PciCore::State::remove_function(PciDev& dev) {
  if (removed_) {
    Co<> removal = removed_(dev);
    co_await std::move(removal);
  }
  if (live_update_ != nullptr) live_update_->cleanup_device(dev);
  for (Resource& resource : dev.resources) take_back({&dev, &resource, 0});
  std::erase(devices_, &dev);
  by_address_.erase(dev.address);
  auto& devices = dev.bus->devices;
  const auto owned = std::ranges::find(devices, &dev, &std::unique_ptr<PciDev>::get);
  gone_.push_back(std::move(*owned));
  devices.erase(owned);
}

// pciehp_disable_slot(SURPRISE_REMOVAL): the card is gone before anybody could be asked.
Co<> PciePort::remove_board(PciDev& port) {
  constexpr std::uint32_t kIndicatorOff = regs::kSltCtlPowerIndicator;
  services_.print(sim::LogLevel::kInfo, "pcieport {}: pciehp: Link Down, Card not present",
                  to_string(port.address));
  co_await core_.hot_remove(port);
  if ((port.slot_capabilities & regs::kSltCapPower) != 0) {
    co_await command_slot(port, 0, regs::kSltCtlPowerOff);
    co_await services_.spend(sim::Duration::seconds(1));
  }
  co_await command_slot(port, regs::kSltCtlPowerIndicator, kIndicatorOff);
}

}  // namespace baton::linux::pci
