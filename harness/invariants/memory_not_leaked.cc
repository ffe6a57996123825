// memory-not-leaked: what a kernel preserved, the next one takes back: each page is restored, which
// gives it an owner who can free it. A page that is not stays reserved until the next power cycle.
// Judged when a handover is over and the run, or the kernel, comes to its end.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"

namespace baton::harness {
namespace {

// One page each, which the kernels themselves never give back [linux kernel/liveupdate/
// kexec_handover.c kho_init, luo_flb.c: read in place for as long as the kernel runs].
constexpr std::array<std::string_view, 3> kReadInPlace{"kho root fdt", "kexec-metadata",
                                                       "luo flb page"};

class MemoryNotLeaked final : public Checker {
 public:
  explicit MemoryNotLeaked(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<linux::LedgerEntry>().subscribe([this](const auto& o) { on_ledger(o); });
    simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { on_jump(); });
    simulation.topic<host::KernelHalted>().subscribe([this](const auto&) { left_.clear(); });
    simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) { left_.clear(); });
  }

  std::string_view id() const override { return "memory-not-leaked"; }
  // A handover that did not end owes nothing yet: session-complete says that it did not.
  void finish() override {
    if (!watch_.handover()) settle();
  }

 private:
  void on_ledger(const linux::LedgerEntry& seen) {
    const bool memory =
        seen.kind == linux::LedgerKind::kPages || seen.kind == linux::LedgerKind::kTable;
    if (!memory) return;
    if (seen.event == linux::LedgerEvent::kRestored) left_.remove(seen.pages);
    if (seen.event == linux::LedgerEvent::kPreserved &&
        std::ranges::find(kReadInPlace, std::string_view(seen.what)) != kReadInPlace.end()) {
      read_in_place_.add(seen.pages);
    }
  }

  void on_jump() {
    // The jump of the next handover: the books of the last one are closed.
    settle();
    if (watch_.jumped()) left_ = watch_.history().preserved_at_last_jump();
    for (const sim::PhysRange& range : read_in_place_.runs()) left_.remove(range);
    read_in_place_.clear();
  }

  void settle() {
    checked();
    const std::vector<sim::PhysRange> left = left_.runs();
    left_.clear();
    for (const sim::PhysRange& range : left) {
      if (!want()) continue;
      report(page_name(range.start),
             "restored, and so given an owner, by the kernel after the jump",
             fmt::format("preserved, and never asked for: {} KiB in one run ({} KiB in all)",
                         range.length / 1024, pages_in(left) * (sim::kPageSize / 1024)),
             watch_.history().tell(range.start));
    }
  }

  PageSet left_;           // preserved at the last jump, not restored since
  PageSet read_in_place_;  // preserved by the running kernel, never to be restored
};

}  // namespace

std::unique_ptr<Checker> make_memory_not_leaked(Watch& watch) {
  return std::make_unique<MemoryNotLeaked>(watch);
}

}  // namespace baton::harness
