#include "harness/run/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "harness/record/phase_clock.h"
#include "model/devices/dsa/observations.h"
#include "model/devices/nvme/observations.h"
#include "model/iommu_vtd/observations.h"
#include "model/linux/base/observations.h"
#include "model/linux/kernel/observations.h"
#include "model/luo/state_machine.h"
#include "model/pci/bridge.h"
#include "model/vmm/observations.h"

namespace baton::harness {
namespace {

constexpr std::size_t kNotesMax = 12;

constexpr std::string_view kMeasured = "measured";
constexpr std::string_view kRead = "read in source";
constexpr std::string_view kPosted = "posted";
constexpr std::string_view kAssumed = "assumed";

struct Standing {
  std::string_view thing;
  std::string_view standing;
};

// Records by the compatible string of the file handler that writes them.
constexpr std::array kRecords{
    Standing{"memfd-v2", kRead},
    Standing{"iommufd-v1", kPosted},
    Standing{"vfio-pci-v1", kPosted},
};

std::string_view standing_of_record(std::string_view compatible) {
  const auto found = std::ranges::find(kRecords, compatible, &Standing::thing);
  return found == kRecords.end() ? kAssumed : found->standing;
}

}  // namespace

Recorder::Recorder(Watch& watch) : watch_(watch) {
  subscribe_to_hardware();
  subscribe_to_errors();
  subscribe_to_user_space();
  subscribe_to_standings();
}

std::uint64_t Recorder::functions_missing() const {
  std::uint64_t missing = 0;
  pci::Fabric& fabric = watch_.machine().fabric();
  std::vector<const pci::Bus*> buses;
  for (const auto& root : fabric.root_buses()) buses.push_back(root.get());
  while (!buses.empty()) {
    const pci::Bus& bus = *buses.back();
    buses.pop_back();
    bus.for_each([&](const pci::Function& function) {
      // Below a bridge without numbers it has the address of something else.
      const bool reached = fabric.find(function.location()) == &function;
      if (!function.is_virtual() && (!reached || !found_.contains(function.location()))) ++missing;
      const auto* bridge = dynamic_cast<const pci::Bridge*>(&function);
      if (bridge != nullptr) buses.push_back(&bridge->secondary_bus());
    });
  }
  return missing;
}

void Recorder::subscribe_to_hardware() {
  sim::Simulation& simulation = watch_.simulation();
  simulation.topic<linux::PhaseEntered>().subscribe([this](const auto& o) { on_phase(o); });
  simulation.topic<pci::RequestDone>().subscribe([this](const auto& o) { on_request(o); });
  simulation.topic<host::KernelStarted>().subscribe([this](const auto&) { found_.clear(); });
  // A vendor id that is one: pci_bus_read_dev_vendor_id.
  simulation.topic<host::ConfigAccess>().subscribe([this](const host::ConfigAccess& seen) {
    if (!seen.write && seen.offset == 0 && (seen.value & 0xFFFF) != 0xFFFF) {
      found_.insert(seen.address);
    }
  });
  simulation.topic<host::KernelJumped>().subscribe([this](const host::KernelJumped& seen) {
    ++live_updates_;
    abandoned_.clear();
    enter(seen.from_generation, "kexec");
  });
  simulation.topic<host::ColdRebooted>().subscribe(
      [this](const host::ColdRebooted& seen) { enter(seen.from_generation, "reset"); });
  simulation.topic<host::KernelHalted>().subscribe([this](const host::KernelHalted& seen) {
    note(fmt::format("kernel {} panics: {}", seen.generation, seen.reason));
    enter(seen.generation, "halted");
  });
  simulation.topic<devices::dsa::DeviceHalted>().subscribe([this](const auto& seen) {
    note(fmt::format("{} halts, error {:#x}", seen.function.name(), seen.code));
  });
  simulation.topic<devices::nvme::ControllerFailed>().subscribe([this](const auto& seen) {
    note(fmt::format("{} sets CSTS.CFS: {}", seen.function.name(), seen.why));
  });
}

// A storm of errors is told once for each sender, severity and root.
void Recorder::subscribe_to_errors() {
  sim::Simulation& simulation = watch_.simulation();
  simulation.topic<pci::ErrorMessageReceived>().subscribe([this](const auto& seen) {
    std::string text = fmt::format("{} from {} reaches {}", pci::to_string(seen.severity),
                                   to_string(seen.source), seen.root.name());
    if (errors_told_.insert(text).second) note(std::move(text));
  });
  simulation.topic<pci::PortContained>().subscribe([this](const pci::PortContained& seen) {
    note(fmt::format("{} contains an error: its link goes down", seen.port.name()));
  });
  simulation.topic<pci::VirtualFunctionsChanged>().subscribe([this](const auto& seen) {
    note(fmt::format("{} has {} virtual functions", seen.physical.name(), seen.count));
  });
}

void Recorder::subscribe_to_user_space() {
  sim::Simulation& simulation = watch_.simulation();
  simulation.topic<vmm::GuestPaused>().subscribe([this](const vmm::GuestPaused& seen) {
    paused_.emplace(std::string(seen.vm), watch_.now());
  });
  simulation.topic<vmm::GuestResumed>().subscribe([this](const vmm::GuestResumed& seen) {
    const auto found = paused_.find(seen.vm);
    if (found == paused_.end()) return;
    longest_pause_ = std::max(longest_pause_, watch_.now() - found->second);
    paused_.erase(found);
  });
  // A guest that starts anew was not carried over: its pause is not one of the live update.
  simulation.topic<vmm::GuestStarted>().subscribe([this](const vmm::GuestStarted& seen) {
    if (paused_.erase(std::string(seen.vm)) != 0)
      note(fmt::format("guest {} starts anew", seen.vm));
  });
  simulation.topic<vmm::GuestStopped>().subscribe([this](const vmm::GuestStopped& seen) {
    paused_.erase(std::string(seen.vm));
    note(fmt::format("guest {} is stopped", seen.vm));
  });
  // Guests of a kernel that is reset are gone, not paused.
  simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) { paused_.clear(); });
  simulation.topic<vmm::UserStepFailed>().subscribe([this](const vmm::UserStepFailed& seen) {
    note(fmt::format("kernel {}, {}: {} fails with {}", seen.generation, seen.who, seen.step,
                     linux::name(seen.error)));
  });
  simulation.topic<vmm::OperatorAnswered>().subscribe([this](const vmm::OperatorAnswered& seen) {
    if (!seen.done) note(fmt::format("{}: refused by kernel {}", seen.command, seen.generation));
  });
}

// What is used is counted at its first use.
void Recorder::subscribe_to_standings() {
  sim::Simulation& simulation = watch_.simulation();
  use(std::string(kAssumed), "fabric and CPU timing");
  use(std::string(kAssumed), "remapping unit timing");
  simulation.topic<linux::SessionFileChanged>().subscribe(
      [this](const linux::SessionFileChanged& seen) {
        if (seen.state == luo::name(luo::FileState::kAbandoned)) {
          ++abandoned_[std::string(seen.session)];
        }
        use(std::string(standing_of_record(seen.compatible)), std::string(seen.compatible));
      });
  simulation.topic<linux::SessionChanged>().subscribe([this](const linux::SessionChanged& seen) {
    use(std::string(kRead), "luo-v5");
    on_session(seen);
  });
  simulation.topic<host::KernelJumped>().subscribe([this](const auto&) {
    use(std::string(kRead), "kho-v4");
    if (watch_.jumped()) use(std::string(kAssumed), "baton-*-v1 records (no upstream series)");
  });
  simulation.topic<linux::BootStepEntered>().subscribe([this](const linux::BootStepEntered& seen) {
    use(std::string(kAssumed), fmt::format("time of {}", seen.step.name));
  });
  simulation.topic<iommu_vtd::TranslationSwitched>().subscribe([this](const auto&) {
    use(std::string(kMeasured), "VT-d unit (replayed vectors)");
    use(std::string(kRead), "VT-d tables and registers");
  });
  simulation.topic<devices::dsa::DescriptorSubmitted>().subscribe(
      [this](const auto&) { use(std::string(kRead), "DSA registers and descriptors"); });
  simulation.topic<devices::nvme::CommandsSubmitted>().subscribe([this](const auto&) {
    use(std::string(kRead), "NVMe registers and commands");
    use(std::string(kAssumed), "NVMe timing, and what CSTS.CFS follows from");
  });
}

void Recorder::use(std::string standing, std::string thing) {
  standings_[std::move(standing)].insert(std::move(thing));
}

void Recorder::note(std::string text) {
  if (notes_.size() == kNotesMax) notes_.emplace_back("further notes are left out");
  if (notes_.size() > kNotesMax) return;
  notes_.push_back(fmt::format("{}  {}", sim::to_string(watch_.now()), text));
}

void Recorder::enter(unsigned generation, std::string name) {
  if (!phases_.empty()) {
    PhaseRow& last = phases_.back();
    if (last.generation == generation && last.name == name) return;
    last.to = watch_.now();
  }
  PhaseRow row;
  row.generation = generation;
  row.name = std::move(name);
  row.from = watch_.now();
  row.to = row.from;
  phases_.push_back(std::move(row));
}

void Recorder::on_phase(const linux::PhaseEntered& seen) {
  enter(seen.generation, std::string(phase_name(seen.phase)));
}

void Recorder::on_request(const pci::RequestDone& seen) {
  if (phases_.empty() || watch_.device(seen.function) == nullptr) return;
  PhaseRow& row = phases_.back();
  if (!seen.completion.arrived()) {
    ++row.dma_refused;
  } else if (seen.completion.destination == pci::Destination::kRam) {
    ++row.dma_requests;
    if (seen.request.write) row.dma_bytes += seen.request.length;
  }
}

void Recorder::finish() {
  if (!phases_.empty()) phases_.back().to = watch_.now();
  for (const auto& [vm, since] : paused_) {
    longest_pause_ = std::max(longest_pause_, watch_.now() - since);
    note(fmt::format("guest {} is paused since {} and was not resumed", vm, sim::to_string(since)));
  }
}

// Whoever held it has let go of it: nothing else tells its owner that this undoes everything.
void Recorder::on_session(const linux::SessionChanged& seen) {
  if (seen.state != luo::name(luo::SessionState::kClosed)) return;
  const auto files = abandoned_.extract(std::string(seen.session));
  if (files.empty()) return;
  note(fmt::format("session {} is closed before a jump: {} preserved file{} undone", seen.session,
                   files.mapped(), files.mapped() == 1 ? "" : "s"));
}

std::uint64_t Recorder::dma_bytes() const {
  std::uint64_t result = 0;
  for (const PhaseRow& row : phases_) result += row.dma_bytes;
  return result;
}

std::uint64_t Recorder::dma_bytes_without_kernel() const {
  std::uint64_t result = 0;
  bool without = false;
  for (const PhaseRow& row : phases_) {
    if (row.name == "freeze" || row.name == "kexec" || row.name == "reset") without = true;
    if (row.name == "run") without = false;
    if (without) result += row.dma_bytes;
  }
  return result;
}

std::vector<StandingCount> Recorder::standings() const {
  std::vector<StandingCount> result;
  for (const std::string_view standing : {kMeasured, kRead, kPosted, kAssumed}) {
    const auto found = standings_.find(standing);
    if (found == standings_.end()) continue;
    result.push_back({std::string(standing), {found->second.begin(), found->second.end()}});
  }
  return result;
}

}  // namespace baton::harness
