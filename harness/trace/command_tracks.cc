#include "harness/trace/command_tracks.h"

#include <fmt/format.h>

#include "model/pci/function.h"

namespace baton::harness {
namespace {

namespace nvme = devices::nvme;

// Places among the tracks of a device; its own end at 9.
constexpr int kOutstandingRank = 10;
constexpr int kSubmissionRank = 11;
constexpr int kWorkRank = 12;
constexpr int kCompletionRank = 13;
constexpr int kAdminRank = 14;

std::string opcode_name(std::uint8_t opcode) {
  switch (static_cast<nvme::Opcode>(opcode)) {
    case nvme::Opcode::kFlush:
      return "flush";
    case nvme::Opcode::kWrite:
      return "write";
    case nvme::Opcode::kRead:
      return "read";
  }
  return fmt::format("command {:#x}", opcode);
}

std::uint64_t flow_of(std::uint64_t device, std::uint64_t ticket) {
  return flow_id(FlowKind::kCommand, device, ticket);
}

}  // namespace

CommandTracks::CommandTracks(Tracer& tracer, sim::Simulation& simulation, GroupOf group_of)
    : tracer_(tracer), group_of_(std::move(group_of)) {
  simulation.topic<nvme::CommandsSubmitted>().subscribe(
      [this](const nvme::CommandsSubmitted& seen) { on_submitted(seen); });
  simulation.topic<nvme::CommandStarted>().subscribe(
      [this](const nvme::CommandStarted& seen) { on_started(seen); });
  simulation.topic<nvme::CommandDone>().subscribe(
      [this](const nvme::CommandDone& seen) { on_done(seen); });
  simulation.topic<nvme::CommandsDropped>().subscribe(
      [this](const nvme::CommandsDropped& seen) { lose(seen.function, "dropped"); });
  simulation.topic<nvme::ControllerFailed>().subscribe([this](const nvme::ControllerFailed& seen) {
    tracer_.instant(device(seen.function).completions, "controller fails", {{"why", seen.why}});
    lose(seen.function, "the controller failed");
  });
}

CommandTracks::Device& CommandTracks::device(const pci::Function& function) {
  const auto found = devices_.find(function.name());
  if (found != devices_.end()) return found->second;
  const TrackId group = group_of_(function);
  Device fresh{.number = devices_.size(),
               .submissions = tracer_.track("commands submitted", group, kSubmissionRank),
               .completions = tracer_.track("completions", group, kCompletionRank),
               .admin = tracer_.track("admin commands", group, kAdminRank),
               .outstanding = tracer_.counter("commands outstanding", group, kOutstandingRank,
                                              CounterUnit::kCount),
               .lanes = Lanes("commands", group, kWorkRank),
               .last_ticket = 0,
               .waiting = {},
               .working = {}};
  return devices_.emplace(function.name(), std::move(fresh)).first->second;
}

void CommandTracks::count(Device& entry) {
  std::size_t outstanding = 0;
  for (const auto& [queue, tickets] : entry.waiting) outstanding += tickets.size();
  for (const auto& [key, works] : entry.working) outstanding += works.size();
  tracer_.count(entry.outstanding, static_cast<std::int64_t>(outstanding));
}

void CommandTracks::on_submitted(const nvme::CommandsSubmitted& seen) {
  if (seen.queue == 0) return;
  Device& entry = device(seen.function);
  for (std::uint32_t i = 0; i < seen.count; ++i) {
    const std::uint64_t ticket = ++entry.last_ticket;
    entry.waiting[seen.queue].push_back(ticket);
    tracer_.instant(entry.submissions, "doorbell",
                    {{"queue", std::uint64_t{seen.queue}}, {"ticket", ticket}},
                    {flow_of(entry.number, ticket), false});
  }
  count(entry);
}

void CommandTracks::on_started(const nvme::CommandStarted& seen) {
  Device& entry = device(seen.function);
  auto& waiting = entry.waiting[seen.queue];
  if (seen.queue == 0 || waiting.empty()) return;
  const Work work{waiting.front(), entry.lanes.take(tracer_)};
  waiting.pop_front();
  entry.working[{seen.queue, seen.command_id}].push_back(work);
  tracer_.begin(work.lane, opcode_name(seen.opcode),
                {{"queue", std::uint64_t{seen.queue}},
                 {"command_id", std::uint64_t{seen.command_id}},
                 {"ticket", work.ticket}},
                {flow_of(entry.number, work.ticket), false});
}

void CommandTracks::on_done(const nvme::CommandDone& seen) {
  Device& entry = device(seen.function);
  const TraceArgs args{{"status", Hex{static_cast<std::uint64_t>(seen.status)}},
                       {"bytes", seen.bytes}};
  if (seen.queue == 0) {
    tracer_.instant(entry.admin, fmt::format("admin command {:#04x}", seen.opcode), args);
    return;
  }
  const auto found = entry.working.find({seen.queue, seen.command_id});
  if (found == entry.working.end()) return;
  const Work work = found->second.back();
  found->second.pop_back();
  if (found->second.empty()) entry.working.erase(found);
  tracer_.end(work.lane, args);
  entry.lanes.give_back(work.lane);
  end_flow(entry, work.ticket, opcode_name(seen.opcode));
  count(entry);
}

void CommandTracks::end_flow(Device& entry, std::uint64_t ticket, std::string_view how) {
  tracer_.instant(entry.completions, how, {{"ticket", ticket}},
                  {flow_of(entry.number, ticket), true});
}

void CommandTracks::lose(const pci::Function& function, std::string_view how) {
  const auto found = devices_.find(function.name());
  if (found == devices_.end()) return;
  Device& entry = found->second;
  for (const auto& [key, works] : entry.working) {
    for (const Work& work : works) {
      tracer_.end(work.lane, {{"lost", how}});
      entry.lanes.give_back(work.lane);
      end_flow(entry, work.ticket, "lost");
    }
  }
  for (const auto& [queue, tickets] : entry.waiting) {
    for (const std::uint64_t ticket : tickets) end_flow(entry, ticket, "lost");
  }
  entry.working.clear();
  entry.waiting.clear();
  count(entry);
}

// What is outstanding when the run ends: its slices end with the trace, its arrows here.
void CommandTracks::finish() {
  for (auto& [name, entry] : devices_) {
    for (const auto& [key, works] : entry.working) {
      for (const Work& work : works) end_flow(entry, work.ticket, "in flight at the end");
    }
    for (const auto& [queue, tickets] : entry.waiting) {
      for (const std::uint64_t ticket : tickets) end_flow(entry, ticket, "waiting at the end");
    }
  }
}

}  // namespace baton::harness
