#include "harness/record/critical_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "model/vmm/observations.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

// "vfio" of "vfio-pci-v1".
std::string subsystem_of(std::string_view compatible) {
  return std::string(compatible.substr(0, compatible.find('-')));
}

std::string_view step_subsystem(const linux::BootStep& step) {
  switch (step.stage) {
    case linux::BootStage::kPciEnumeration:
      return "pci";
    case linux::BootStage::kIommu:
    case linux::BootStage::kIommuAttach:
      return "iommu";
    case linux::BootStage::kDrivers:
      return "drivers";
    case linux::BootStage::kUserSpace:
      return "user space";
    default:
      return "kernel";
  }
}

// No configuration access takes longer: what is longer was something else before it.
constexpr sim::Duration kAccessMost = sim::Duration::microseconds(20);
constexpr std::string_view kBusy = "work of the processors";
constexpr std::string_view kAccesses = "configuration accesses";
constexpr std::string_view kUntilFile = "until the file is ";

}  // namespace

void CriticalPath::attach(Watch& watch, const Scenario& /*scenario*/) {
  watch_ = &watch;
  // Before the clock, so that a phase is closed under its own name.
  subscribe_to_kernels();
  subscribe_to_work();
  clock_.attach(watch);
}

void CriticalPath::subscribe_to_kernels() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<linux::PhaseEntered>().subscribe([this](const linux::PhaseEntered& seen) {
    if (seen.phase == linux::RunPhase::kKexec) return;  // the instant of the jump is KernelJumped
    const bool freeze = seen.phase == linux::RunPhase::kFreeze;
    cut(freeze ? Label{"kernel", "", "device_shutdown and machine_shutdown, constants"}
               : Label{"user space", "", std::string(kBusy)});
    generation_ = seen.generation;
  });
  simulation.topic<host::KernelJumped>().subscribe(
      [this](const auto&) { cut({"host", "", "purgatory, a constant of the machine"}); });
  simulation.topic<host::ColdRebooted>().subscribe(
      [this](const auto&) { cut({"host", "", "platform reset, a constant of the machine"}); });
  simulation.topic<host::KernelStarted>().subscribe([this](const host::KernelStarted& seen) {
    cut({"kernel", "", std::string(kBusy)});
    generation_ = seen.generation;
  });
  simulation.topic<host::KernelHalted>().subscribe(
      [this](const auto&) { cut({"kernel", "", "a panic"}); });
  simulation.topic<linux::BootStepEntered>().subscribe([this](const linux::BootStepEntered& seen) {
    const std::string subsystem(step_subsystem(seen.step));
    const std::string step(seen.step.name);
    cut({subsystem, step, "constant of the boot profile"});
    step_end_ = watch_->now() + seen.step.duration;
    after_step_ = {subsystem, step, std::string(kBusy)};
  });
}

void CriticalPath::subscribe_to_work() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<host::ConfigAccess>().subscribe([this](const host::ConfigAccess& seen) {
    if (open_.empty()) return;
    ended({"pci", sim::to_string(seen.address), std::string(kAccesses)});
  });
  simulation.topic<linux::SessionFileChanged>().subscribe(
      [this](const linux::SessionFileChanged& seen) {
        const Label label{subsystem_of(seen.compatible),
                          fmt::format("{} token {}", seen.session, seen.token),
                          fmt::format("{}{}", kUntilFile, seen.state)};
        for (auto& [vm, open] : open_) {
          // A session has the name of its VM.
          if (vm != seen.session) {
            ++open.others;
            continue;
          }
          settle_step(open, watch_->now());
          account(open, watch_->now(), label);
        }
      });
  simulation.topic<vmm::GuestPaused>().subscribe([this](const vmm::GuestPaused& seen) {
    if (open_.empty()) now_ = {"vmm", "", std::string(kBusy)};
    Open open;
    open.path.vm = seen.vm;
    open.path.from = watch_->now();
    open.since = watch_->now();
    generation_ = seen.generation;
    open_.try_emplace(std::string(seen.vm), std::move(open));
  });
  simulation.topic<vmm::GuestResumed>().subscribe(
      [this](const vmm::GuestResumed& seen) { close(seen.vm, true); });
  // Nobody waits for them any more.
  simulation.topic<vmm::GuestStarted>().subscribe(
      [this](const vmm::GuestStarted& seen) { open_.erase(std::string(seen.vm)); });
  simulation.topic<vmm::GuestStopped>().subscribe(
      [this](const vmm::GuestStopped& seen) { open_.erase(std::string(seen.vm)); });
}

void CriticalPath::cut(Label next) {
  for (auto& [vm, open] : open_) {
    settle_step(open, watch_->now());
    account(open, watch_->now(), now_);
  }
  now_ = std::move(next);
  step_end_ = sim::Time();
}

void CriticalPath::ended(const Label& label) {
  for (auto& [vm, open] : open_) {
    settle_step(open, watch_->now());
    const bool waited = watch_->now() - open.since > kAccessMost;
    account(open, watch_->now(), waited ? now_ : label);
  }
  if (step_end_ != sim::Time() && watch_->now() >= step_end_) {
    now_ = after_step_;
    step_end_ = sim::Time();
  }
}

void CriticalPath::settle_step(Open& open, sim::Time until) const {
  if (step_end_ == sim::Time() || open.since >= step_end_) return;
  account(open, std::min(until, step_end_), now_);
}

void CriticalPath::account(Open& open, sim::Time until, const Label& label) const {
  // After its constant a step goes on with what it does.
  const bool past = step_end_ != sim::Time() && open.since >= step_end_ && &label == &now_;
  const Label& own = past ? after_step_ : label;
  const sim::Duration time = until - open.since;
  if (time == sim::Duration()) return;
  const std::string phase(clock_.phase());
  auto found = std::ranges::find_if(open.path.parts, [&](const PathPart& part) {
    return part.generation == generation_ && part.phase == phase &&
           part.subsystem == own.subsystem && part.device == own.device && part.bound == own.bound;
  });
  if (found == open.path.parts.end()) {
    open.path.parts.push_back(
        {generation_, phase, own.subsystem, own.device, own.bound, sim::Duration(), 0, 0});
    found = std::prev(open.path.parts.end());
  }
  found->time += time;
  ++found->pieces;
  found->others += open.others;
  open.others = 0;
  open.since = until;
}

void CriticalPath::close(std::string_view vm, bool resumed) {
  const auto found = open_.find(vm);
  if (found == open_.end()) return;
  Open& open = found->second;
  settle_step(open, watch_->now());
  account(open, watch_->now(), now_);
  open.path.to = watch_->now();
  open.path.resumed = resumed;
  sim::Duration sum;
  for (const PathPart& part : open.path.parts) sum += part.time;
  BATON_CHECK(sum == open.path.length(), "the parts of a pause do not add up to it");
  done_.push_back(std::move(open.path));
  open_.erase(found);
}

void CriticalPath::finish() {
  while (!open_.empty()) close(std::string(open_.begin()->first), false);
}

std::vector<PausePath> CriticalPath::paths() const {
  std::vector<PausePath> result = done_;
  for (const auto& [vm, open] : open_) {
    Open copy = open;
    settle_step(copy, watch_->now());
    account(copy, watch_->now(), now_);
    copy.path.to = watch_->now();
    result.push_back(std::move(copy.path));
  }
  return result;
}

std::string format_critical_path(const std::vector<PausePath>& paths) {
  std::string out;
  for (const PausePath& path : paths) {
    out += fmt::format("guest {}: {} from {}{}\n", path.vm, sim::to_string(path.length()),
                       sim::to_string(path.from), path.resumed ? "" : ", still paused");
    out += fmt::format("  {:>14} {:>6} {:<9} {:>6}  {:<10} {}\n", "time", "share", "phase",
                       "kernel", "subsystem", "what, and what bounds it");
    for (const PathPart& part : path.parts) {
      const std::int64_t whole = std::max<std::int64_t>(1, path.length().ps() / 1000);
      const std::int64_t mille = part.time.ps() / whole;
      out += fmt::format("  {:>14} {:>3}.{}% {:<9} {:>6}  {:<10} {}{}{}", sim::to_string(part.time),
                         mille / 10, mille % 10, part.phase, part.generation, part.subsystem,
                         part.device, part.device.empty() ? "" : ": ", part.bound);
      if (part.pieces > 1) out += fmt::format(" ({} times)", part.pieces);
      if (part.others != 0) out += fmt::format(", {} steps of other guests", part.others);
      out += "\n";
    }
  }
  return out;
}

json::array critical_path_value(const std::vector<PausePath>& paths) {
  json::array values;
  for (const PausePath& path : paths) {
    json::array parts;
    for (const PathPart& part : path.parts) {
      parts.push_back(json::object{{"kernel", part.generation},
                                   {"phase", part.phase},
                                   {"subsystem", part.subsystem},
                                   {"device", part.device},
                                   {"bound", part.bound},
                                   {"time_ps", part.time.ps()},
                                   {"pieces", part.pieces},
                                   {"others", part.others}});
    }
    values.push_back(json::object{{"vm", path.vm},
                                  {"from_ps", path.from.ps()},
                                  {"to_ps", path.to.ps()},
                                  {"resumed", path.resumed},
                                  {"parts", std::move(parts)}});
  }
  return values;
}

std::string format_critical_path_json(const std::vector<PausePath>& paths) {
  return json::serialize(critical_path_value(paths)) + "\n";
}

PausePath folded(const PausePath& path) {
  PausePath result = path;
  result.parts.clear();
  std::vector<std::set<std::string>> names;
  for (const PathPart& part : path.parts) {
    // A boot step stays what it is; what has an address or a token is one of many.
    const bool many = part.bound == kAccesses || part.bound.starts_with(kUntilFile);
    const auto found = std::ranges::find_if(result.parts, [&](const PathPart& one) {
      return one.generation == part.generation && one.phase == part.phase &&
             one.subsystem == part.subsystem && one.bound == part.bound &&
             (many || one.device == part.device);
    });
    const auto index = static_cast<std::size_t>(found - result.parts.begin());
    if (found == result.parts.end()) {
      result.parts.push_back(part);
      names.push_back({part.device});
      continue;
    }
    found->time += part.time;
    found->pieces += part.pieces;
    found->others += part.others;
    names[index].insert(part.device);
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].size() > 1) {
      result.parts[i].device = fmt::format("{} of them", names[i].size());
    }
  }
  return result;
}

}  // namespace baton::harness
