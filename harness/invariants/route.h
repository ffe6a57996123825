// What four invariants share: registers on the way of a device's requests, noted at the freeze and
// compared after each configuration write and each reset of the device or of a bridge above it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/invariants/watch.h"
#include "model/pci/bridge.h"
#include "model/pci/observations.h"

namespace baton::harness {

// From the port that the device, or its physical function, hangs on up to its root port; none for
// an integrated endpoint.
std::vector<const pci::Bridge*> bridges_above(const pci::Function& function);

// One thing that decides where a request goes.
struct RouteFact {
  const pci::Function* at = nullptr;
  std::string_view what;  // "Command.BME"
  std::uint64_t value = 0;
};

class RouteChecker : public Checker {
 protected:
  explicit RouteChecker(Watch& watch);

  // The same facts in the same order at every call.
  virtual void collect(const pci::Function& device, std::vector<RouteFact>& into) const = 0;
  virtual bool keeps(std::uint64_t at_freeze, std::uint64_t now) const { return at_freeze == now; }

 private:
  struct Route {
    std::vector<RouteFact> at_freeze;
    std::vector<std::uint64_t> last;
  };

  void begin();
  void on_written(const pci::ConfigWritten& seen);
  void on_reset(const pci::FunctionReset& seen);
  // Calls compare() for each carried device whose way leads over `changed`.
  void look(const pci::Function& changed, const std::string& cause);
  void compare(std::size_t index, const std::string& cause);

  std::vector<Route> routes_;  // by index of the device; empty outside of a handover
};

}  // namespace baton::harness
