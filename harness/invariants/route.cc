#include "harness/invariants/route.h"

#include <fmt/format.h>

#include <algorithm>

namespace baton::harness {

std::vector<const pci::Bridge*> bridges_above(const pci::Function& function) {
  std::vector<const pci::Bridge*> bridges;
  const pci::Function* physical = function.physical_function();
  for (const pci::Bus* bus = (physical == nullptr ? function : *physical).bus();
       bus != nullptr && bus->bridge() != nullptr; bus = bus->bridge()->bus()) {
    bridges.push_back(bus->bridge());
  }
  return bridges;
}

RouteChecker::RouteChecker(Watch& watch) : Checker(watch), routes_(watch.devices().size()) {
  sim::Simulation& simulation = watch.simulation();
  watch.at_begin([this] { begin(); });
  simulation.topic<pci::ConfigWritten>().subscribe([this](const auto& o) { on_written(o); });
  simulation.topic<pci::FunctionReset>().subscribe([this](const auto& o) { on_reset(o); });
}

void RouteChecker::begin() {
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    Route& route = routes_[i];
    route = Route{};
    collect(*watch_.devices()[i].function, route.at_freeze);
    for (const RouteFact& fact : route.at_freeze) route.last.push_back(fact.value);
  }
}

void RouteChecker::on_written(const pci::ConfigWritten& seen) {
  if (!watch_.handover()) return;
  look(seen.function, fmt::format("{} writes {:#x} to offset {:#x} of {}", watch_.writer_of(seen),
                                  seen.written, seen.offset, seen.function.name()));
}

void RouteChecker::on_reset(const pci::FunctionReset& seen) {
  if (!watch_.handover()) return;
  look(seen.function, fmt::format("{} is reset", seen.function.name()));
}

void RouteChecker::look(const pci::Function& changed, const std::string& cause) {
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const WatchedDevice& device = watch_.devices()[i];
    if (!watch_.carried(device)) continue;
    const std::vector<const pci::Bridge*> bridges = bridges_above(*device.function);
    const bool on_the_way =
        device.function == &changed || device.function->physical_function() == &changed ||
        std::ranges::any_of(bridges, [&](const auto* bridge) { return bridge == &changed; });
    if (on_the_way) compare(i, cause);
  }
}

void RouteChecker::compare(std::size_t index, const std::string& cause) {
  const WatchedDevice& device = watch_.devices()[index];
  Route& route = routes_[index];
  std::vector<RouteFact> now;
  collect(*device.function, now);
  checked();
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (now[i].value == route.last[i]) continue;
    route.last[i] = now[i].value;
    if (keeps(route.at_freeze[i].value, now[i].value) || !want()) continue;
    std::vector<ChainLink> chain = watch_.milestones();
    chain.push_back({watch_.now(), cause});
    std::string subject = fmt::format("{} of {}", device.function->name(), device.vm);
    if (now[i].at != device.function) subject += fmt::format(", bridge {}", now[i].at->name());
    report(fmt::format("{}: {}", subject, now[i].what),
           fmt::format("as at the freeze: {:#x}", route.at_freeze[i].value),
           fmt::format("{:#x}, after {}", now[i].value, cause), std::move(chain));
  }
}

}  // namespace baton::harness
