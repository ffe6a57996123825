// requester-id-stable: the id that a device puts into its requests, and the bus numbers by which
// their completions find back. The id is what the device captured from the last configuration write
// to it [PCIe 2.2.6.2]; the numbers are in the bridges [PCIe 7.5.1.3].

#include "harness/invariants/checkers.h"
#include "harness/invariants/route.h"

namespace baton::harness {
namespace {

class RequesterIdStable final : public RouteChecker {
 public:
  explicit RequesterIdStable(Watch& watch) : RouteChecker(watch) {}
  std::string_view id() const override { return "requester-id-stable"; }

 private:
  void collect(const pci::Function& device, std::vector<RouteFact>& into) const override {
    into.push_back({&device, "requester id", device.requester_id().value()});
    for (const pci::Bridge* bridge : bridges_above(device)) {
      into.push_back({bridge, "secondary bus", bridge->secondary()});
      into.push_back({bridge, "subordinate bus", bridge->subordinate()});
    }
  }
};

}  // namespace

std::unique_ptr<Checker> make_requester_id_stable(Watch& watch) {
  return std::make_unique<RequesterIdStable>(watch);
}

}  // namespace baton::harness
