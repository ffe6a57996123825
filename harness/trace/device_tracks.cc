#include "harness/trace/device_tracks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::harness {

DeviceTracks::DeviceTracks(Tracer& tracer, Watch& watch, const Scenario& scenario, TrackId root,
                           int rank)
    : tracer_(tracer),
      group_(tracer.track("devices", root, rank)),
      others_(tracer.track("other functions of the host", root, rank + 1)),
      descriptors_(tracer, watch.simulation(),
                   [this](const pci::Function& function) { return device(function).group; }),
      commands_(tracer, watch.simulation(),
                [this](const pci::Function& function) { return device(function).group; }) {
  for (const AddedDevice& each : scenario.machine.add) {
    const pci::Function* function = watch.machine().fabric().find(each.name);
    if (function != nullptr) add(*function, static_cast<int>(added_.size()));
  }
  subscribe_to_config(watch.simulation());
  watch.simulation().topic<pci::RequestDone>().subscribe(
      [this](const pci::RequestDone& seen) { on_request(seen); });
}

void DeviceTracks::add(const pci::Function& function, int rank) {
  Device fresh;
  const Sbdf at = function.location();
  const std::string name = fmt::format("{} at {}", function.name(), sim::to_string(at));
  fresh.group = tracer_.track(name, group_, rank);
  fresh.config = tracer_.track("configuration", fresh.group, 0);
  fresh.written = &tracer_.rate("written to memory", fresh.group, 1);
  fresh.read = &tracer_.rate("read from memory", fresh.group, 2);
  fresh.messages = tracer_.track("interrupt messages", fresh.group, 3);
  devices_.emplace(function.name(), fresh);
  added_.push_back(&function);
}

DeviceTracks::Device& DeviceTracks::device(const pci::Function& function) {
  if (last_ != nullptr && last_->first == function.name()) return last_->second;
  const auto found = devices_.find(function.name());
  if (found != devices_.end()) {
    last_ = &*found;
    return found->second;
  }
  Device fresh;
  fresh.group = tracer_.track(function.name(), others_, static_cast<int>(devices_.size()));
  fresh.config = fresh.group;
  return devices_.emplace(function.name(), fresh).first->second;
}

TrackId DeviceTracks::messages(Bdf requester) {
  const auto found = std::ranges::find(added_, requester, &pci::Function::requester_id);
  if (found != added_.end()) return *device(**found).messages;
  if (!other_messages_) other_messages_ = tracer_.track("interrupt messages", others_, 1 << 16);
  return *other_messages_;
}

// A write shows up twice: at the function that it reached, and at the port of the kernel that made
// it, right after. The second knows the kernel's function.
void DeviceTracks::subscribe_to_config(sim::Simulation& simulation) {
  simulation.topic<pci::ConfigWritten>().subscribe(
      [this](const pci::ConfigWritten& seen) { written_.emplace(seen); });
  simulation.topic<host::ConfigAccess>().subscribe(
      [this](const host::ConfigAccess& seen) { on_config_access(seen); });
  simulation.topic<pci::FunctionReset>().subscribe([this](const pci::FunctionReset& seen) {
    constexpr std::array<std::string_view, 3> kKinds{"function level reset", "hot reset",
                                                     "power-on reset"};
    tracer_.instant(device(seen.function).config, kKinds.at(static_cast<std::size_t>(seen.kind)));
    descriptors_.lose(seen.function, "reset");
    commands_.lose(seen.function, "reset");
  });
}

void DeviceTracks::on_config_access(const host::ConfigAccess& seen) {
  if (!seen.write) return;
  const std::optional<pci::ConfigWritten> reached(written_);
  written_.reset();
  if (!reached || reached->address != seen.address || reached->offset != seen.offset) return;
  tracer_.instant(device(reached->function).config,
                  fmt::format("{:#05x} = {:#0{}x}", seen.offset, seen.value, 2 + 2 * seen.width),
                  {{"by", seen.by},
                   {"kernel", std::uint64_t{seen.generation}},
                   {"address", sim::to_string(seen.address)},
                   {"before", Hex{reached->old_value}},
                   {"after", Hex{reached->new_value}},
                   {"changes", reached->old_value != reached->new_value}});
}

void DeviceTracks::on_request(const pci::RequestDone& seen) {
  if (!seen.completion.arrived()) {
    Device& entry = device(seen.function);
    if (!entry.refused) entry.refused = tracer_.track("refused requests", entry.group, 4);
    tracer_.instant(*entry.refused, seen.completion.stopped_at,
                    {{"address", Hex{seen.request.address}},
                     {"length", std::uint64_t{seen.request.length}},
                     {"write", seen.request.write},
                     {"requester", sim::to_string(seen.request.requester)}});
    return;
  }
  if (seen.completion.destination != pci::Destination::kRam) return;
  const Device& entry = device(seen.function);
  Rate* const rate = seen.request.write ? entry.written : entry.read;
  if (rate != nullptr) tracer_.add(*rate, seen.request.length);
}

void DeviceTracks::finish() {
  descriptors_.finish();
  commands_.finish();
}

}  // namespace baton::harness
