// The host's own driver of NVMe controllers, as far as a live update meets it: what its probe does
// to a controller, and how it leaves one [linux drivers/nvme/host/pci.c: nvme_probe,
// nvme_pci_enable, nvme_pci_configure_admin_queue, nvme_setup_io_queues, nvme_dev_disable; core.c].
//
// One I/O queue pair, on MSI-X entry 1; admin commands are polled. Not modelled: the block layer
// (no I/O is ever asked for), asynchronous events, resets after a timeout, several queues, the
// controller memory buffer, host memory buffers, modules (the driver is built in).
#pragma once

#include <map>

#include "model/devices/nvme/commands.h"
#include "model/linux/driver_core/driver.h"
#include "model/linux/irq/irq.h"
#include "model/linux/pci/pci_core.h"

namespace baton::linux::drivers {

class Nvme final : public pci::Driver {
 public:
  Nvme(KernelServices& services, pci::PciCore& core, irq::IrqCore& irqs)
      : services_(services), core_(core), irqs_(irqs) {}

  std::string_view name() const override { return "nvme"; }
  bool matches(const pci::PciDev& dev) const override;
  // ENODEV: nothing answers, or the controller does not become ready. EIO: an admin command fails.
  // ENOMEM.
  Co<Result<>> probe(pci::PciDev& dev) override;
  Co<> remove(pci::PciDev& dev) override;
  // A normal shutdown of the controller: before a kexec nothing of this driver is left at work.
  Co<> shutdown(pci::PciDev& dev) override;

 private:
  struct Controller {
    PhysAddr admin_submission;
    PhysAddr admin_completion;
    PhysAddr submission;
    PhysAddr completion;
    PhysAddr buffer;  // of admin commands
    std::uint16_t tail = 0;
    std::uint16_t head = 0;
    bool phase = true;
    bool queues = false;  // there is an I/O queue pair
    std::vector<CpuVector> vectors;
  };

  std::uint32_t read(const pci::PciDev& dev, std::uint32_t at) const;
  void write(const pci::PciDev& dev, std::uint32_t at, std::uint32_t value) const;
  void write_address(const pci::PciDev& dev, std::uint32_t at, PhysAddr value) const;
  Co<Result<>> wait_for(const pci::PciDev& dev, std::uint32_t mask, std::uint32_t value);
  Result<> allocate(const pci::PciDev& dev, Controller& controller);
  void free(const pci::PciDev& dev, Controller& controller);
  void publish(const pci::PciDev& dev, PhysAddr page, bool allocated) const;
  Co<Result<>> start(pci::PciDev& dev, Controller& controller);
  Co<Result<>> configure_admin_queue(const pci::PciDev& dev, Controller& controller);
  Result<> set_up_interrupts(pci::PciDev& dev, Controller& controller);
  Co<Result<>> set_up_queues(const pci::PciDev& dev, Controller& controller);
  Co<Result<>> admin(const pci::PciDev& dev, Controller& controller,
                     devices::nvme::SubmissionEntry entry);
  Co<> stop(pci::PciDev& dev, Controller& controller);

  KernelServices& services_;
  pci::PciCore& core_;
  irq::IrqCore& irqs_;
  std::map<Sbdf, Controller> controllers_;
};

}  // namespace baton::linux::drivers
