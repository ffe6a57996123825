#include "model/pci/config_routes.h"

#include <algorithm>

#include "model/pci/bridge.h"

namespace baton::pci {
namespace {

// The function that a Type 0 request for this device and function number selects on a bus.
Function* select(const Bus& bus, Bdf bdf) {
  const Bridge* bridge = bus.bridge();
  if (bridge != nullptr && bridge->is_downstream_port() && bdf.device() != 0 &&
      !bridge->ari_forwarding()) {
    return nullptr;
  }
  return bus.at(bdf.device(), bdf.function());
}

// Visits every bus below `bus` to which the bus numbers lead a request to bus `number`, until one
// answers.
template <class Visit>
bool for_each_arrival(const Bus& bus, unsigned number, Visit&& visit) {
  return bus.any_bridge([&](const Bridge& bridge) {
    if (!bridge.routes_bus(number)) return false;
    const Bus& below = bridge.secondary_bus();
    return bridge.secondary() == number ? visit(below) : for_each_arrival(below, number, visit);
  });
}

// Every link from the root bus down to this one is up.
bool is_reachable(const Bus& bus) {
  for (const Bridge* bridge = bus.bridge(); bridge != nullptr; bridge = bridge->bus()->bridge()) {
    if (bridge->secondary_down()) return false;
  }
  return true;
}

// AMBIGUOUS: two bridges that claim one bus number both take the request on a real bus; here the
// lowest device number that leads to a function wins.
Function* walk(const Bus& bus, Bdf bdf) {
  Function* found = nullptr;
  for_each_arrival(bus, bdf.bus(), [&](const Bus& arrived) {
    found = is_reachable(arrived) ? select(arrived, bdf) : nullptr;
    return found != nullptr;
  });
  return found;
}

}  // namespace

const Bus* ConfigRoutes::root_of(Sbdf address) const {
  const auto owns = [address](const std::unique_ptr<Bus>& root) {
    return root->segment() == address.segment && address.bdf.bus() >= root->number() &&
           address.bdf.bus() <= root->last();
  };
  const auto root = std::ranges::find_if(root_buses_, owns);
  return root == root_buses_.end() ? nullptr : root->get();
}

ConfigRoutes::Ways* ConfigRoutes::ways_in(decltype(Sbdf::segment) segment) {
  if (const auto known = ways_.find(segment); known != ways_.end()) return known->second.get();
  const auto in_segment = [segment](const auto& root) { return root->segment() == segment; };
  if (std::ranges::none_of(root_buses_, in_segment)) return nullptr;
  return ways_.emplace(segment, std::make_unique<Ways>()).first->second.get();
}

void ConfigRoutes::find_way(Way& way, Sbdf address) const {
  way = {.epoch = epoch_};
  const Bus* root = root_of(address);
  if (root == nullptr) return;
  if (root->number() == address.bdf.bus()) {
    way.bus = root;
    return;
  }
  for_each_arrival(*root, address.bdf.bus(), [&way](const Bus& bus) {
    way.ambiguous = way.bus != nullptr;
    if (way.bus == nullptr) way.bus = &bus;
    return way.ambiguous;
  });
}

Function* ConfigRoutes::find(Sbdf address) {
  Ways* ways = ways_in(address.segment);
  if (ways == nullptr) return nullptr;
  Way& way = (*ways)[address.bdf.bus()];
  if (way.epoch != epoch_) find_way(way, address);
  if (way.ambiguous) return walk(*root_of(address), address.bdf);
  return way.bus == nullptr || !is_reachable(*way.bus) ? nullptr : select(*way.bus, address.bdf);
}

}  // namespace baton::pci
