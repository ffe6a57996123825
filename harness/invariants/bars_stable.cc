// bars-stable: the base addresses of a preserved device, and that it decodes them. While BARs are
// sized they hold ones, with decode off: who writes to the device then, CPU or peer, writes nowhere
// [PCIe 7.5.1.2.1]. Those of a virtual function are registers of its physical one [PCIe 9.3.3.14].

#include <array>

#include "harness/invariants/checkers.h"
#include "harness/invariants/route.h"

namespace baton::harness {
namespace {

constexpr std::array<std::string_view, 6> kBars{"BAR 0", "BAR 1", "BAR 2",
                                                "BAR 3", "BAR 4", "BAR 5"};
constexpr std::array<std::string_view, 6> kVirtualBars{"VF BAR 0", "VF BAR 1", "VF BAR 2",
                                                       "VF BAR 3", "VF BAR 4", "VF BAR 5"};
constexpr std::uint16_t kFirstBar = 0x10;
constexpr unsigned kFirstVirtualBar = 0x24;  // in the SR-IOV capability

class BarsStable final : public RouteChecker {
 public:
  explicit BarsStable(Watch& watch) : RouteChecker(watch) {}
  std::string_view id() const override { return "bars-stable"; }

 private:
  void collect(const pci::Function& device, std::vector<RouteFact>& into) const override {
    into.push_back({&device, "memory decode", device.memory_enabled() ? 1U : 0U});
    if (const pci::Function* physical = device.physical_function()) {
      const unsigned sriov = physical->config().find(pci::ExtendedCapabilityId::kSriov);
      for (unsigned i = 0; i < kVirtualBars.size(); ++i) {
        const auto offset = static_cast<std::uint16_t>(sriov + kFirstVirtualBar + 4 * i);
        into.push_back({physical, kVirtualBars[i], physical->config().get(offset, 4)});
      }
      return;
    }
    for (std::size_t i = 0; i < kBars.size(); ++i) {
      const auto offset = static_cast<std::uint16_t>(kFirstBar + 4 * i);
      into.push_back({&device, kBars[i], device.config().get(offset, 4)});
    }
  }
};

}  // namespace

std::unique_ptr<Checker> make_bars_stable(Watch& watch) {
  return std::make_unique<BarsStable>(watch);
}

}  // namespace baton::harness
