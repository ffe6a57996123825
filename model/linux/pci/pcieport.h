// The driver of PCI Express ports and their services [linux drivers/pci/pcie/portdrv.c, pme.c,
// aer.c, dpc.c; drivers/pci/hotplug/pciehp_hpc.c, pciehp_ctrl.c]: it keeps the bridges on a path
// enabled and bus master, and takes their events: power management, errors, slots, containment.
// At shutdown it takes the services away and leaves bus master to the PCI core, which keeps it for
// ports that are handed over.
//
// What happens in the interrupt of a slot command is done when the command has been written, as
// the port completes it at once.
//
// A card that is pulled out is removed (surprise_removal.cc).
//
// Not modelled: recovery after errors (they are logged and cleared), a link that goes down with the
// card in place (logged alike), the five seconds of grace after an attention button, legacy
// interrupts of ports.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "model/linux/base/cpu_vector.h"
#include "model/linux/driver_core/driver.h"
#include "model/linux/pci/pci_core.h"

namespace baton::linux::pci {

class PciePort final : public Driver {
 public:
  PciePort(KernelServices& services, PciCore& core) : services_(services), core_(core) {}

  // Where the ports' interrupts come from. Without it ports have no services, as without
  // interrupts.
  struct Interrupt {
    PciCore::MsiMessage message;
    CpuVector vector;
  };
  struct Interrupts {
    std::function<Result<Interrupt>(PciDev& dev, std::function<void()> handler)> request;
    std::function<void(CpuVector vector)> free;
  };
  void set_interrupts(Interrupts interrupts) { interrupts_ = std::move(interrupts); }

  std::string_view name() const override { return "pcieport"; }
  bool matches(const PciDev& dev) const override;
  bool driver_managed_dma() const override { return true; }
  Co<Result<>> probe(PciDev& dev) override;
  Co<> remove(PciDev& dev) override;
  Co<> shutdown(PciDev& dev) override;

  // A card was put into the slot and its button pressed: power on, enumerate, indicator on.
  // ENODEV: no such slot, or nothing in it.
  Co<Result<>> slot_event(PciDev& port);

 private:
  struct Services {
    bool pme = false;
    bool aer = false;
    bool hotplug = false;
    bool dpc = false;
    bool bandwidth = false;
    std::optional<CpuVector> vector{};
    bool any() const { return pme || aer || hotplug || dpc || bandwidth; }
  };

  Co<Services> find_services(PciDev& dev);
  Result<> enable_interrupts(PciDev& dev, Services& services);
  void disable_interrupts(PciDev& dev, const Services& services);
  void on_interrupt(PciDev& dev);
  Co<> remove_board(PciDev& port);
  Co<> probe_pme(PciDev& dev);
  Co<> remove_pme(PciDev& dev);
  Co<> probe_aer(PciDev& dev);
  Co<> remove_aer(PciDev& dev);
  Co<> report_errors_below(PciDev& dev, bool enable);
  Co<> probe_hotplug(PciDev& dev);
  Co<> remove_hotplug(PciDev& dev);
  Co<> command_slot(PciDev& dev, std::uint32_t clear, std::uint32_t set);
  Co<> probe_dpc(PciDev& dev);
  Co<> remove_dpc(PciDev& dev);
  Co<> remove_services(PciDev& dev);
  std::uint32_t read(const PciDev& dev, unsigned offset, unsigned width, const char* by);
  Co<> write(const PciDev& dev, unsigned offset, unsigned width, std::uint32_t value,
             const char* by);

  KernelServices& services_;
  PciCore& core_;
  Interrupts interrupts_;
  std::map<Sbdf, Services> running_;
};

}  // namespace baton::linux::pci
