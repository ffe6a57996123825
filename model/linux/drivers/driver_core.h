// Which driver has which function: matching, binding, unbinding [linux drivers/base/dd.c, bus.c,
// drivers/pci/pci-driver.c].
//
// Not modelled: deferred and asynchronous probing, runtime power management, new_id. Drivers are
// registered once and stay.
#pragma once

#include <string_view>
#include <vector>

#include "model/linux/base/kernel_services.h"
#include "model/linux/driver_core/driver.h"
#include "model/linux/iommu/iommu.h"
#include "model/linux/pci/pci_core.h"

namespace baton::linux::pci {

class DriverCore {
 public:
  DriverCore(KernelServices& services, PciCore& core, iommu::IommuCore& iommu)
      : services_(services), core_(core), iommu_(iommu) {}

  // Adds a driver and offers it every unbound function that it matches, in bus order.
  Co<> register_driver(Driver& driver);
  Driver* find(std::string_view name) const;

  // By sysfs. bind: ENODEV (no match), EBUSY (bound, or its group has an owner), or what probe
  // says.
  Co<Result<>> bind(Driver& driver, PciDev& dev);
  Co<Result<>> unbind(Driver& driver, PciDev& dev);  // ENODEV
  // drivers_probe: the first driver, in order of registration, that matches and takes it.
  Co<Result<>> probe(PciDev& dev);  // ENODEV

  // pci_bus_match(): an override decides alone, else the id table.
  static bool matches(const Driver& driver, const PciDev& dev);

 private:
  Co<Result<>> really_probe(Driver& driver, PciDev& dev);

  KernelServices& services_;
  PciCore& core_;
  iommu::IommuCore& iommu_;
  std::vector<Driver*> drivers_;
};

}  // namespace baton::linux::pci
