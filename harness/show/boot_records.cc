#include "harness/show/boot_records.h"

#include "harness/show/handover_reader.h"

namespace baton::harness {
namespace {

// What the kernels call the page of their own root FDT.
constexpr std::string_view kRootFdt = "kho root fdt";

}  // namespace

void BootRecords::attach(Watch& watch, const Scenario& /*scenario*/) {
  watch_ = &watch;
  sim::Simulation& simulation = watch.simulation();
  simulation.topic<host::KernelStarted>().subscribe([this](const host::KernelStarted& seen) {
    if (!boots_.empty() && boots_.back().generation == seen.generation) return;
    boots_.push_back({seen.generation, watch_->now(), seen.handoff});
  });
  simulation.topic<host::KernelJumped>().subscribe([this](const host::KernelJumped& seen) {
    host::BootHandoff handoff;
    handoff.command_line = seen.image.command_line;
    handoff.segments = seen.image.segments;
    handoff.setup_data = seen.image.setup_data;
    handoff.cold = false;
    boots_.push_back({seen.to_generation, watch_->now(), std::move(handoff)});
  });
  simulation.topic<linux::PagesAllocated>().subscribe([this](const linux::PagesAllocated& seen) {
    if (seen.owner != nullptr && seen.owner == kRootFdt) {
      outgoing_[seen.generation] = seen.range.start;
    }
  });
}

std::optional<BootRecords::RootFdt> BootRecords::root_fdt() const {
  if (boots_.empty()) return std::nullopt;
  const Boot& last = boots_.back();
  const auto own = outgoing_.find(last.generation);
  if (last.handoff.setup_data != PhysAddr{} && (watch_->jumped() || own == outgoing_.end())) {
    const SetupChain chain = read_setup_data(watch_->machine().memory(), last.handoff.setup_data);
    if (!chain.kho) return std::nullopt;
    return RootFdt{chain.kho->fdt, chain.kho->fdt_size, last.generation - 1};
  }
  if (own == outgoing_.end()) return std::nullopt;
  return RootFdt{own->second, sim::kPageSize, last.generation};
}

}  // namespace baton::harness
