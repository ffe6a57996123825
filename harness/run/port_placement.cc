#include "harness/run/port_placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "model/pci/bridge.h"

namespace baton::harness {
namespace {

constexpr std::uint32_t kNvmeClass = 0x010802;
constexpr std::uint16_t kClassCode = 0x09;

std::vector<pci::Function*> functions_on(const pci::Bus& bus) {
  std::vector<pci::Function*> result;
  bus.for_each([&result](pci::Function& function) { result.push_back(&function); });
  return result;
}

std::uint32_t class_of(const pci::Function& function) {
  return function.config().get(kClassCode, 1) | function.config().get(kClassCode + 1, 2) << 8;
}

// A bridge that leads to a bus of its own, without anything below it that stays.
bool offers_a_place(const pci::Function& function) {
  const auto* bridge = dynamic_cast<const pci::Bridge*>(&function);
  if (bridge == nullptr || !bridge->is_downstream_port() || bridge->secondary() == 0) return false;
  const auto below = functions_on(bridge->secondary_bus());
  return below.empty() || (below.size() == 1 && class_of(*below.front()) == kNvmeClass);
}

PlacementError with_choice(const pci::Fabric& fabric, std::string message) {
  std::vector<std::string> ports;
  for (const pci::Function* function : fabric.functions()) {
    if (offers_a_place(*function)) ports.push_back(to_string(function->location().bdf));
  }
  return {std::move(message), ports.empty()
                                  ? std::string("no port of this dump has a free place")
                                  : fmt::format("ports with a place: {}", fmt::join(ports, ", "))};
}

// Below a port without bridges only BARs of its functions claim addresses; they are gone.
std::optional<std::uint64_t> free_place(std::optional<pci::Bridge::Window> window,
                                        std::uint64_t bar_size) {
  if (!window) return std::nullopt;
  const std::uint64_t start = (window->base + bar_size - 1) / bar_size * bar_size;
  if (start == 0 || start > window->limit || window->limit - start < bar_size - 1) {
    return std::nullopt;
  }
  return start;
}

}  // namespace

std::expected<PortPlace, PlacementError> place_behind_port(pci::Fabric& fabric, Sbdf port,
                                                           std::uint64_t bar_size,
                                                           std::uint64_t buffer_size) {
  auto* bridge = dynamic_cast<pci::Bridge*>(fabric.find(port));
  if (fabric.find(port) == nullptr) {
    return std::unexpected(
        with_choice(fabric, fmt::format("the dump has no function {}", to_string(port))));
  }
  if (bridge == nullptr || !bridge->is_downstream_port()) {
    return std::unexpected(with_choice(
        fabric, fmt::format("{} is no root port and no port of a switch", to_string(port))));
  }
  if (bridge->secondary() == 0) {
    return std::unexpected(with_choice(
        fabric, fmt::format("firmware gave the port {} no bus number", to_string(port))));
  }
  std::optional<std::uint64_t> inherited;
  for (pci::Function* function : functions_on(bridge->secondary_bus())) {
    if (!offers_a_place(*bridge)) {
      return std::unexpected(with_choice(
          fabric, fmt::format("behind {} is {} already", to_string(port), function->name())));
    }
    const std::uint64_t address = function->config().bar_address(0);
    const auto window = bridge->memory_window();
    if (address % bar_size == 0 && window && window->contains(address) &&
        window->contains(address + bar_size - 1)) {
      inherited = address;
    }
    static_cast<void>(fabric.remove(*function));
  }
  const auto place = inherited ? inherited : free_place(bridge->memory_window(), bar_size);
  if (!place) {
    return std::unexpected(
        PlacementError{fmt::format("the memory window of {} has no room for a BAR of {} bytes",
                                   to_string(port), bar_size),
                       "firmware sized the window for what the dump shows: choose another port"});
  }
  PortPlace result{&bridge->secondary_bus(), *place, 0};
  if (buffer_size == 0) return result;
  const auto buffer = free_place(bridge->prefetch_window(), buffer_size);
  if (!buffer) {
    return std::unexpected(
        PlacementError{fmt::format("the prefetchable window of {} has no room for {} bytes",
                                   to_string(port), buffer_size),
                       "firmware sized the window for what the dump shows: choose another port"});
  }
  result.buffer = *buffer;
  return result;
}

std::expected<PortPlace, PlacementError> place_beside(pci::Fabric& fabric, Sbdf port,
                                                      std::uint64_t bar_size) {
  auto* bridge = dynamic_cast<pci::Bridge*>(fabric.find(port));
  if (bridge == nullptr || bridge->secondary_bus().at(0, 0) == nullptr) {
    return std::unexpected(
        PlacementError{fmt::format("no card behind {}", to_string(port)), "see the other one"});
  }
  std::uint64_t end = 0;
  for (const pci::Function* function : functions_on(bridge->secondary_bus())) {
    end = std::max(end, function->config().bar_address(0) + function->config().bar(0).size);
  }
  const auto window = bridge->memory_window();
  const std::uint64_t start = (end + bar_size - 1) / bar_size * bar_size;
  if (!window || !window->contains(start) || !window->contains(start + bar_size - 1)) {
    return std::unexpected(PlacementError{
        fmt::format("the memory window of {} has no room for a further function", to_string(port)),
        "firmware sized the window for what the dump shows: choose another port"});
  }
  return PortPlace{&bridge->secondary_bus(), start};
}

}  // namespace baton::harness
