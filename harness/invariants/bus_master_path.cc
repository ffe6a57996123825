// bus-master-path: the device and every bridge above it stay bus masters, in D0. A bridge without
// the bit answers what comes from below with Unsupported Request [PCIe 7.5.1.1.3].

#include "harness/invariants/checkers.h"
#include "harness/invariants/route.h"

namespace baton::harness {
namespace {

class BusMasterPath final : public RouteChecker {
 public:
  explicit BusMasterPath(Watch& watch) : RouteChecker(watch) {}
  std::string_view id() const override { return "bus-master-path"; }

 private:
  void collect(const pci::Function& device, std::vector<RouteFact>& into) const override {
    const auto add = [&into](const pci::Function& function) {
      into.push_back({&function, "Bus Master Enable", function.bus_master() ? 1U : 0U});
    };
    add(device);
    for (const pci::Bridge* bridge : bridges_above(device)) add(*bridge);
  }
  // What was off at the freeze may come on.
  bool keeps(std::uint64_t at_freeze, std::uint64_t now) const override { return now >= at_freeze; }
};

}  // namespace

std::unique_ptr<Checker> make_bus_master_path(Watch& watch) {
  return std::make_unique<BusMasterPath>(watch);
}

}  // namespace baton::harness
