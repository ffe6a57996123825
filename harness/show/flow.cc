#include "harness/show/flow.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/invariants/route.h"
#include "harness/record/phase_clock.h"
#include "model/iommu_vtd/observations.h"
#include "model/linux/intel_iommu/observations.h"
#include "model/linux/pci/observations.h"
#include "model/vmm/observations.h"

namespace baton::harness {
namespace {

using A = FlowActor;

// Whose handler or shared object this is.
A owner_of(std::string_view compatible) {
  if (compatible.find("vfio") != std::string_view::npos) return A::kVfio;
  if (compatible.find("iommufd") != std::string_view::npos) return A::kIommufd;
  if (compatible.find("ioas") != std::string_view::npos) return A::kIommufd;
  if (compatible.find("hwpt") != std::string_view::npos) return A::kIommufd;
  if (compatible.find("iommu") != std::string_view::npos) return A::kIommu;
  if (compatible.find("irq") != std::string_view::npos) return A::kIommu;
  if (compatible.find("pci") != std::string_view::npos) return A::kPci;
  return A::kLuo;
}

std::string_view words(luo::Callback call) {
  constexpr std::array<std::string_view, 6> kWords{"preserve", "unpreserve", "freeze",
                                                   "unfreeze", "retrieve",   "finish"};
  return kWords.at(static_cast<std::size_t>(call));
}

// Whom user space calls.
std::optional<A> callee_of(std::string_view call) {
  if (call.starts_with("ioctl LIVEUPDATE") || call == "open /dev/liveupdate") return A::kLuo;
  if (call.starts_with("ioctl IOMMU") || call == "open /dev/iommu") return A::kIommufd;
  if (call.starts_with("ioctl VFIO") || call.starts_with("open /dev/vfio")) return A::kVfio;
  if (call.starts_with("write /sys/bus/pci")) return A::kPci;
  if (call.starts_with("reboot")) return A::kLuo;
  return std::nullopt;
}

// Of kernel functions that write to configuration space, by the subsystem they are part of.
A writer_of(std::string_view function) {
  if (function.starts_with("vfio")) return A::kVfio;
  if (function.starts_with("iommu") || function.find("pasid") != std::string_view::npos ||
      function.find("_ats") != std::string_view::npos) {
    return A::kIommu;
  }
  return A::kPci;
}

std::optional<A> owner_of(linux::LedgerKind kind) {
  switch (kind) {
    case linux::LedgerKind::kTable:
    case linux::LedgerKind::kDomain:
    case linux::LedgerKind::kVector:
      return A::kIommu;
    case linux::LedgerKind::kBar:
    case linux::LedgerKind::kBusNumber:
      return A::kPci;
    case linux::LedgerKind::kPages:
    case linux::LedgerKind::kFile:
      break;
  }
  return std::nullopt;
}

std::string_view words(linux::LedgerEvent event) {
  constexpr std::array<std::string_view, 5> kWords{"made", "preserved", "no longer preserved",
                                                   "restored", "finished"};
  return kWords.at(static_cast<std::size_t>(event));
}

}  // namespace

std::string_view name(FlowActor actor) {
  constexpr std::array<std::string_view, kFlowActors> kNames{
      "userspace", "LUO", "iommufd", "VFIO", "PCI", "IOMMU", "hardware"};
  return kNames.at(static_cast<std::size_t>(actor));
}

void Flow::attach(Watch& watch, const Scenario& /*scenario*/) {
  watch_ = &watch;
  requests_.resize(watch.devices().size());
  subscribe_to_kernels();
  subscribe_to_luo();
  subscribe_to_kernel_parts();
  subscribe_to_hardware();
}

void Flow::add(FlowStep step) {
  if (!begun_) return;
  if (!steps_.empty()) {
    FlowStep& last = steps_.back();
    if (last.kind == step.kind && last.from == step.from && last.to == step.to &&
        last.text == step.text && last.generation == step.generation && steps_.size() > since_ &&
        step.kind != FlowStep::Kind::kBreak) {
      ++last.times;
      return;
    }
  }
  if (steps_.size() == kStepsMax) {
    ++left_out_;
    return;
  }
  steps_.push_back(std::move(step));
}

void Flow::call(A from, A to, std::string text) {
  add({FlowStep::Kind::kCall, watch_->now(), generation_, from, to, std::move(text), 1});
}

void Flow::answer(A from, A to, std::string text) {
  add({FlowStep::Kind::kAnswer, watch_->now(), generation_, from, to, std::move(text), 1});
}

void Flow::note(A actor, std::string text) {
  add({FlowStep::Kind::kNote, watch_->now(), generation_, actor, actor, std::move(text), 1});
}

void Flow::line(std::string text) {
  tell_dma();
  add({FlowStep::Kind::kBreak, watch_->now(), generation_, A::kUserspace, A::kHardware,
       std::move(text), 1});
  since_ = steps_.size();
}

void Flow::call_around(A from, A to, std::string text, std::string answered) {
  if (!begun_) return;
  const std::size_t at = std::min(since_, steps_.size());
  if (steps_.size() < kStepsMax) {
    const sim::Time begun = at < steps_.size() ? steps_[at].time : watch_->now();
    FlowStep step{FlowStep::Kind::kCall, begun, generation_, from, to, std::move(text), 1};
    if (from == to) step.kind = FlowStep::Kind::kNote;
    steps_.insert(steps_.begin() + static_cast<std::ptrdiff_t>(at), std::move(step));
  } else {
    ++left_out_;
  }
  since_ = steps_.size();
  if (from != to) answer(to, from, std::move(answered));
  since_ = steps_.size();
}

// What devices did on their own since the last line across.
void Flow::tell_dma() {
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    Requests& seen = requests_[i];
    if (begun_ && (seen.arrived != 0 || seen.refused != 0)) {
      note(A::kHardware,
           fmt::format(
               "{}: {} requests arrived{}", watch_->devices()[i].function->name(), seen.arrived,
               seen.refused == 0 ? std::string() : fmt::format(", {} REFUSED", seen.refused)));
    }
    seen = {};
  }
}

// Before it there is only set-up.
bool Flow::is_about_update(const linux::SystemCallMade& seen) const {
  return seen.call.find("LIVEUPDATE") != std::string_view::npos ||
         seen.call == "open /dev/liveupdate";
}

void Flow::on_system_call(const linux::SystemCallMade& seen) {
  const auto callee = callee_of(seen.call);
  if (!callee) return;
  if (!seen.answered && is_about_update(seen) && !begun_) {
    begun_ = true;
    requests_.assign(requests_.size(), {});
  }
  std::string text(seen.call.starts_with("ioctl ") ? seen.call.substr(6) : seen.call);
  if (!seen.answered) {
    call(A::kUserspace, *callee, fmt::format("{}: {}", seen.process, text));
    since_ = steps_.size();
  } else {
    const std::string how = seen.error ? std::string(linux::name(*seen.error)) : "ok";
    answer(*callee, A::kUserspace, fmt::format("{}: {}", seen.process, how));
    since_ = steps_.size();
  }
}

void Flow::subscribe_to_kernels() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<linux::SystemCallMade>().subscribe(
      [this](const auto& seen) { on_system_call(seen); });
  simulation.topic<linux::PhaseEntered>().subscribe([this](const linux::PhaseEntered& seen) {
    if (seen.phase == linux::RunPhase::kKexec) return;  // KernelJumped
    generation_ = seen.generation;
    line(fmt::format("{} (kernel {})", phase_name(seen.phase), seen.generation));
  });
  simulation.topic<host::KernelJumped>().subscribe([this](const host::KernelJumped& seen) {
    line(fmt::format("kexec: kernel {} is gone, kernel {} has not begun", seen.from_generation,
                     seen.to_generation));
  });
  simulation.topic<host::HostChanged>().subscribe(
      [this](const host::HostChanged& seen) { note(A::kHardware, std::string(seen.what)); });
  simulation.topic<host::KernelHalted>().subscribe([this](const host::KernelHalted& seen) {
    line(fmt::format("kernel {} panics: {}", seen.generation, seen.reason));
  });
  simulation.topic<linux::BootStepEntered>().subscribe([this](const linux::BootStepEntered& seen) {
    const auto stage = seen.step.stage;
    const bool told = stage == linux::BootStage::kPciEnumeration ||
                      stage == linux::BootStage::kIommu ||
                      stage == linux::BootStage::kIommuAttach ||
                      stage == linux::BootStage::kDrivers || stage == linux::BootStage::kUserSpace;
    if (told) line(fmt::format("{} (kernel {})", seen.step.name, seen.generation));
  });
  simulation.topic<vmm::GuestPaused>().subscribe([this](const vmm::GuestPaused& seen) {
    note(A::kUserspace, fmt::format("{}: vCPU paused", seen.vm));
  });
  simulation.topic<vmm::GuestResumed>().subscribe([this](const vmm::GuestResumed& seen) {
    note(A::kUserspace, fmt::format("{}: vCPU goes on", seen.vm));
  });
  simulation.topic<vmm::GuestStopped>().subscribe([this](const vmm::GuestStopped& seen) {
    note(A::kUserspace, fmt::format("{}: guest ended", seen.vm));
  });
}

void Flow::subscribe_to_luo() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<luo::FileCallback>().subscribe([this](const luo::FileCallback& seen) {
    call_around(A::kLuo, owner_of(seen.compatible),
                fmt::format("{} {} token {:#x}", words(seen.call), seen.compatible, seen.token),
                seen.done ? fmt::format("{} done", words(seen.call))
                          : fmt::format("{} refused", words(seen.call)));
  });
  simulation.topic<luo::FlbCallback>().subscribe([this](const luo::FlbCallback& seen) {
    const A owner = owner_of(seen.compatible);
    const std::string text =
        fmt::format("{} FLB {}{}", words(seen.call), seen.compatible, seen.done ? "" : ": refused");
    if (owner == A::kLuo) {
      note(A::kLuo, text);
    } else {
      call(A::kLuo, owner, text);
    }
  });
  simulation.topic<linux::SessionChanged>().subscribe([this](const linux::SessionChanged& seen) {
    note(A::kLuo, fmt::format("session {}: {}", seen.session, seen.state));
  });
  simulation.topic<luo::SessionsSerialized>().subscribe(
      [this](const luo::SessionsSerialized&) { note(A::kLuo, "all sessions serialized"); });
  simulation.topic<luo::HeaderRead>().subscribe([this](const luo::HeaderRead& seen) {
    note(A::kLuo, seen.accepted ? "header of the previous kernel read"
                                : "header of the previous kernel REFUSED");
  });
}

void Flow::subscribe_to_kernel_parts() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<linux::LedgerEntry>().subscribe([this](const linux::LedgerEntry& seen) {
    const auto owner = owner_of(seen.kind);
    if (owner) note(*owner, fmt::format("{} {}", seen.what, words(seen.event)));
  });
  simulation.topic<linux::FunctionRecord>().subscribe([this](const linux::FunctionRecord& seen) {
    note(A::kPci, fmt::format("record of {} {}{}", sim::to_string(seen.address), words(seen.event),
                              seen.address == seen.key
                                  ? std::string()
                                  : fmt::format(", known as {}", sim::to_string(seen.key))));
  });
  simulation.topic<linux::pci::DriverBound>().subscribe(
      [this](const linux::pci::DriverBound& seen) {
        note(A::kPci, fmt::format("{} {} {}", seen.driver, seen.bound ? "binds" : "lets go of",
                                  sim::to_string(seen.address)));
      });
  simulation.topic<linux::DeviceTaken>().subscribe([this](const linux::DeviceTaken& seen) {
    const bool iommufd = seen.kind == linux::DeviceHolder::kIommufd;
    note(A::kVfio, fmt::format("{} is {}'s{}", sim::to_string(seen.device), seen.process,
                               iommufd ? ", bound to its iommufd" : ""));
  });
  simulation.topic<linux::intel_iommu::UnitStep>().subscribe(
      [this](const linux::intel_iommu::UnitStep& seen) {
        call(A::kIommu, A::kHardware, seen.step);
      });
}

void Flow::on_config(const pci::ConfigWritten& seen) {
  const auto concerns = [&seen](const WatchedDevice& device) {
    if (device.function == &seen.function) return true;
    const auto bridges = bridges_above(*device.function);
    return std::ranges::any_of(bridges,
                               [&](const pci::Bridge* bridge) { return bridge == &seen.function; });
  };
  if (!begun_ || std::ranges::none_of(watch_->devices(), concerns)) return;
  const std::string by = watch_->writer_of(seen);
  const std::size_t comma = by.find(", ");
  const std::string function = comma == std::string::npos ? by : by.substr(comma + 2);
  const std::string_view reg = seen.function.config().register_name(seen.offset);
  call(writer_of(function), A::kHardware,
       fmt::format("{}: {}{}{:#x} {:#x} -> {:#x}, {}", seen.function.name(), reg,
                   reg.empty() ? "" : " ", seen.offset, seen.old_value, seen.new_value, function));
}

void Flow::subscribe_to_hardware() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<pci::ConfigWritten>().subscribe([this](const auto& seen) { on_config(seen); });
  simulation.topic<pci::FunctionReset>().subscribe([this](const pci::FunctionReset& seen) {
    if (watch_->device(seen.function) == nullptr) return;
    note(A::kHardware, fmt::format("{} is reset", seen.function.name()));
  });
  simulation.topic<iommu_vtd::TranslationSwitched>().subscribe(
      [this](const iommu_vtd::TranslationSwitched& seen) {
        note(A::kHardware, fmt::format("translation {}, root table {:#x}",
                                       seen.enabled ? "on" : "off", seen.root_table.value()));
      });
  simulation.topic<iommu_vtd::Fault>().subscribe([this](const iommu_vtd::Fault& seen) {
    note(A::kHardware, fmt::format("FAULT {:#x} for {}", seen.reason, sim::to_string(seen.source)));
  });
  simulation.topic<pci::RequestDone>().subscribe([this](const pci::RequestDone& seen) {
    const WatchedDevice* device = watch_->device(seen.function);
    if (!begun_ || device == nullptr) return;
    Requests& counts = requests_[static_cast<std::size_t>(device - watch_->devices().data())];
    ++(seen.completion.arrived() ? counts.arrived : counts.refused);
  });
}

}  // namespace baton::harness
