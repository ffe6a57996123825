#include "harness/trace/descriptor_tracks.h"

#include <fmt/format.h>

#include <string>

#include "model/pci/function.h"

namespace baton::harness {
namespace {

namespace dsa = devices::dsa;

// Places among the tracks of a device; its own end at 9.
constexpr int kDepthRank = 10;
constexpr int kQueueRank = 20;
constexpr int kEngineRank = 40;
constexpr int kCompletionRank = 60;

std::string opcode_name(std::uint8_t opcode) {
  switch (static_cast<dsa::Opcode>(opcode)) {
    case dsa::Opcode::kNoop:
      return "no-op";
    case dsa::Opcode::kBatch:
      return "batch";
    case dsa::Opcode::kDrain:
      return "drain";
    case dsa::Opcode::kMemoryMove:
      return "memory move";
    case dsa::Opcode::kFill:
      return "fill";
    case dsa::Opcode::kCompare:
      return "compare";
  }
  return fmt::format("operation {:#x}", opcode);
}

}  // namespace

DescriptorTracks::DescriptorTracks(Tracer& tracer, sim::Simulation& simulation, GroupOf group_of)
    : tracer_(tracer), group_of_(std::move(group_of)) {
  simulation.topic<dsa::DescriptorSubmitted>().subscribe(
      [this](const dsa::DescriptorSubmitted& seen) { on_submitted(seen); });
  simulation.topic<dsa::DescriptorStarted>().subscribe(
      [this](const dsa::DescriptorStarted& seen) { on_started(seen); });
  simulation.topic<dsa::DescriptorDone>().subscribe(
      [this](const dsa::DescriptorDone& seen) { on_done(seen); });
  simulation.topic<dsa::DescriptorsAbandoned>().subscribe(
      [this](const dsa::DescriptorsAbandoned& seen) { on_abandoned(seen); });
  simulation.topic<dsa::DeviceHalted>().subscribe([this](const dsa::DeviceHalted& seen) {
    tracer_.instant(device(seen.function).completions, "device halts",
                    {{"swerror_code", Hex{seen.code}}});
    lose(seen.function, "the device halted");
  });
}

DescriptorTracks::Device& DescriptorTracks::device(const pci::Function& function) {
  if (last_ != nullptr && last_->first == function.name()) return last_->second;
  const auto found = devices_.find(function.name());
  if (found != devices_.end()) {
    last_ = &*found;
    return found->second;
  }
  Device fresh;
  fresh.number = devices_.size();
  fresh.group = group_of_(function);
  fresh.completions = tracer_.track("completions", fresh.group, kCompletionRank);
  return devices_.emplace(function.name(), std::move(fresh)).first->second;
}

DescriptorTracks::Queue& DescriptorTracks::queue(Device& device, std::uint32_t wq) {
  const auto found = device.queues.find(wq);
  if (found != device.queues.end()) return found->second;
  const int place = static_cast<int>(wq);
  Queue fresh{Lanes(fmt::format("wq{} descriptors", wq), device.group, kQueueRank + place),
              tracer_.counter(fmt::format("wq{} depth", wq), device.group, kDepthRank + place,
                              CounterUnit::kCount)};
  return device.queues.emplace(wq, std::move(fresh)).first->second;
}

Lanes& DescriptorTracks::engine(Device& device, std::uint32_t engine) {
  const auto found = device.engines.find(engine);
  if (found != device.engines.end()) return found->second;
  Lanes fresh(fmt::format("engine {}", engine), device.group,
              kEngineRank + static_cast<int>(engine));
  return device.engines.emplace(engine, std::move(fresh)).first->second;
}

void DescriptorTracks::on_submitted(const dsa::DescriptorSubmitted& seen) {
  Device& entry = device(seen.function);
  if (!seen.accepted) {
    tracer_.instant(entry.completions, "not accepted",
                    {{"wq", std::uint64_t{seen.wq}}, {"operation", opcode_name(seen.opcode)}});
    return;
  }
  Queue& place = queue(entry, seen.wq);
  const TrackId lane = place.lanes.take(tracer_);
  tracer_.begin(lane, opcode_name(seen.opcode),
                {{"ticket", seen.ticket}, {"wq", std::uint64_t{seen.wq}}},
                {flow_id(FlowKind::kDescriptor, entry.number, seen.ticket), false});
  entry.in_flight.emplace(seen.ticket, InFlight{seen.wq, lane, false});
  tracer_.count(place.depth, ++place.queued);
}

void DescriptorTracks::on_started(const dsa::DescriptorStarted& seen) {
  Device& entry = device(seen.function);
  const auto member = seen.in_batch ? std::optional(seen.batch_index) : std::nullopt;
  const TrackId lane = engine(entry, seen.engine).take(tracer_);
  const TraceArg ticket{"ticket", seen.ticket};
  const TraceArg wq{"wq", std::uint64_t{seen.wq}};
  if (member) {
    tracer_.begin(lane, opcode_name(seen.opcode), {ticket, wq, {"member", std::uint64_t{*member}}});
  } else {
    tracer_.begin(lane, opcode_name(seen.opcode), {ticket, wq},
                  {flow_id(FlowKind::kDescriptor, entry.number, seen.ticket), false});
  }
  entry.working.emplace(WorkKey{seen.ticket, member}, Work{seen.engine, lane});
  const auto submitted = entry.in_flight.find(seen.ticket);
  if (member || submitted == entry.in_flight.end() || submitted->second.begun) return;
  submitted->second.begun = true;
  Queue& place = queue(entry, seen.wq);
  tracer_.count(place.depth, --place.queued);
}

void DescriptorTracks::on_done(const dsa::DescriptorDone& seen) {
  Device& entry = device(seen.function);
  const auto member = seen.in_batch ? std::optional(seen.batch_index) : std::nullopt;
  const TraceArgs args{{"status", Hex{static_cast<std::uint64_t>(seen.status)}},
                       {"completed", seen.bytes}};
  const auto work = entry.working.find(WorkKey{seen.ticket, member});
  if (work != entry.working.end()) {
    tracer_.end(work->second.lane, args);
    engine(entry, work->second.engine).give_back(work->second.lane);
    entry.working.erase(work);
  }
  const auto submitted = entry.in_flight.find(seen.ticket);
  if (member || submitted == entry.in_flight.end()) return;
  tracer_.end(submitted->second.lane, args);
  queue(entry, seen.wq).lanes.give_back(submitted->second.lane);
  entry.in_flight.erase(submitted);
  tracer_.instant(entry.completions,
                  seen.status == dsa::Status::kSuccess
                      ? opcode_name(seen.opcode)
                      : fmt::format("{} ends with status {:#04x}", opcode_name(seen.opcode),
                                    static_cast<unsigned>(seen.status)),
                  {{"ticket", seen.ticket}},
                  {flow_id(FlowKind::kDescriptor, entry.number, seen.ticket), true});
}

// What an engine has begun goes on; what waits does not.
void DescriptorTracks::on_abandoned(const dsa::DescriptorsAbandoned& seen) {
  Device& entry = device(seen.function);
  std::vector<std::uint64_t> tickets;
  for (const auto& [ticket, each] : entry.in_flight) {
    if ((seen.wqs >> each.wq & 1) != 0 && !each.begun) tickets.push_back(ticket);
  }
  for (const std::uint64_t ticket : tickets) lose(entry, ticket, "abandoned by a command");
}

void DescriptorTracks::lose(Device& entry, std::uint64_t ticket, std::string_view how) {
  const auto found = entry.in_flight.find(ticket);
  const InFlight lost = found->second;
  entry.in_flight.erase(found);
  const TraceArgs args{{"lost", how}};
  tracer_.end(lost.lane, args);
  Queue& place = queue(entry, lost.wq);
  place.lanes.give_back(lost.lane);
  if (!lost.begun) tracer_.count(place.depth, --place.queued);
  tracer_.instant(entry.completions, "lost", {{"ticket", ticket}, {"lost", how}},
                  {flow_id(FlowKind::kDescriptor, entry.number, ticket), true});
}

void DescriptorTracks::lose(const pci::Function& function, std::string_view how) {
  const auto found = devices_.find(function.name());
  if (found == devices_.end()) return;
  Device& entry = found->second;
  for (const auto& [key, work] : entry.working) {
    tracer_.end(work.lane, {{"lost", how}});
    engine(entry, work.engine).give_back(work.lane);
  }
  entry.working.clear();
  while (!entry.in_flight.empty()) lose(entry, entry.in_flight.begin()->first, how);
}

// What is in flight when the run ends: its slices end with the trace, its arrows here.
void DescriptorTracks::finish() {
  for (const auto& [name, entry] : devices_) {
    for (const auto& [ticket, each] : entry.in_flight) {
      tracer_.instant(entry.completions, "in flight at the end", {{"ticket", ticket}},
                      {flow_id(FlowKind::kDescriptor, entry.number, ticket), true});
    }
  }
}

}  // namespace baton::harness
