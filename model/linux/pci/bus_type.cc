#include "model/linux/pci/bus_type.h"

#include <algorithm>
#include <utility>

#include "model/linux/pci/observations.h"

namespace baton::linux::pci {

PciBusType::PciBusType(KernelServices& services, PciCore& core)
    : services_(services), core_(core) {}

void PciBusType::set_dma_hooks(std::function<Result<>(PciDev&)> configure,
                               std::function<void(PciDev&)> cleanup) {
  dma_configure_ = std::move(configure);
  dma_cleanup_ = std::move(cleanup);
}

// What was handed over says whose it is; only until it is finished.
bool PciBusType::knows_format(const Driver& driver, const PciDev& dev) {
  return !dev.incoming() || !dev.handed_format || *dev.handed_format == driver.data_format();
}

// With an override only the driver of exactly that name; id tables do not matter then, and with
// policy driver_binding: guid not for what was handed over.
bool PciBusType::matches(const Driver& driver, const PciDev& dev) const {
  if (!dev.driver_override.empty()) return dev.driver_override == driver.name();
  const bool by_format = services_.config().policies.driver_binding == DriverBindingPolicy::kGuid;
  if (by_format && dev.incoming() && dev.handed_format) return knows_format(driver, dev);
  const DynamicId id{&driver, dev.vendor, dev.device};
  return std::ranges::find(dynamic_ids_, id) != dynamic_ids_.end() || driver.matches(dev);
}

// Whether a match is enough, without anybody asking.
bool PciBusType::binds_by_itself(const PciDev& dev) const {
  if (dev.is_bridge()) return true;
  const DriverBindingPolicy policy = services_.config().policies.driver_binding;
  if (!dev.incoming())
    return policy != DriverBindingPolicy::kUserspaceAll || !core_.was_handed_over();
  switch (policy) {
    case DriverBindingPolicy::kFirstMatch:
      return true;
    case DriverBindingPolicy::kDriverOverride:
    case DriverBindingPolicy::kSavedName:
      return !dev.driver_override.empty();
    case DriverBindingPolicy::kGuid:
    case DriverBindingPolicy::kRefuseIncompatible:
      return dev.handed_format.has_value();
    case DriverBindingPolicy::kUserspacePreserved:
    case DriverBindingPolicy::kUserspaceAll:
      break;
  }
  return false;
}

Co<Result<>> PciBusType::new_id(Driver& driver, std::uint16_t vendor, std::uint16_t device) {
  const DynamicId id{&driver, vendor, device};
  if (std::ranges::find(dynamic_ids_, id) != dynamic_ids_.end()) co_return fail(Errno::kExist);
  dynamic_ids_.push_back(id);
  const std::vector<PciDev*> devices = core_.devices();
  for (PciDev* dev : devices) {  // driver_attach
    const auto guard = co_await lock(*dev);
    if (dev->driver != nullptr || !matches(driver, *dev) || !binds_by_itself(*dev)) continue;
    static_cast<void>(co_await probe(driver, *dev));
  }
  co_return Result<>();
}

Result<> PciBusType::remove_id(Driver& driver, std::uint16_t vendor, std::uint16_t device) {
  const auto found = std::ranges::find(dynamic_ids_, DynamicId{&driver, vendor, device});
  if (found == dynamic_ids_.end()) return fail(Errno::kNoDev);
  dynamic_ids_.erase(found);
  return {};
}

Driver* PciBusType::find_driver(std::string_view name) const {
  for (Driver* driver : drivers_) {
    if (driver->name() == name) return driver;
  }
  return nullptr;
}

void PciBusType::publish(const Driver& driver, const PciDev& dev, bool bound) {
  const auto& topic = services_.port().simulation().topic<DriverBound>();
  if (topic.active()) {
    topic.publish({services_.generation(), dev.address, driver.name(), bound});
  }
}

Co<Result<>> PciBusType::register_driver(Driver& driver) {
  if (find_driver(driver.name()) != nullptr) co_return fail(Errno::kExist);
  drivers_.push_back(&driver);
  const std::vector<PciDev*> devices = core_.devices();
  for (PciDev* dev : devices) {
    const auto guard = co_await lock(*dev);
    if (dev->driver != nullptr || !matches(driver, *dev) || !binds_by_itself(*dev)) continue;
    const auto probed = co_await probe(driver, *dev);
    if (!probed) {
      services_.print(sim::LogLevel::kWarning, "{} {}: probe failed with {}", driver.name(),
                      to_string(dev->address), linux::name(probed.error()));
    }
  }
  co_return Result<>();
}

Co<luo::Mutex::Guard> PciBusType::lock(PciDev& dev) {
  return dev.lock.lock(services_.port().context());
}

Co<Result<>> PciBusType::probe(Driver& driver, PciDev& dev) {
  if (dev.driver != nullptr) co_return fail(Errno::kBusy);
  const bool refuses =
      services_.config().policies.driver_binding == DriverBindingPolicy::kRefuseIncompatible;
  if (refuses && !knows_format(driver, dev)) {
    services_.print(sim::LogLevel::kWarning, "{} {}: does not know what was handed over",
                    driver.name(), to_string(dev.address));
    co_return fail(Errno::kNoDev);
  }
  const bool owned_by_kernel = !driver.driver_managed_dma();
  if (owned_by_kernel && dma_configure_) {
    const auto configured = dma_configure_(dev);
    if (!configured) co_return configured;
  }
  dev.driver = &driver;
  const auto& probes = services_.port().simulation().topic<DriverProbe>();
  const unsigned generation = services_.generation();
  if (probes.active()) probes.publish({generation, dev.address, driver.name(), true});
  const auto probed = co_await driver.probe(dev);
  if (probes.active()) probes.publish({generation, dev.address, driver.name(), false});
  if (probed) {
    publish(driver, dev, true);
    co_return probed;
  }
  dev.driver = nullptr;
  if (owned_by_kernel && dma_cleanup_) dma_cleanup_(dev);
  co_return probed;
}

Co<Result<>> PciBusType::bind(Driver& driver, PciDev& dev) {
  const bool needs_override = dev.incoming() && services_.config().policies.driver_binding ==
                                                    DriverBindingPolicy::kDriverOverride;
  if (!matches(driver, dev) || (needs_override && dev.driver_override.empty())) {
    co_return fail(Errno::kNoDev);
  }
  const auto guard = co_await lock(dev);
  if (core_.find(dev.address) != &dev) co_return fail(Errno::kNoDev);  // it has gone meanwhile
  co_return co_await probe(driver, dev);
}

Co<Result<>> PciBusType::unbind(Driver& driver, PciDev& dev) {
  if (dev.driver != &driver) co_return fail(Errno::kNoDev);
  const auto guard = co_await lock(dev);
  // Somebody else has taken it away meanwhile. AMBIGUOUS: Linux does not ask again whose it is, and
  // would take it from a driver that came in between.
  if (dev.driver != &driver) co_return Result<>();
  co_await driver.remove(dev);
  dev.driver = nullptr;
  publish(driver, dev, false);
  if (!driver.driver_managed_dma() && dma_cleanup_) dma_cleanup_(dev);
  co_return Result<>();
}

Co<Result<>> PciBusType::probe_any(PciDev& dev) {
  const auto guard = co_await lock(dev);
  if (core_.find(dev.address) != &dev) co_return fail(Errno::kNoDev);
  if (dev.driver != nullptr) co_return Result<>();
  const std::vector<Driver*> drivers = drivers_;
  for (Driver* driver : drivers) {
    if (!matches(*driver, dev)) continue;
    const auto probed = co_await probe(*driver, dev);
    if (probed) co_return probed;
  }
  co_return fail(Errno::kInval);
}

Result<> PciBusType::set_driver_override(PciDev& dev, std::string name) {
  if (name.size() >= 4095) return fail(Errno::kInval);
  dev.driver_override = std::move(name);
  return {};
}

}  // namespace baton::linux::pci
