// The driver of Data Streaming Accelerators, as far as it goes by itself [linux
// drivers/dma/idxd/init.c, device.c, irq.c, v6.12]: probe enables the function, resets the device,
// reads its capabilities, takes all MSI-X vectors and lets the device report errors. What a probe
// meets at work it stops: the reset is unconditional.
//
// Not modelled: the configuration of queues and groups, which accel-config asks for through sysfs,
// shared virtual memory, DMA channels of the kernel, recovery from Halt, perfmon.
#pragma once

#include <map>
#include <vector>

#include "model/devices/dsa/registers.h"
#include "model/linux/driver_core/driver.h"
#include "model/linux/irq/irq.h"
#include "model/linux/pci/pci_core.h"

namespace baton::linux::drivers {

class Idxd final : public pci::Driver {
 public:
  Idxd(KernelServices& services, pci::PciCore& core, irq::IrqCore& irqs)
      : services_(services), core_(core), irqs_(irqs) {}

  std::string_view name() const override { return "idxd"; }
  bool matches(const pci::PciDev& dev) const override;
  // EIO: the device is halted or does not finish its reset. ENOMEM: BAR 0 has no address.
  Co<Result<>> probe(pci::PciDev& dev) override;
  Co<> remove(pci::PciDev& dev) override;
  // Disables the device if it is enabled: before a kexec nothing of this driver is left at work.
  Co<> shutdown(pci::PciDev& dev) override;

 private:
  std::uint64_t read(const pci::PciDev& dev, std::uint16_t at, unsigned width) const;
  void write(const pci::PciDev& dev, std::uint16_t at, unsigned width, std::uint64_t value) const;
  Co<Result<>> command(const pci::PciDev& dev, devices::dsa::Command which);
  Result<> set_up_interrupts(pci::PciDev& dev);
  void release_interrupts(pci::PciDev& dev);

  KernelServices& services_;
  pci::PciCore& core_;
  irq::IrqCore& irqs_;
  std::map<Sbdf, std::vector<CpuVector>> vectors_;
};

}  // namespace baton::linux::drivers
