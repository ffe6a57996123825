#include "model/linux/pci/pci_core.h"

#include "model/linux/driver_core/driver.h"
#include "model/linux/pci/pci_liveupdate.h"
#include "model/linux/pci/state.h"

namespace baton::linux::pci {

PciCore::PciCore(KernelServices& services) : state_(std::make_unique<State>(services)) {}

PciCore::~PciCore() = default;

void PciCore::set_live_update(PciLiveUpdate* live_update) { state_->live_update_ = live_update; }

void PciCore::set_assign_busses(bool assign) { state_->assign_busses_ = assign; }

void PciCore::enable_acs(PciDev& dev) { state_->enable_acs(dev); }

Co<> PciCore::enumerate() {
  for (const State::HostBridge& host : state_->host_bridges()) state_->scan_root(host);
  for (const auto& root : state_->roots_) state_->assign_resources(*root);
  co_return;
}

const std::vector<std::unique_ptr<PciBus>>& PciCore::root_buses() const { return state_->roots_; }

std::vector<PciDev*> PciCore::devices() const { return state_->devices_; }

PciDev* PciCore::find(Sbdf address) const {
  for (PciDev* dev : state_->devices_) {
    if (dev->address == address) return dev;
  }
  return nullptr;
}

std::uint32_t PciCore::read(const PciDev& dev, std::uint16_t offset, unsigned width,
                            const char* by) {
  return state_->read(dev, offset, width, by);
}

void PciCore::write(const PciDev& dev, std::uint16_t offset, unsigned width, std::uint32_t value,
                    const char* by) {
  state_->write(dev, offset, width, value, by);
}

// [linux drivers/base/core.c: device_shutdown; drivers/pci/pci-driver.c: pci_device_shutdown]
Co<> PciCore::shutdown() {
  for (std::size_t i = state_->devices_.size(); i-- > 0;) {
    PciDev& dev = *state_->devices_[i];
    if (state_->live_update_ != nullptr) state_->live_update_->freeze(dev);
    if (dev.driver != nullptr) co_await dev.driver->shutdown(dev);
    bool keep = state_->live_update_ != nullptr && state_->live_update_->is_outgoing(dev);
    if (state_->services_.has(Defect::kPciClearBusMaster)) keep = false;
    if (dev.is_bridge() && state_->services_.has(Defect::kPciClearBridgeBusMaster)) keep = false;
    if (!keep && dev.current_state <= PowerState::kD3Hot) clear_master(dev);
  }
}

}  // namespace baton::linux::pci
