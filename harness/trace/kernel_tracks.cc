#include "harness/trace/kernel_tracks.h"

#include <fmt/format.h>

#include "model/linux/kernel/observations.h"
#include "model/vmm/observations.h"

namespace baton::harness {

KernelTracks::KernelTracks(Tracer& tracer, Watch& watch, const Scenario& scenario, TrackId root,
                           int rank)
    : tracer_(tracer), scenario_(scenario), root_(root), rank_(rank) {
  subscribe_to_life(watch.simulation());
  subscribe_to_calls(watch.simulation());
  subscribe_to_luo(watch.simulation());
}

void KernelTracks::subscribe_to_life(sim::Simulation& simulation) {
  simulation.topic<host::KernelStarted>().subscribe([this](const host::KernelStarted& seen) {
    Kernel& entry = kernel(seen.generation);
    tracer_.change(entry.group, fmt::format("kernel {} lives", seen.generation),
                   {{"cold_boot", seen.handoff.cold},
                    {"command_line", seen.handoff.command_line},
                    {"setup_data", Hex{seen.handoff.setup_data.value()}}});
  });
  simulation.topic<host::KernelJumped>().subscribe(
      [this](const host::KernelJumped& seen) { die(seen.from_generation, "kexec"); });
  simulation.topic<host::ColdRebooted>().subscribe(
      [this](const host::ColdRebooted& seen) { die(seen.from_generation, "platform reset"); });
  simulation.topic<host::KernelHalted>().subscribe([this](const host::KernelHalted& seen) {
    tracer_.instant(kernel(seen.generation).group, "panic", {{"reason", seen.reason}});
    die(seen.generation, "halted");
  });
  simulation.topic<linux::BootStepEntered>().subscribe([this](const linux::BootStepEntered& seen) {
    tracer_.change(
        kernel(seen.generation).boot, seen.step.name,
        {{"takes_ps", std::uint64_t(seen.step.duration.ps())}, {"source", seen.step.source}});
  });
  simulation.topic<linux::PhaseEntered>().subscribe([this](const linux::PhaseEntered& seen) {
    if (seen.phase == linux::RunPhase::kRun) tracer_.close(kernel(seen.generation).boot);
  });
}

void KernelTracks::subscribe_to_calls(sim::Simulation& simulation) {
  simulation.topic<linux::SystemCallFailed>().subscribe([this](
                                                            const linux::SystemCallFailed& seen) {
    tracer_.instant(
        kernel(seen.generation).calls, fmt::format("{}: {}", seen.call, linux::name(seen.error)),
        {{"process", seen.process}, {"call", seen.call}, {"errno", linux::name(seen.error)}});
  });
  simulation.topic<vmm::UserStepFailed>().subscribe([this](const vmm::UserStepFailed& seen) {
    tracer_.instant(kernel(seen.generation).user, fmt::format("{} failed", seen.step),
                    {{"who", seen.who}, {"step", seen.step}, {"errno", linux::name(seen.error)}});
  });
  simulation.topic<vmm::OperatorAnswered>().subscribe([this](const vmm::OperatorAnswered& seen) {
    tracer_.instant(kernel(seen.generation).user,
                    fmt::format("{}: {}", seen.command, seen.done ? "done" : "refused"),
                    {{"done", seen.done}});
  });
}

void KernelTracks::subscribe_to_luo(sim::Simulation& simulation) {
  simulation.topic<linux::SessionChanged>().subscribe([this](const linux::SessionChanged& seen) {
    Session& entry = session(kernel(seen.generation), seen.session);
    tracer_.change(entry.track, seen.state);
  });
  simulation.topic<linux::SessionFileChanged>().subscribe(
      [this](const linux::SessionFileChanged& seen) {
        Session& entry = session(kernel(seen.generation), seen.session);
        auto file = entry.files.find(seen.token);
        if (file == entry.files.end()) {
          const TrackId track =
              tracer_.track(fmt::format("file {:#x} {}", seen.token, seen.compatible), entry.track,
                            static_cast<int>(entry.files.size()));
          file = entry.files.emplace(seen.token, track).first;
        }
        tracer_.change(file->second, seen.state,
                       {{"token", Hex{seen.token}}, {"handler", seen.compatible}});
      });
  simulation.topic<linux::LedgerEntry>().subscribe(
      [this](const linux::LedgerEntry& seen) { on_pages(seen); });
}

KernelTracks::Kernel& KernelTracks::kernel(unsigned generation) {
  const auto found = kernels_.find(generation);
  if (found != kernels_.end()) return found->second;
  Kernel fresh;
  const std::string name =
      fmt::format("kernel {} ({})", generation, scenario_.kernel(generation).config.preset);
  fresh.group = tracer_.track(name, root_, rank_ + static_cast<int>(generation));
  fresh.boot = tracer_.track("boot", fresh.group, 0);
  fresh.luo = tracer_.track("luo sessions", fresh.group, 1);
  fresh.preserved = tracer_.counter("kho: memory preserved", fresh.group, 2, CounterUnit::kBytes);
  fresh.restored = tracer_.counter("kho: memory restored", fresh.group, 3, CounterUnit::kBytes);
  fresh.handlers = tracer_.track("interrupt handlers", fresh.group, 4);
  fresh.calls = tracer_.track("system calls that failed", fresh.group, 5);
  fresh.user = tracer_.track("user space", fresh.group, 6);
  return kernels_.emplace(generation, std::move(fresh)).first->second;
}

KernelTracks::Session& KernelTracks::session(Kernel& kernel, std::string_view name) {
  const auto found = kernel.sessions.find(name);
  if (found != kernel.sessions.end()) return found->second;
  Session fresh;
  fresh.track = tracer_.track(fmt::format("session {}", name), kernel.luo,
                              static_cast<int>(kernel.sessions.size()));
  return kernel.sessions.emplace(std::string(name), std::move(fresh)).first->second;
}

// Nothing of a kernel outlives it: its states end here, whatever they were.
void KernelTracks::die(unsigned generation, std::string_view how) {
  Kernel& entry = kernel(generation);
  const TraceArgs args{{"ended_by", how}};
  for (auto& [name, each] : entry.sessions) {
    for (auto& [token, track] : each.files) tracer_.close(track, args);
    tracer_.close(each.track, args);
  }
  tracer_.close(entry.boot, args);
  tracer_.close(entry.group, args);
}

void KernelTracks::on_pages(const linux::LedgerEntry& seen) {
  if (seen.kind != linux::LedgerKind::kPages) return;
  const auto bytes = static_cast<std::int64_t>(seen.pages.length);
  Kernel& entry = kernel(seen.generation);
  switch (seen.event) {
    case linux::LedgerEvent::kPreserved:
      tracer_.count(entry.preserved, entry.preserved_bytes += bytes);
      break;
    case linux::LedgerEvent::kUnpreserved:
      tracer_.count(entry.preserved, entry.preserved_bytes -= bytes);
      break;
    case linux::LedgerEvent::kRestored:
      tracer_.count(entry.restored, entry.restored_bytes += bytes);
      break;
    case linux::LedgerEvent::kCreated:
    case linux::LedgerEvent::kFinished:
      break;
  }
}

void KernelTracks::handle_interrupt(unsigned generation, Vector vector, bool handled, Flow flow) {
  const std::string_view what = handled ? "handles" : "no handler for";
  tracer_.instant(kernel(generation).handlers, fmt::format("{} vector {:#x}", what, vector.value()),
                  {{"handled", handled}}, flow);
}

}  // namespace baton::harness
