// ownership: from the jump to the finish a preserved device is in the hands that held it at the
// freeze: the same driver by name, and no process but its VM's, neither with an open file of it nor
// with an iommufd that it is bound to.

#include <fmt/format.h>

#include <map>
#include <string>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/linux/pci/observations.h"

namespace baton::harness {
namespace {

class Ownership final : public Checker {
 public:
  explicit Ownership(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<linux::pci::DriverBound>().subscribe([this](const auto& o) { on_bound(o); });
    simulation.topic<linux::DeviceTaken>().subscribe([this](const auto& o) { on_taken(o); });
  }

  std::string_view id() const override { return "ownership"; }

 private:
  // Who answers at this address now: the kernels' names for functions are addresses.
  const WatchedDevice* device_at(Sbdf address) const {
    for (const WatchedDevice& device : watch_.devices()) {
      if (device.function->location() == address) return &device;
    }
    return nullptr;
  }

  void on_bound(const linux::pci::DriverBound& seen) {
    const WatchedDevice* device = device_at(seen.address);
    if (device == nullptr || !seen.bound) return;
    if (!watch_.jumped()) {
      drivers_[device] = seen.driver;
    } else {
      judge(*device, "driver", drivers_[device], seen.driver);
    }
  }

  void on_taken(const linux::DeviceTaken& seen) {
    const WatchedDevice* device = device_at(seen.device);
    // Which process may have a device without a VM, the answers of its calls say.
    if (device == nullptr || device->of_process || !watch_.jumped()) return;
    const bool file = seen.kind == linux::DeviceHolder::kProcess;
    judge(*device, file ? "a file open in process" : "the iommufd of process", device->vm,
          seen.process);
  }

  void judge(const WatchedDevice& device, std::string_view what, std::string_view right,
             std::string_view holder) {
    if (!watch_.carried(device)) return;
    checked();
    if (holder == right || !want()) return;
    report(fmt::format("{} of {}", device.function->name(), device.vm),
           fmt::format("{} {}", what, right), fmt::format("{} {}", what, holder),
           watch_.milestones());
  }

  // The last one before the jump. By position in Watch::devices(); looked up, never iterated.
  std::map<const WatchedDevice*, std::string> drivers_;
};

}  // namespace

std::unique_ptr<Checker> make_ownership(Watch& watch) { return std::make_unique<Ownership>(watch); }

}  // namespace baton::harness
