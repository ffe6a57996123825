#include "harness/invariants/watch.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/invariants/checkers.h"
#include "harness/invariants/interrupt_book.h"
#include "model/devices/dsa/observations.h"
#include "model/devices/dsa/registers.h"
#include "model/luo/state_machine.h"
#include "model/vmm/observations.h"

namespace baton::harness {
namespace {

// Of a DSA: null for a command that leaves work alone.
const char* stopping_command(std::uint32_t command) {
  using devices::dsa::Command;
  switch (static_cast<Command>(command)) {
    case Command::kDisableDevice:
      return "Disable Device";
    case Command::kAbortAll:
      return "Abort All";
    case Command::kResetDevice:
      return "Reset Device";
    case Command::kDisableWq:
      return "Disable WQ";
    case Command::kAbortWq:
      return "Abort WQ";
    case Command::kResetWq:
      return "Reset WQ";
    default:
      return nullptr;
  }
}

// Merges neighbours and sorts, so that two walks of equal mappings are equal.
std::vector<MappedRun> normalise(std::vector<MappedRun> runs) {
  std::ranges::sort(runs, {}, &MappedRun::from);
  std::vector<MappedRun> result;
  for (const MappedRun& run : runs) {
    if (!result.empty()) {
      MappedRun& last = result.back();
      if (last.from + last.length == run.from && last.to + last.length == run.to &&
          last.writable == run.writable) {
        last.length += run.length;
        continue;
      }
    }
    result.push_back(run);
  }
  return result;
}

const char* words(linux::RunPhase phase) {
  switch (phase) {
    case linux::RunPhase::kBoot:
      return "starts to boot";
    case linux::RunPhase::kRun:
      return "opens for user space";
    case linux::RunPhase::kPreserve:
      return "preserves its first file";
    case linux::RunPhase::kFreeze:
      return "freezes";
    case linux::RunPhase::kKexec:
      return "jumps";
    case linux::RunPhase::kRetrieve:
      return "gives back its first file";
    case linux::RunPhase::kFinish:
      return "finishes";
    case linux::RunPhase::kEnd:
      return "ends";
  }
  return "?";
}

}  // namespace

std::optional<PhysAddr> Mapping::find(Iova address) const {
  const auto after = std::ranges::upper_bound(runs, address, {}, &MappedRun::from);
  if (after == runs.begin()) return std::nullopt;
  const MappedRun& run = *std::prev(after);
  const std::uint64_t offset = address - run.from;
  if (offset >= run.length) return std::nullopt;
  return run.to + offset;
}

Mapping walk_mapping(host::Machine& machine, const pci::Function& function) {
  Mapping mapping;
  const iommu_vtd::RemappingUnit* unit = machine.iommu_of(function);
  if (unit == nullptr || !unit->translation_enabled()) return mapping;
  unit->inspect_tables(
      function.requester_id(),
      [&mapping](PhysAddr page, const char*) { mapping.tables.push_back({page, sim::kPageSize}); },
      [&mapping](Iova from, PhysAddr to, std::uint64_t length, bool writable) {
        mapping.runs.push_back({from, to, length, writable});
      });
  mapping.runs = normalise(std::move(mapping.runs));
  return mapping;
}

Watch::Watch(World world) : world_(std::move(world)), history_(world_.simulation) {
  at_freeze_.resize(world_.devices.size());
  for (std::size_t i = 0; i < world_.devices.size(); ++i) {
    order_.emplace(world_.devices[i].function, i);
  }
  simulation().topic<linux::PhaseEntered>().subscribe([this](const auto& o) { on_phase(o); });
  simulation().topic<host::KernelJumped>().subscribe([this](const host::KernelJumped& seen) {
    jumped_ = handover_;
    files_.clear();
    milestone(fmt::format("kernel {} is gone; devices go on", seen.from_generation));
  });
  simulation().topic<host::HostChanged>().subscribe(
      [this](const host::HostChanged& seen) { milestone(std::string(seen.what)); });
  simulation().topic<host::KernelHalted>().subscribe([this](const host::KernelHalted& seen) {
    milestone(fmt::format("kernel {} panics: {}", seen.generation, seen.reason));
  });
  simulation().topic<host::ColdRebooted>().subscribe([this](const host::ColdRebooted& seen) {
    end_handover();
    files_.clear();
    guests_.clear();
    milestone(fmt::format("kernel {} resets the platform", seen.from_generation));
  });
  // Published right before the write itself.
  simulation().topic<host::ConfigAccess>().subscribe([this](const host::ConfigAccess& seen) {
    if (!seen.write) return;
    last_write_ = seen;
    last_write_at_ = now();
  });
  blame_writes();
  subscribe_to_sessions();
  subscribe_to_guests();
  interrupts_ = std::make_unique<InterruptBook>(*this);
}

Watch::~Watch() = default;

void Watch::blame_writes() {
  simulation().topic<pci::ConfigWritten>().subscribe([this](const pci::ConfigWritten& seen) {
    if (!handover_ || seen.old_value == seen.new_value) return;
    const std::string_view name = seen.function.config().register_name(seen.offset);
    blame_.on_written(
        seen, link(fmt::format("{} changes {}{}{:#x} of {} from {:#x} to {:#x}", writer_of(seen),
                               name, name.empty() ? "offset " : ", offset ", seen.offset,
                               seen.function.name(), seen.old_value, seen.new_value)));
  });
  // Guests set queues up and are not to blame for that; these take away what is queued.
  simulation().topic<devices::dsa::CommandTaken>().subscribe(
      [this](const devices::dsa::CommandTaken& seen) {
        const char* name = stopping_command(seen.command);
        if (!handover_ || name == nullptr) return;
        blame_.on_command(seen.function, link(fmt::format("{} is written to CMD of {}", name,
                                                          seen.function.name())));
      });
  simulation().topic<pci::FunctionReset>().subscribe([this](const pci::FunctionReset& seen) {
    if (!handover_) return;
    std::string text = fmt::format("{} is reset", seen.function.name());
    if (last_write_ && last_write_at_ == now()) {
      const host::ConfigAccess& by = *last_write_;
      text += fmt::format(": kernel {}, {} writes {:#x} to offset {:#x} of {}", by.generation,
                          by.by, by.value, by.offset, sim::to_string(by.address));
    }
    blame_.on_reset(seen, link(std::move(text)));
  });
}

std::vector<ChainLink> Watch::causes(const pci::Function& sender,
                                     const pci::Function* target) const {
  std::vector<ChainLink> chain = milestones_;
  blame_.explain(sender, chain);
  if (target != nullptr && target != &sender) blame_.explain(*target, chain);
  std::ranges::stable_sort(chain, {}, &ChainLink::time);
  return chain;
}

const pci::Function* Watch::bar_owner_at_freeze(PhysAddr address) const {
  const auto found = std::ranges::find_if(
      bars_at_freeze_, [address](const BarPlace& bar) { return bar.range.contains(address); });
  return found == bars_at_freeze_.end() ? nullptr : found->function;
}

std::string Watch::writer_of(const pci::ConfigWritten& seen) const {
  const bool known = last_write_ && last_write_at_ == now() &&
                     last_write_->address == seen.address && last_write_->offset == seen.offset &&
                     last_write_->width == seen.width && last_write_->value == seen.written;
  if (!known) return "nobody's kernel";
  return fmt::format("kernel {}, {}", last_write_->generation, last_write_->by);
}

void Watch::subscribe_to_sessions() {
  simulation().topic<linux::SessionFileChanged>().subscribe([this](const auto& o) { on_file(o); });
  simulation().topic<linux::SessionChanged>().subscribe([this](const auto& o) { on_session(o); });
}

void Watch::subscribe_to_guests() {
  simulation().topic<vmm::GuestStarted>().subscribe(
      [this](const vmm::GuestStarted& seen) { guests_[std::string(seen.vm)] = seen.status; });
  simulation().topic<vmm::GuestResumed>().subscribe([this](const vmm::GuestResumed& seen) {
    guests_[std::string(seen.vm)] = seen.status;
    // A guest that goes on under the kernel that froze it: the reboot was refused.
    if (handover_ && !jumped_) end_handover();
  });
  simulation().topic<vmm::GuestStopped>().subscribe(
      [this](const vmm::GuestStopped& seen) { guests_.erase(std::string(seen.vm)); });
}

void Watch::on_file(const linux::SessionFileChanged& seen) {
  const std::string session(seen.session);
  if (seen.state == luo::name(luo::FileState::kPreserved)) files_[session].insert(seen.token);
  if (seen.state == luo::name(luo::FileState::kAbandoned)) files_[session].erase(seen.token);
  if (seen.state == luo::name(luo::FileState::kFrozen) && !handover_) begin_handover();
}

void Watch::on_session(const linux::SessionChanged& seen) {
  const std::string session(seen.session);
  const bool closed = seen.state == luo::name(luo::SessionState::kClosed);
  if (closed && !handover_) files_.erase(session);
  // Closing a retrieved session finishes it, unless a file refuses: then it is an orphan.
  if (!jumped_ || (!closed && seen.state != luo::name(luo::SessionState::kFinished))) return;
  pending_.erase(session);
  if (pending_.empty()) end_handover();
}

const WatchedDevice* Watch::device(const pci::Function& function) const {
  const auto found = order_.find(&function);
  return found == order_.end() ? nullptr : &world_.devices[found->second];
}

const Mapping& Watch::at_freeze(const pci::Function& function) const {
  return at_freeze_[order_.at(&function)];
}

void Watch::milestone(std::string text) { milestones_.push_back(link(std::move(text))); }

// A reboot hook with nothing preserved promises nothing.
void Watch::begin_handover() {
  pending_.clear();
  for (const auto& [session, tokens] : files_) {
    if (!tokens.empty()) pending_.insert(session);
  }
  if (pending_.empty()) return;
  carried_ = pending_;
  blame_.clear();
  note_bars();
  handover_ = true;
  jumped_ = false;
  for (std::size_t i = 0; i < world_.devices.size(); ++i) {
    at_freeze_[i] = walk_mapping(world_.machine, *world_.devices[i].function);
  }
  for (const auto& call : at_begin_) call();
}

void Watch::note_bars() {
  bars_at_freeze_.clear();
  for (const pci::Function* function : machine().fabric().functions()) {
    if (!function->memory_enabled()) continue;
    for (unsigned i = 0; i < pci::kRomBar; ++i) {
      const pci::Bar& bar = function->config().bar(i);
      if (bar.kind != pci::BarKind::kMemory32 && bar.kind != pci::BarKind::kMemory64) continue;
      bars_at_freeze_.push_back(
          {function, {PhysAddr(function->config().bar_address(i)), bar.size}});
    }
  }
}

void Watch::end_handover() {
  handover_ = false;
  jumped_ = false;
  pending_.clear();
  for (Mapping& mapping : at_freeze_) mapping = {};
}

void Watch::on_phase(const linux::PhaseEntered& seen) {
  milestone(fmt::format("kernel {} {}", seen.generation, words(seen.phase)));
  if (seen.phase == linux::RunPhase::kFreeze && !handover_) begin_handover();
  // The reboot failed, and what was frozen is thawed, or dead.
  if (seen.phase == linux::RunPhase::kRun && handover_ && !jumped_) end_handover();
}

void Checker::report(std::string subject, std::string expected, std::string seen,
                     std::vector<ChainLink> chain) {
  report(std::move(subject), std::move(expected), std::move(seen),
         Evidence{std::move(chain), {}, nullptr});
}

void Checker::report(std::string subject, std::string expected, std::string seen,
                     Evidence evidence) {
  Violation violation;
  violation.id = id();
  violation.time = watch_.now();
  violation.event = watch_.event();
  violation.at_end = watch_.ended();
  violation.chain = std::move(evidence.chain);
  violation.chain.push_back(watch_.link(fmt::format("{}: {}", subject, seen)));
  violation.changes = std::move(evidence.changes);
  if (evidence.device != nullptr) {
    violation.device = fmt::format("{} at {}", evidence.device->name(),
                                   sim::to_string(evidence.device->location()));
  }
  violation.subject = std::move(subject);
  violation.expected = std::move(expected);
  violation.seen = std::move(seen);
  watch_.findings().report(std::move(violation));
}

bool Checker::want() {
  if (watch_.findings().wants_detail(id())) return true;
  watch_.findings().count_more(id());
  return false;
}

std::vector<std::unique_ptr<Checker>> make_checkers(Watch& watch) {
  std::vector<std::unique_ptr<Checker>> result;
  result.push_back(make_dma_continuity(watch));
  result.push_back(make_dma_integrity(watch));
  result.push_back(make_isolation(watch));
  result.push_back(make_memory_not_reused(watch));
  result.push_back(make_translation_equal(watch));
  result.push_back(make_session_complete(watch));
  result.push_back(make_bus_master_path(watch));
  result.push_back(make_requester_id_stable(watch));
  result.push_back(make_bars_stable(watch));
  result.push_back(make_windows_stable(watch));
  result.push_back(make_config_writes(watch));
  result.push_back(make_no_reset(watch));
  result.push_back(make_domain_id_unique(watch));
  result.push_back(make_memory_not_leaked(watch));
  result.push_back(make_ownership(watch));
  result.push_back(make_fault_log_clean(watch));
  result.push_back(make_pause_budget(watch));
  result.push_back(make_irq_accounted(watch));
  result.push_back(make_irq_no_orphan(watch));
  result.push_back(make_device_key(watch));
  result.push_back(make_mmio_answered(watch));
  result.push_back(make_scratch_clear(watch));
  result.push_back(make_preserved_exactly(watch));
  result.push_back(make_process_calls(watch));
  result.push_back(make_file_callbacks(watch));
  result.push_back(make_file_held_once(watch));
  result.push_back(make_flb_order(watch));
  result.push_back(make_handover_record(watch));
  result.push_back(make_sessions_sealed(watch));
  result.push_back(make_abi_refused(watch));
  result.push_back(make_freeze_stops(watch));
  result.push_back(make_records_true(watch));
  return result;
}

std::string page_name(PhysAddr address) {
  return fmt::format("page {:#x}", address.page_base().value());
}

}  // namespace baton::harness
