#include "harness/run/machine_changes.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/host/observations.h"
#include "model/pci/bridge.h"
#include "sim/check.h"

namespace baton::harness {
namespace {

// A domain that no host has.
constexpr std::uint32_t kDrawer = 0x7FFF'FFFF;

std::unexpected<std::string> no(std::string why) { return std::unexpected(std::move(why)); }

bool is_empty(const pci::Bus& bus) {
  bool empty = true;
  bus.for_each([&](const pci::Function&) { empty = false; });
  return empty;
}

}  // namespace

std::string change_text(const MachineChange& change, const MachineSpec& spec) {
  const auto card = [&](std::size_t index) { return spec.add[index].name; };
  switch (change.kind) {
    case ChangeKind::kMove:
      return fmt::format("{} is moved to the slot below {}", card(change.device),
                         to_string(change.to));
    case ChangeKind::kExchange:
      return fmt::format("{} and {} change places", card(change.device), card(change.with));
    case ChangeKind::kRemove:
      return fmt::format("{} is {}", card(change.device),
                         change.when ? "pulled out of its slot" : "taken away");
    case ChangeKind::kInsert:
      return fmt::format("{} is put into its slot", card(change.device));
    case ChangeKind::kLoseBuses:
      return fmt::format("bridge {} loses its bus numbers", to_string(change.from));
    case ChangeKind::kBreakBuses:
      return fmt::format("the primary bus number of bridge {} becomes wrong",
                         to_string(change.from));
    case ChangeKind::kRenumber:
      return fmt::format("function {} becomes {}", to_string(change.from), to_string(change.to));
    case ChangeKind::kSwapSegments:
      return fmt::format("segments {:04x} and {:04x} change their numbers", change.segments[0],
                         change.segments[1]);
  }
  return {};
}

MachineChanges::MachineChanges(sim::Simulation& simulation, BuiltHost& host,
                               const MachineSpec& spec)
    : simulation_(simulation), host_(host), spec_(spec), drawer_(kDrawer, 0, 0, nobody_) {
  for (const MachineChange& change : spec_.changes) {
    if (change.when) to_pull_.push_back(&change);
    if (change.kind != ChangeKind::kInsert) continue;
    pci::Function& card = *host_.added[change.device];
    slots_.push_back({change.device, card.bus(), card.location().bdf});
    put_away(take_out(card));
    if (slots_.back().bus->bridge() != nullptr) slots_.back().bus->bridge()->show_slot();
  }
  std::ranges::stable_sort(to_pull_, {}, [](const MachineChange* change) { return *change->when; });
}

// Its power goes with the slot.
std::unique_ptr<pci::Function> MachineChanges::take_out(pci::Function& function) {
  function.reset(pci::ResetKind::kPowerOn);
  return host_.machine->fabric().remove(function);
}

std::expected<void, std::string> MachineChanges::move(const MachineChange& change) {
  pci::Fabric& fabric = host_.machine->fabric();
  auto* port = dynamic_cast<pci::Bridge*>(fabric.find(change.to));
  if (port == nullptr || !port->is_downstream_port()) {
    return no(fmt::format("{} is no root port and no port of a switch", to_string(change.to)));
  }
  if (!is_empty(port->secondary_bus())) {
    return no(fmt::format("the slot below {} is taken", to_string(change.to)));
  }
  pci::Bridge* before = host_.added[change.device]->bus()->bridge();
  fabric.add(port->secondary_bus(), 0, 0, take_out(*host_.added[change.device]));
  before->show_slot();
  port->show_slot();
  return {};
}

std::expected<void, std::string> MachineChanges::exchange(const MachineChange& change) {
  pci::Fabric& fabric = host_.machine->fabric();
  pci::Function& one = *host_.added[change.device];
  pci::Function& other = *host_.added[change.with];
  pci::Bus& bus_of_one = *one.bus();
  pci::Bus& bus_of_other = *other.bus();
  const Bdf place_of_one = one.location().bdf;
  const Bdf place_of_other = other.location().bdf;
  std::unique_ptr<pci::Function> in_hand = take_out(one);
  fabric.add(bus_of_one, place_of_one.device(), place_of_one.function(), take_out(other));
  fabric.add(bus_of_other, place_of_other.device(), place_of_other.function(), std::move(in_hand));
  return {};
}

void MachineChanges::put_away(std::unique_ptr<pci::Function> function) {
  unsigned slot = 0;
  while (drawer_.at_devfn(slot) != nullptr) ++slot;
  host_.machine->fabric().add(drawer_, slot >> 3, slot & 7, std::move(function));
}

std::expected<void, std::string> MachineChanges::insert(const MachineChange& change) {
  const auto slot = std::ranges::find(slots_, change.device, &Slot::device);
  BATON_CHECK(slot != slots_.end(), "a card is inserted that was never put away");
  if (slot->bus->at(slot->place.device(), slot->place.function()) != nullptr) {
    return no("its slot is taken");
  }
  pci::Fabric& fabric = host_.machine->fabric();
  fabric.add(*slot->bus, slot->place.device(), slot->place.function(),
             fabric.remove(*host_.added[change.device]));
  if (slot->bus->bridge() != nullptr) slot->bus->bridge()->show_slot();
  return {};
}

std::expected<void, std::string> MachineChanges::change_buses(const MachineChange& change) {
  constexpr std::uint16_t kPrimaryBus = 0x18;
  auto* bridge = dynamic_cast<pci::Bridge*>(host_.machine->fabric().find(change.from));
  if (bridge == nullptr) return no(fmt::format("{} is no bridge", to_string(change.from)));
  const std::uint32_t buses = bridge->config().read(kPrimaryBus, 4);
  const bool lost = change.kind == ChangeKind::kLoseBuses;
  const std::uint32_t wrong = (buses & 0xFF) ^ 0xFF;
  bridge->config_write(kPrimaryBus, 4, lost ? buses & 0xFF000000 : (buses & 0xFFFFFF00) | wrong,
                       change.from.bdf);
  return {};
}

std::expected<void, std::string> MachineChanges::renumber(const MachineChange& change) {
  pci::Function* function = host_.machine->fabric().find(change.from);
  if (function == nullptr) return no(fmt::format("no function {}", to_string(change.from)));
  if (function->bus()->at(change.to.bdf.device(), change.to.bdf.function()) != nullptr) {
    return no(fmt::format("there is a function {} already", to_string(change.to)));
  }
  host_.machine->fabric().renumber(*function, change.to.bdf.device(), change.to.bdf.function());
  return {};
}

std::expected<void, std::string> MachineChanges::swap_segments(const MachineChange& change) {
  for (const std::uint32_t segment : change.segments) {
    const auto roots = host_.machine->fabric().root_buses();
    if (std::ranges::none_of(roots, [&](const auto& bus) { return bus->segment() == segment; })) {
      return no(fmt::format("the host has no segment {:04x}", segment));
    }
  }
  host_.machine->swap_segments(change.segments[0], change.segments[1]);
  return {};
}

std::expected<void, std::string> MachineChanges::make(const MachineChange& change) {
  switch (change.kind) {
    case ChangeKind::kMove:
      return move(change);
    case ChangeKind::kExchange:
      return exchange(change);
    case ChangeKind::kRemove:
      put_away(take_out(*host_.added[change.device]));
      return {};
    case ChangeKind::kInsert:
      return insert(change);
    case ChangeKind::kLoseBuses:
    case ChangeKind::kBreakBuses:
      return change_buses(change);
    case ChangeKind::kRenumber:
      return renumber(change);
    case ChangeKind::kSwapSegments:
      return swap_segments(change);
  }
  return {};
}

std::optional<sim::Time> MachineChanges::next(std::optional<sim::Time> started) const {
  if (!started || to_pull_.empty()) return std::nullopt;
  return *started + *to_pull_.front()->when;
}

void MachineChanges::pull_due(sim::Time started) {
  while (!to_pull_.empty() && started + *to_pull_.front()->when <= simulation_.now()) {
    pull(*to_pull_.front());
    to_pull_.erase(to_pull_.begin());
  }
}

// The whole card, and then the slot notices.
void MachineChanges::pull(const MachineChange& change) {
  pci::Bus& bus = *host_.added[change.device]->bus();
  const std::string text = change_text(change, spec_);
  if (&bus == &drawer_ || bus.bridge() == nullptr) {
    notes_.push_back(fmt::format("line {}: {}: not done, it is in no slot", change.at.line, text));
    return;
  }
  std::vector<pci::Function*> functions;
  bus.for_each([&](pci::Function& function) { functions.push_back(&function); });
  for (pci::Function* function : functions) put_away(take_out(*function));
  bus.bridge()->lose_card();
  simulation_.topic<host::HostChanged>().publish({host_.machine->generation(), text});
}

void MachineChanges::arrange() {
  if (spec_.changes.empty()) return;
  host_.machine->set_between_kernels([this](unsigned next_generation) {
    for (const MachineChange& change : spec_.changes) {
      if (change.kernel != next_generation || change.when) continue;
      const std::string text = change_text(change, spec_);
      if (const auto made = make(change); !made) {
        notes_.push_back(
            fmt::format("line {}: {}: not done, {}", change.at.line, text, made.error()));
        continue;
      }
      simulation_.topic<host::HostChanged>().publish({next_generation, text});
    }
  });
}

}  // namespace baton::harness
