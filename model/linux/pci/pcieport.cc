#include "model/linux/pci/pcieport.h"

#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr const char* kCapability = "get_port_device_capability";
constexpr unsigned kMostVectors = 32;  // PCIE_PORT_MAX_MSI_ENTRIES
constexpr std::uint16_t kLnkStaBandwidth = 0xC000;
constexpr std::uint16_t kLnkCtlBandwidth = 0x0C00;

bool has_root_registers(const PciDev& dev) {
  return dev.pcie_type == regs::kRootPort || dev.pcie_type == regs::kEventCollector;
}

}  // namespace

bool PciePort::matches(const PciDev& dev) const {
  return dev.is_bridge() && dev.class_code == 0x060400 && dev.pcie_cap != 0 &&
         (dev.pcie_type == regs::kRootPort || dev.pcie_type == regs::kUpstream ||
          dev.pcie_type == regs::kDownstream);
}

std::uint32_t PciePort::read(const PciDev& dev, unsigned offset, unsigned width, const char* by) {
  return core_.state_->read(dev, offset, width, by);
}

Co<> PciePort::write(const PciDev& dev, unsigned offset, unsigned width, std::uint32_t value,
                     const char* by) {
  return core_.state_->write(dev, offset, width, value, by);
}

// What the port can do and firmware lets the kernel do. The PME interrupt is switched off on the
// way, in case firmware left it on.
Co<PciePort::Services> PciePort::find_services(PciDev& dev) {
  const bool before_7 = core_.state_->is_6_1();
  Services found;
  found.hotplug = dev.is_hotplug_bridge && dev.is_downstream_port() && dev.bus->host.native_hotplug;
  found.aer = dev.aer_cap != 0 && (before_7 || has_root_registers(dev));
  found.pme = has_root_registers(dev);
  if (found.pme) {
    co_await core_.state_->change(dev, regs::kExpRtCtl, regs::kRtCtlPme, 0,
                                  "pcie_pme_interrupt_enable");
  }
  found.dpc = dev.dpc_cap != 0 && dev.aer_cap != 0;
  if (dev.is_downstream_port()) {
    const std::uint32_t link = read(dev, dev.pcie_cap + regs::kExpLnkCap, 4, kCapability);
    found.bandwidth = (link & regs::kLnkCapBandwidth) != 0;
  }
  co_return found;
}

// One message for all services: every modelled port has its events on message 0. A port with more
// vectors is given all of them first, and then what is needed [pcie_port_enable_irq_vec].
Result<> PciePort::enable_interrupts(PciDev& dev, Services& services) {
  if (!interrupts_.request) return fail(Errno::kNoSpc);
  const auto irq = interrupts_.request(dev, [this, &dev] { on_interrupt(dev); });
  if (!irq) return fail(irq.error());
  services.vector = irq->vector;
  if (dev.msix_cap != 0) {
    const unsigned size = std::min(core_.msix_table_size(dev), kMostVectors);
    const std::vector<PciCore::MsiMessage> all(size, irq->message);
    if (const auto enabled = core_.enable_msix(dev, all); enabled) {
      if (size == 1) return {};
      core_.disable_msix(dev);
      return core_.enable_msix(dev, std::span(all).first(1));
    }
  }
  return core_.enable_msi(dev, irq->message);
}

void PciePort::disable_interrupts(PciDev& dev, const Services& services) {
  core_.disable_msix(dev);
  core_.disable_msi(dev);
  if (services.vector) interrupts_.free(*services.vector);
}

Co<Result<>> PciePort::probe(PciDev& dev) {
  const auto enabled = core_.enable_device(dev);
  if (!enabled) co_return enabled;
  Services found = co_await find_services(dev);
  if (!found.any()) co_return Result<>();
  core_.set_master(dev);
  co_await core_.state_->let_time_pass();
  const bool interrupts = found.pme || found.aer || found.hotplug || found.dpc;
  if (interrupts && !enable_interrupts(dev, found)) {
    services_.print(sim::LogLevel::kWarning, "pcieport {}: no interrupts, no services",
                    to_string(dev.address));
    co_return Result<>();
  }
  co_await core_.state_->let_time_pass();
  running_[dev.address] = found;
  if (found.pme) co_await probe_pme(dev);
  if (found.aer && has_root_registers(dev)) co_await probe_aer(dev);
  if (found.hotplug) co_await probe_hotplug(dev);
  if (found.dpc) co_await probe_dpc(dev);
  if (found.bandwidth && !core_.state_->is_6_1()) {
    constexpr const char* kBandwidth = "pcie_bwnotif_enable";
    co_await write(dev, dev.pcie_cap + regs::kExpLnkSta, 2, kLnkStaBandwidth, kBandwidth);
    co_await core_.state_->change(dev, regs::kExpLnkCtl, 0, kLnkCtlBandwidth, kBandwidth);
  }
  core_.save_state(dev);
  co_return Result<>();
}

Co<> PciePort::remove_services(PciDev& dev) {
  const auto found = running_.find(dev.address);
  if (found == running_.end()) co_return;
  const Services services = found->second;
  running_.erase(found);
  if (services.pme) co_await remove_pme(dev);
  if (services.aer && has_root_registers(dev)) co_await remove_aer(dev);
  if (services.hotplug) co_await remove_hotplug(dev);
  if (services.dpc) co_await remove_dpc(dev);
  if (services.bandwidth && !core_.state_->is_6_1()) {
    co_await core_.state_->change(dev, regs::kExpLnkCtl, kLnkCtlBandwidth, 0,
                                  "pcie_bwnotif_disable");
  }
  disable_interrupts(dev, services);
  co_await core_.state_->let_time_pass();
}

Co<> PciePort::remove(PciDev& dev) {
  co_await remove_services(dev);
  // [linux drivers/pci/pcie/portdrv.c, v9: a port that is handed over stays enabled]
  if (!dev.outgoing()) core_.disable_device(dev);
}

Co<> PciePort::shutdown(PciDev& dev) { return remove_services(dev); }

// pcie_pme_probe.
Co<> PciePort::probe_pme(PciDev& dev) {
  co_await remove_pme(dev);
  co_await core_.state_->change(dev, regs::kExpRtCtl, 0, regs::kRtCtlPme,
                                "pcie_pme_interrupt_enable");
}

Co<> PciePort::remove_pme(PciDev& dev) {
  co_await core_.state_->change(dev, regs::kExpRtCtl, regs::kRtCtlPme, 0,
                                "pcie_pme_interrupt_enable");
  const unsigned status = dev.pcie_cap + regs::kExpRtSta;
  constexpr const char* kClear = "pcie_clear_root_pme_status";
  co_await write(dev, status, 4, read(dev, status, 4, kClear) | regs::kRtStaPme, kClear);
}

// set_downstream_devices_error_reporting: the port and the ports below it, top down. Newer kernels
// leave every function as pci_aer_init set it up.
Co<> PciePort::report_errors_below(PciDev& dev, bool enable) {
  if (!core_.state_->is_6_1()) co_return;
  const bool port =
      dev.pcie_cap != 0 && (has_root_registers(dev) || dev.pcie_type == regs::kUpstream ||
                            dev.pcie_type == regs::kDownstream);
  if (port && dev.aer_cap != 0) {
    co_await core_.state_->change(dev, regs::kExpDevCtl, enable ? 0 : regs::kDevCtlErrors,
                                  enable ? regs::kDevCtlErrors : 0, "set_device_error_reporting");
  }
  if (dev.subordinate == nullptr) co_return;
  for (std::size_t i = 0; i < dev.subordinate->devices.size(); ++i) {
    co_await report_errors_below(*dev.subordinate->devices[i], enable);
  }
}

// aer_enable_rootport.
Co<> PciePort::probe_aer(PciDev& dev) {
  constexpr const char* kEnable = "aer_enable_rootport";
  const unsigned status = dev.pcie_cap + regs::kExpDevSta;
  co_await write(dev, status, 2, read(dev, status, 2, kEnable), kEnable);
  co_await core_.state_->change(dev, regs::kExpRtCtl, regs::kRtCtlSystemErrors, 0, kEnable);
  for (const unsigned offset : {0x30U, 0x10U, 0x04U}) {
    const unsigned at = dev.aer_cap + offset;
    co_await write(dev, at, 4, read(dev, at, 4, kEnable), kEnable);
  }
  co_await report_errors_below(dev, true);
  const unsigned command = dev.aer_cap + 0x2CU;
  co_await write(dev, command, 4, read(dev, command, 4, kEnable) | 7, kEnable);
}

// aer_disable_rootport.
Co<> PciePort::remove_aer(PciDev& dev) {
  constexpr const char* kDisable = "aer_disable_rootport";
  co_await report_errors_below(dev, false);
  const unsigned command = dev.aer_cap + 0x2CU;
  co_await write(dev, command, 4, read(dev, command, 4, kDisable) & ~7U, kDisable);
  const unsigned status = dev.aer_cap + 0x30U;
  co_await write(dev, status, 4, read(dev, status, 4, kDisable), kDisable);
}

// pcie_do_write_cmd, and the completion of the command as the slot's interrupt acknowledges it.
Co<> PciePort::command_slot(PciDev& dev, std::uint32_t clear, std::uint32_t set) {
  constexpr const char* kCommand = "pcie_do_write_cmd";
  constexpr const char* kInterrupt = "pciehp_isr";
  const unsigned control = dev.pcie_cap + regs::kExpSltCtl;
  const unsigned status = dev.pcie_cap + regs::kExpSltSta;
  const std::uint32_t old = read(dev, control, 2, kCommand);
  co_await write(dev, control, 2, (old & ~clear) | set, kCommand);
  const std::uint32_t events = read(dev, status, 2, kInterrupt) & regs::kSltStaCommandCompleted;
  if (events != 0) co_await write(dev, status, 2, events, kInterrupt);
}

// pcie_init, pcie_init_notification. A slot that looks empty is switched off.
Co<> PciePort::probe_hotplug(PciDev& dev) {
  constexpr const char* kInit = "pcie_init";
  constexpr std::uint32_t kMask =
      regs::kSltCtlPresence | regs::kSltCtlButton | regs::kSltCtlPowerFault | regs::kSltCtlLatch |
      regs::kSltCtlHotplug | regs::kSltCtlCommandCompleted | regs::kSltCtlLinkState;
  const unsigned status = dev.pcie_cap + regs::kExpSltSta;
  co_await write(dev, status, 2, regs::kSltStaEvents, kInit);
  if ((dev.slot_capabilities & regs::kSltCapPower) != 0) {
    const std::uint32_t control = read(dev, dev.pcie_cap + regs::kExpSltCtl, 2, kInit);
    const bool on = (control & regs::kSltCtlPowerOff) == 0;
    // pciehp_card_present_or_link_active.
    const bool present =
        (read(dev, status, 2, kInit) & regs::kSltStaPresent) != 0 ||
        (read(dev, dev.pcie_cap + regs::kExpLnkSta, 2, kInit) & regs::kLnkStaActive) != 0;
    if (on && !present) {
      co_await command_slot(dev, kMask, 0);
      co_await command_slot(dev, 0, regs::kSltCtlPowerOff);
    }
  }
  std::uint32_t set = regs::kSltCtlLinkState | regs::kSltCtlHotplug;
  const bool button = (dev.slot_capabilities & regs::kSltCapButton) != 0;
  set |= button ? regs::kSltCtlButton : regs::kSltCtlPresence;
  if ((dev.slot_capabilities & regs::kSltCapNoCommandCompleted) == 0) {
    set |= regs::kSltCtlCommandCompleted;
  }
  co_await command_slot(dev, kMask, set);
}

Co<> PciePort::remove_hotplug(PciDev& dev) {
  co_await command_slot(dev,
                        regs::kSltCtlPresence | regs::kSltCtlButton | regs::kSltCtlPowerFault |
                            regs::kSltCtlLatch | regs::kSltCtlHotplug |
                            regs::kSltCtlCommandCompleted | regs::kSltCtlLinkState,
                        0);
}

// board_added.
Co<Result<>> PciePort::slot_event(PciDev& port) {
  const auto found = running_.find(port.address);
  if (found == running_.end() || !found->second.hotplug) co_return fail(Errno::kNoDev);
  constexpr const char* kInterrupt = "pciehp_isr";
  constexpr std::uint32_t kOn = 0x0100;
  constexpr std::uint32_t kBlink = 0x0200;
  const unsigned status = port.pcie_cap + regs::kExpSltSta;
  const std::uint32_t seen = read(port, status, 2, kInterrupt);
  if ((seen & regs::kSltStaEvents) != 0) {
    co_await write(port, status, 2, seen & regs::kSltStaEvents, kInterrupt);
  }
  if ((seen & regs::kSltStaPresent) == 0) co_return fail(Errno::kNoDev);
  co_await command_slot(port, regs::kSltCtlPowerIndicator, kBlink);
  co_await command_slot(port, regs::kSltCtlPowerOff, 0);
  co_await core_.state_->change(port, regs::kExpLnkCtl, regs::kLnkCtlDisable, 0,
                                "__pciehp_link_set");
  co_await command_slot(port, regs::kSltCtlPowerIndicator, kBlink);
  const auto added = co_await core_.hot_add(port);
  if (!added) co_return added;
  co_await command_slot(port, regs::kSltCtlPowerIndicator, kOn);
  co_return Result<>();
}

// dpc_probe: containment of fatal errors, with an interrupt.
Co<> PciePort::probe_dpc(PciDev& dev) {
  constexpr const char* kProbe = "dpc_enable";
  co_await write(dev, dev.dpc_cap + 8U, 2, 0x0008, kProbe);
  const std::uint32_t control = read(dev, dev.dpc_cap + 6U, 2, kProbe);
  co_await write(dev, dev.dpc_cap + 6U, 2, (control & 0xFFF4) | 0x0009, kProbe);
}

Co<> PciePort::remove_dpc(PciDev& dev) {
  constexpr const char* kRemove = "dpc_disable";
  const std::uint32_t control = read(dev, dev.dpc_cap + 6U, 2, kRemove);
  co_await write(dev, dev.dpc_cap + 6U, 2, control & ~0x0009U, kRemove);
}

// pcie_pme_irq, aer_irq, pciehp_isr, dpc_irq: what it was is logged, and acknowledged.
void PciePort::on_interrupt(PciDev& dev) {
  const auto found = running_.find(dev.address);
  if (found == running_.end()) return;
  const auto acknowledge = [&](unsigned at, unsigned width, std::uint32_t mask, const char* by) {
    const std::uint32_t status = read(dev, at, width, by) & mask;
    if (status != 0) core_.write(dev, static_cast<std::uint16_t>(at), width, status, by);
    return status;
  };
  if (found->second.aer && has_root_registers(dev)) {
    const std::uint32_t source = read(dev, dev.aer_cap + 0x34U, 4, "aer_irq");
    const std::uint32_t status = acknowledge(dev.aer_cap + 0x30U, 4, 0x7F, "aer_irq");
    if (status != 0) {
      services_.print(
          sim::LogLevel::kWarning, "pcieport {}: AER: {} error message received from {}",
          to_string(dev.address), (status & 4) != 0 ? "Uncorrectable" : "Correctable",
          to_string(
              Bdf(static_cast<std::uint16_t>((status & 4) != 0 ? source >> 16 : source & 0xFFFF))));
    }
  }
  if (found->second.dpc) {
    const std::uint32_t status = read(dev, dev.dpc_cap + 8U, 2, "dpc_irq");
    if ((status & 1) != 0) {
      services_.print(sim::LogLevel::kWarning,
                      "pcieport {}: DPC: containment event, status {:#06x}", to_string(dev.address),
                      status);
    }
    acknowledge(dev.dpc_cap + 8U, 2, 0x0008, "dpc_irq");
  }
  if (found->second.hotplug) {
    const unsigned slot = dev.pcie_cap + regs::kExpSltSta;
    const std::uint32_t events = acknowledge(slot, 2, regs::kSltStaEvents, "pciehp_isr");
    const bool present = (read(dev, slot, 2, "pciehp_isr") & regs::kSltStaPresent) != 0;
    const bool occupied = dev.subordinate != nullptr && !dev.subordinate->devices.empty();
    if ((events & regs::kSltStaChanged) != 0 && !present && occupied) {
      services_.spawn(remove_board(dev));
    }
  }
}

}  // namespace baton::linux::pci
