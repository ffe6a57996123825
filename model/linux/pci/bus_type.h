// The PCI bus type: which driver gets which function [linux drivers/base/dd.c, drivers/base/bus.c,
// drivers/pci/pci-driver.c: pci_bus_match, pci_device_probe, pci_dma_configure].
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/linux/driver_core/driver.h"
#include "model/linux/pci/pci_core.h"

namespace baton::linux::pci {

class PciBusType {
 public:
  PciBusType(KernelServices& services, PciCore& core);

  // iommu_device_use_default_domain and its opposite, asked around the probe of a driver that does
  // not manage DMA itself. Set by the kernel once it has an IOMMU core.
  void set_dma_hooks(std::function<Result<>(PciDev&)> configure,
                     std::function<void(PciDev&)> cleanup);

  // pci_register_driver: probes every function without a driver that matches, in order of
  // registration. A failed probe leaves the function without one. EEXIST: the name is taken.
  // Policy driver_binding says whether functions that were handed over are among them.
  Co<Result<>> register_driver(Driver& driver);
  Driver* find_driver(std::string_view name) const;

  // /sys/bus/pci/drivers/<name>/bind and unbind. bind: ENODEV when they do not match (with policy
  // driver_binding: driver-override also without an override, with refuse-incompatible when the
  // driver does not know what was handed over), EBUSY when the function has a driver, or the error
  // of DMA ownership or of the probe. unbind: ENODEV. Both wait for the device's lock: while its
  // driver waits for the open files of a device that it is to let go, nobody else binds it either.
  Co<Result<>> bind(Driver& driver, PciDev& dev);
  Co<Result<>> unbind(Driver& driver, PciDev& dev);
  // /sys/bus/pci/drivers_probe: the first driver that matches. EINVAL: none took it.
  Co<Result<>> probe_any(PciDev& dev);
  // /sys/bus/pci/devices/<address>/driver_override; an empty name removes it.
  Result<> set_driver_override(PciDev& dev, std::string name);  // EINVAL: longer than a page

  // /sys/bus/pci/drivers/<name>/new_id and remove_id: an id beside the driver's own table; new_id
  // probes what matches it. EEXIST: the id is there already. ENODEV: it is not.
  Co<Result<>> new_id(Driver& driver, std::uint16_t vendor, std::uint16_t device);
  Result<> remove_id(Driver& driver, std::uint16_t vendor, std::uint16_t device);

  bool matches(const Driver& driver, const PciDev& dev) const;

 private:
  bool binds_by_itself(const PciDev& dev) const;
  static bool knows_format(const Driver& driver, const PciDev& dev);
  Co<luo::Mutex::Guard> lock(PciDev& dev);
  Co<Result<>> probe(Driver& driver, PciDev& dev);
  void publish(const Driver& driver, const PciDev& dev, bool bound);

  KernelServices& services_;
  PciCore& core_;
  std::function<Result<>(PciDev&)> dma_configure_;
  std::function<void(PciDev&)> dma_cleanup_;
  std::vector<Driver*> drivers_;
  struct DynamicId {
    const Driver* driver;
    std::uint16_t vendor;
    std::uint16_t device;
    friend bool operator==(const DynamicId&, const DynamicId&) = default;
  };
  std::vector<DynamicId> dynamic_ids_;
};

}  // namespace baton::linux::pci
