#include "model/linux/drivers/driver_core.h"

#include <algorithm>

namespace baton::linux::pci {

bool DriverCore::matches(const Driver& driver, const PciDev& dev) {
  if (!dev.driver_override.empty()) {
    return dev.driver_override == driver.name();
  }
  return driver.matches(dev);
}

Co<> DriverCore::register_driver(Driver& driver) {
  BATON_CHECK(find(driver.name()) == nullptr, "a driver is registered twice");
  drivers_.push_back(&driver);
  for (PciDev* dev : core_.devices()) {
    if (dev->driver == nullptr && matches(driver, *dev)) {
      const Result<> probed = co_await really_probe(driver, *dev);
      if (!probed && probed.error() != Errno::kNoDev) {
        services_.print(sim::LogLevel::kWarning, "{} {}: probe failed: {}", driver.name(),
                        sim::to_string(dev->address), name(probed.error()));
      }
    }
  }
}

Driver* DriverCore::find(std::string_view name) const {
  const auto found = std::ranges::find(drivers_, name, &Driver::name);
  return found == drivers_.end() ? nullptr : *found;
}

// really_probe(): the group's default domain first, unless the driver manages DMA itself.
Co<Result<>> DriverCore::really_probe(Driver& driver, PciDev& dev) {
  if (!driver.driver_managed_dma()) {
    const Result<> domain = iommu_.use_default_domain(dev);
    if (!domain) {
      co_return domain;
    }
  }
  const Result<> probed = co_await driver.probe(dev);
  if (probed) {
    dev.driver = &driver;
  } else if (!driver.driver_managed_dma()) {
    iommu_.unuse_default_domain(dev);
  }
  co_return probed;
}

Co<Result<>> DriverCore::bind(Driver& driver, PciDev& dev) {
  if (!matches(driver, dev)) {
    co_return fail(Errno::kNoDev);
  }
  if (dev.driver != nullptr) {
    co_return fail(Errno::kBusy);
  }
  co_return co_await really_probe(driver, dev);
}

Co<Result<>> DriverCore::unbind(Driver& driver, PciDev& dev) {
  if (dev.driver != &driver) {
    co_return fail(Errno::kNoDev);
  }
  co_await driver.remove(dev);
  dev.driver = nullptr;
  if (!driver.driver_managed_dma()) {
    iommu_.unuse_default_domain(dev);
  }
  co_return Result<>{};
}

Co<Result<>> DriverCore::probe(PciDev& dev) {
  if (dev.driver != nullptr) {
    co_return Result<>{};
  }
  for (Driver* driver : drivers_) {
    if (matches(*driver, dev)) {
      const Result<> probed = co_await really_probe(*driver, dev);
      if (probed) {
        co_return probed;
      }
    }
  }
  co_return fail(Errno::kNoDev);
}

}  // namespace baton::linux::pci
