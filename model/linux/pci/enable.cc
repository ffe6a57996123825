// Enabling functions, bus master and saved state [linux drivers/pci/pci.c].
#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr unsigned kSavedPcie[] = {regs::kExpDevCtl, regs::kExpLnkCtl,  regs::kExpSltCtl,
                                   regs::kExpRtCtl,  regs::kExpDevCtl2, regs::kExpLnkCtl2,
                                   regs::kExpSltCtl2};

}  // namespace

// pci_enable_resources: decode for what the function has.
Result<> PciCore::State::enable_resources(PciDev& dev) {
  constexpr const char* kEnable = "pci_enable_resources";
  const std::uint32_t old = read(dev, regs::kCommand, 2, kEnable);
  std::uint32_t command = old;
  for (unsigned i = 0; i < 6; ++i) {  // the ROM needs no decode to be there
    const Resource& resource = dev.resources[i];
    if (resource.size == 0) continue;
    if (resource.start.value() == 0) {
      services_.print(sim::LogLevel::kError, "pci {}: BAR {} not assigned", to_string(dev.address),
                      i);
      return fail(Errno::kInval);
    }
    command |= resource.memory ? regs::kCommandMemory : regs::kCommandIo;
  }
  if (dev.is_bridge()) {
    command |= regs::kCommandMemory;
    if (dev.io_window) command |= regs::kCommandIo;
  }
  if (command != old) write_now(dev, regs::kCommand, 2, command, kEnable);
  return {};
}

// pci_enable_bridge: enabled, with bus master, before anything below it.
void PciCore::State::enable_bridge(PciDev& dev) {
  PciDev* bridge = dev.upstream_bridge();
  if (bridge == nullptr) return;
  enable_bridge(*bridge);
  if (bridge->enable_count == 0 && !enable_device(*bridge)) {
    services_.print(sim::LogLevel::kError, "pci {}: error enabling bridge, continuing",
                    to_string(bridge->address));
  }
  set_master(*bridge, true);
}

Result<> PciCore::State::enable_device(PciDev& dev) {
  if (dev.pm_cap != 0) {
    const std::uint32_t control = read(dev, dev.pm_cap + 4U, 2, "pci_update_current_state");
    dev.current_state = static_cast<PowerState>(control & regs::kPmState);
  }
  if (dev.pm_cap == 0) dev.current_state = PowerState::kD0;
  if (++dev.enable_count > 1) return {};
  enable_bridge(dev);
  // One that was handed over in D3hot stays there until its owner wakes it.
  if (dev.pm_cap != 0 && dev.current_state != PowerState::kD0 && !dev.incoming()) {
    const std::uint32_t control = read(dev, dev.pm_cap + 4U, 2, "pci_power_up");
    write_now(dev, dev.pm_cap + 4U, 2, control & ~std::uint32_t{regs::kPmState}, "pci_power_up");
    dev.current_state = PowerState::kD0;
  }
  if (const auto enabled = enable_resources(dev); !enabled) {
    --dev.enable_count;
    return enabled;
  }
  if (dev.interrupt_pin == 0 || dev.msi_enabled || dev.msix_enabled) return {};
  constexpr const char* kEnable = "do_pci_enable_device";
  const std::uint32_t command = read(dev, regs::kCommand, 2, kEnable);
  if ((command & regs::kCommandIntxDisable) != 0) {
    write_now(dev, regs::kCommand, 2, command & ~std::uint32_t{regs::kCommandIntxDisable}, kEnable);
  }
  return {};
}

// __pci_set_master: written only if the bit changes.
void PciCore::State::set_master(PciDev& dev, bool enable) {
  constexpr const char* kMaster = "__pci_set_master";
  const std::uint32_t old = read(dev, regs::kCommand, 2, kMaster);
  const std::uint32_t command =
      enable ? old | regs::kCommandMaster : old & ~std::uint32_t{regs::kCommandMaster};
  if (command != old) write_now(dev, regs::kCommand, 2, command, kMaster);
  dev.is_busmaster = enable;
}

Result<> PciCore::enable_device(PciDev& dev) { return state_->enable_device(dev); }

void PciCore::disable_device(PciDev& dev) {
  if (dev.enable_count == 0) return;
  --dev.enable_count;
  if (dev.enable_count > 0) return;
  constexpr const char* kDisable = "do_pci_disable_device";
  const std::uint32_t command = state_->read(dev, regs::kCommand, 2, kDisable);
  if ((command & regs::kCommandMaster) != 0) {
    state_->write_now(dev, regs::kCommand, 2, command & ~std::uint32_t{regs::kCommandMaster},
                      kDisable);
  }
  dev.is_busmaster = false;
}

void PciCore::set_master(PciDev& dev) { state_->set_master(dev, true); }

void PciCore::clear_master(PciDev& dev) { state_->set_master(dev, false); }

PciCore::SavedState PciCore::save_state(PciDev& dev) {
  SavedState saved;
  for (unsigned i = 0; i < saved.header.size(); ++i) {
    saved.header[i] = state_->read(dev, 4 * i, 4, "pci_save_state");
  }
  for (unsigned i = 0; i < saved.pcie.size(); ++i) {
    if (!State::has_pcie_register(dev, kSavedPcie[i])) continue;
    saved.pcie[i] = static_cast<std::uint16_t>(
        state_->read(dev, dev.pcie_cap + kSavedPcie[i], 2, "pci_save_pcie_state"));
  }
  return saved;
}

void PciCore::restore_state(PciDev& dev, const SavedState& state) {
  for (unsigned i = 0; i < state.pcie.size(); ++i) {
    if (!State::has_pcie_register(dev, kSavedPcie[i])) continue;
    state_->write_now(dev, dev.pcie_cap + kSavedPcie[i], 2, state.pcie[i],
                      "pci_restore_pcie_state");
  }
  if (dev.pasid_enabled) {
    restore_pasid(dev, "pci_restore_pasid_state");
  }
  if (dev.ats_enabled) {
    enable_ats(dev);  // pci_restore_ats_state()
  }
  // BARs before Command; what is equal already is not written.
  for (unsigned i = static_cast<unsigned>(state.header.size()); i-- > 0;) {
    constexpr const char* kRestore = "pci_restore_config_dword";
    if (state_->read(dev, 4 * i, 4, kRestore) == state.header[i]) continue;
    state_->write_now(dev, 4 * i, 4, state.header[i], kRestore);
  }
}

}  // namespace baton::linux::pci
