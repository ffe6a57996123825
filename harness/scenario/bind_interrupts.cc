#include "harness/scenario/bind_interrupts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "model/iommu_vtd/profiles.h"

namespace baton::harness {
namespace {

using linux::InterruptPolicy;
using linux::InterruptTablePolicy;
using linux::MsiAtBoot;
using linux::ReinjectPolicy;
using vmm::GuestCompletions;

constexpr std::array kCompletions{
    std::pair<std::string_view, GuestCompletions>("interrupts-and-timer",
                                                  GuestCompletions::kInterruptsAndTimer),
    std::pair<std::string_view, GuestCompletions>("polling", GuestCompletions::kPolling),
    std::pair<std::string_view, GuestCompletions>("every-edge", GuestCompletions::kEveryEdge),
    std::pair<std::string_view, GuestCompletions>("timeout-resets",
                                                  GuestCompletions::kTimeoutResets)};

// A word that is no choice has been reported by the schema.
template <class Table, class Value>
void bind_choice(const View& view, const Table& table, Value& value) {
  const std::string word = view.text();
  const auto found =
      std::ranges::find_if(table, [&](const auto& row) { return row.first == word; });
  if (found != table.end()) value = found->second;
}

}  // namespace

void check_interrupt_policies(const View& own, const View& common, const linux::Policies& policies,
                              const MachineSpec& machine, Diagnostics& diagnostics) {
  const auto refuse = [&](std::string_view key, std::string problem, std::string help) {
    const View here = own.key(key);
    const View view = here.given() ? here : common.key(key);
    diagnostics.add(Problem::kConflict, view.at(), std::move(problem), "", std::move(help));
  };
  const InterruptPolicy interrupts = policies.interrupts;
  const bool table_kept = policies.interrupt_table == InterruptTablePolicy::kPreserve;
  const bool finds =
      interrupts == InterruptPolicy::kPostedCapture || interrupts == InterruptPolicy::kRemember;
  const bool in_entries =
      interrupts == InterruptPolicy::kPostedCapture || interrupts == InterruptPolicy::kIrteDrop;
  if (in_entries && !machine.interrupt_remapping) {
    refuse("interrupts", "interrupts: there are no remapping entries",
           "machine.iommu.interrupt_remapping: true");
  } else if (interrupts == InterruptPolicy::kPostedCapture && !machine.posted_interrupts) {
    refuse("interrupts", "interrupts: the remapping units do not post interrupts",
           "machine.iommu.posted_interrupts: true");
  } else if (interrupts == InterruptPolicy::kPostedCapture && !table_kept) {
    refuse("interrupts", "interrupts: nobody finds what is captured without the table",
           "interrupt_table: preserve");
  }
  if (policies.reinject == ReinjectPolicy::kPendingOnly && !finds) {
    refuse("reinject", "reinject: pending-only: nobody knows which interrupts are pending",
           "interrupts: posted-capture or remember, or reinject: spurious");
  }
  const bool off = interrupts == InterruptPolicy::kDisableInFreeze ||
                   interrupts == InterruptPolicy::kRequireDisabled;
  if (policies.msi_at_boot == MsiAtBoot::kAdopt && off) {
    refuse("msi_at_boot", "msi_at_boot: adopt: the interrupts are off by then",
           "interrupts: irte-drop, posted-capture, remember or keep");
  } else if (policies.msi_at_boot == MsiAtBoot::kAdopt && !table_kept) {
    refuse("msi_at_boot", "msi_at_boot: adopt: the entries that messages name are gone",
           "interrupt_table: preserve");
  }
  if (policies.interrupt_replay == linux::InterruptReplay::kBeforeIommu &&
      interrupts != InterruptPolicy::kRemember) {
    refuse("interrupt_replay", "interrupt_replay: nothing is noted that could be replayed",
           "interrupts: remember");
  }
}

void bind_posted_interrupts(const View& iommu, MachineSpec& machine, Diagnostics& diagnostics) {
  const View view = iommu.key("posted_interrupts");
  machine.posted_interrupts = view.text() == "true";
  if (!machine.posted_interrupts) return;
  const auto* part = iommu_vtd::find_profile(machine.iommu_profile);
  if (part != nullptr && !iommu_vtd::can_post_interrupts(part->make())) {
    diagnostics.add(Problem::kConflict, view.at(),
                    fmt::format("{} does not post interrupts", machine.iommu_profile), "",
                    "profile: sapphire-rapids or skylake-sp");
  } else if (!machine.interrupt_remapping) {
    diagnostics.add(Problem::kConflict, view.at(), "posted_interrupts: interrupts are not remapped",
                    "", "interrupt_remapping: true");
  }
}

void bind_completions(const View& workload, VmSpec& vm, Diagnostics& diagnostics) {
  constexpr std::uint64_t kDriverTimeoutNs = 30'000'000'000;  // [linux nvme_core.io_timeout=30]
  vmm::WorkloadConfig& config = vm.workload;
  bind_choice(workload.key("completions"), kCompletions, config.completions);
  const View timer = workload.key("timer");
  if (timer.given()) {
    config.poll_interval_ns = timer.number() / 1000;
  } else if (config.completions == GuestCompletions::kTimeoutResets) {
    config.poll_interval_ns = kDriverTimeoutNs;
  }
  if (timer.given() && config.completions == GuestCompletions::kEveryEdge) {
    diagnostics.add(Problem::kConflict, timer.at(), "timer: a guest that needs every edge has none",
                    "", "completions: interrupts-and-timer, polling or timeout-resets");
  }
}

bool bind_batches(const View& vm_view, const MachineSpec& machine, VmSpec& vm,
                  Diagnostics& diagnostics) {
  const View view = vm_view.key("workload").key("batches");
  if (!view.given()) return false;
  vmm::WorkloadConfig& w = vm.workload;
  const bool disk = vm.device == vmm::GuestDevice::kNvme;
  const unsigned steps = disk || w.peer_buffer != 0 ? 2 : 1;
  w.batches_in_flight = static_cast<std::uint32_t>(view.number());
  w.batch_members = std::max<std::uint32_t>(2, steps * w.depth);
  const bool fits = disk ? vmm::disk_workload_fits(w, vm.memory) &&
                               vmm::disk_bytes_needed(w) <= machine.add[vm.devices.front()].capacity
                         : vmm::workload_fits(w, vm.memory);
  if (!fits) {
    diagnostics.add(Problem::kConflict, view.at(),
                    "batches: so many do not fit into the VM's memory, its disk or the queue", "",
                    "lower batches, depth or size, or give the VM more memory");
  }
  return true;
}

}  // namespace baton::harness
