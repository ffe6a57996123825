// Drivers of PCI functions and how they find their device [linux drivers/base/dd.c,
// drivers/pci/pci-driver.c]. The device type is that of model/linux/pci; this layer only names it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "model/linux/base/errno.h"
#include "sim/actor.h"

namespace baton::linux::pci {
class PciDev;

// The format of what a driver hands over, a UUID; zeroes: none.
using DataFormat = std::array<std::uint8_t, 16>;

class Driver {
 public:
  virtual ~Driver() = default;
  virtual std::string_view name() const = 0;
  // Its id table and dynamic ids. driver_override is handled by the driver core.
  virtual bool matches(const PciDev& dev) const = 0;
  // False: probe needs the device's group unowned (EBUSY otherwise).
  virtual bool driver_managed_dma() const { return false; }
  // What it hands over of a device, and takes over [policies driver_binding: guid,
  // refuse-incompatible].
  virtual DataFormat data_format() const { return {}; }
  virtual Co<Result<>> probe(PciDev& dev) = 0;
  virtual Co<> remove(PciDev& dev) = 0;
  virtual Co<> shutdown(PciDev& dev);  // default: nothing
  // So many virtual functions of its physical function, 0 for none. ENOENT: the driver has no such
  // callback.
  virtual Co<Result<>> sriov_configure(PciDev& dev, unsigned count);
};

}  // namespace baton::linux::pci
