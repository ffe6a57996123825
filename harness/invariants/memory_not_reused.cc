// memory-not-reused: what must survive is computed at the jump from the hardware's point of view
// (every table that the remapping unit can read for a preserved device, every page that they map)
// and from what was recorded as preserved. Then no later kernel may get any of it.

#include <fmt/format.h>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/linux/base/page_alloc.h"

namespace baton::harness {
namespace {

class MemoryNotReused final : public Checker {
 public:
  explicit MemoryNotReused(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { on_jump(); });
    simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) { forget(); });
    simulation.topic<linux::MemoryReleased>().subscribe([this](const auto& o) { on_released(o); });
    simulation.topic<linux::PagesAllocated>().subscribe(
        [this](const auto& o) { on_taken(o.generation, o.range, "handed out"); });
    simulation.topic<linux::PagesFreed>().subscribe(
        [this](const auto& o) { on_taken(o.generation, o.range, "freed"); });
  }

  std::string_view id() const override { return "memory-not-reused"; }

 private:
  void forget() {
    reachable_.clear();
    recorded_.clear();
  }

  void on_jump() {
    forget();
    if (!watch_.handover()) return;
    for (const WatchedDevice& device : watch_.devices()) {
      if (!watch_.carried(device)) continue;
      const Mapping mapping = walk_mapping(watch_.machine(), *device.function);
      for (const sim::PhysRange& table : mapping.tables) reachable_.add(table);
      for (const MappedRun& run : mapping.runs) {
        // A peer's BAR is no memory.
        if (watch_.bar_owner_at_freeze(run.to) == nullptr) reachable_.add({run.to, run.length});
      }
    }
    recorded_ = watch_.history().preserved_at_last_jump();
  }

  void on_released(const linux::MemoryReleased& seen) {
    if (!watch_.jumped()) return;
    checked();
    const std::vector<sim::PhysRange> reachable = reachable_.outside(seen.kept);
    report_lost(seen.generation, reachable, "a preserved device can reach it");
    PageSet rest = recorded_;
    for (const sim::PhysRange& range : reachable) rest.remove(range);
    report_lost(seen.generation, rest.outside(seen.kept), "it was recorded as preserved");
    recorded_.clear();
  }

  void report_lost(unsigned generation, const std::vector<sim::PhysRange>& lost,
                   std::string_view why) {
    for (const sim::PhysRange& range : lost) {
      if (!want()) continue;
      const std::uint64_t pages = range.length / sim::kPageSize;
      report(page_name(range.start), fmt::format("kernel {} keeps it: {}", generation, why),
             fmt::format("released to its page allocator, {} in one run ({} in all)",
                         count_text(pages), pages_in(lost)),
             about(range.start));
    }
  }

  Evidence about(PhysAddr page) const {
    return {watch_.history().tell(page), watch_.history().ledger(page), nullptr};
  }

  static std::string count_text(std::uint64_t pages) {
    return pages == 1 ? "1 page" : fmt::format("{} pages", pages);
  }

  void on_taken(unsigned generation, sim::PhysRange range, const char* what) {
    if (!watch_.jumped() || reachable_.empty()) return;
    checked();
    const std::vector<sim::PhysRange> taken = reachable_.within(range);
    if (taken.empty() || !want()) return;
    report(page_name(taken.front().start),
           "it stays what it was until the finish: a preserved device can reach it",
           fmt::format("{} by kernel {}", what, generation), about(taken.front().start));
  }

  PageSet reachable_;
  PageSet recorded_;
};

}  // namespace

std::unique_ptr<Checker> make_memory_not_reused(Watch& watch) {
  return std::make_unique<MemoryNotReused>(watch);
}

}  // namespace baton::harness
