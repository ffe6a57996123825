// preserved-exactly: the books of what is preserved, kept from observations, held against the tree
// of preserved blocks at the jump, against what is freed before it and restored after it.
#include <fmt/format.h>

#include <utility>

#include "harness/invariants/checkers.h"
#include "harness/invariants/handed_over.h"
#include "harness/invariants/watch.h"

namespace baton::harness {
namespace {

class PreservedExactly final : public Checker {
 public:
  explicit PreservedExactly(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<linux::LedgerEntry>().subscribe([this](const auto& o) { on_ledger(o); });
    simulation.topic<linux::PagesFreed>().subscribe([this](const auto& o) { on_freed(o); });
    simulation.topic<host::KernelJumped>().subscribe([this](const auto& o) { on_jump(o); });
    simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) {
      outgoing_.clear();
      incoming_.clear();
    });
  }

  std::string_view id() const override { return "preserved-exactly"; }

 private:
  // Blocks are told by KHO as pages; tables are told once more by their owners.
  void on_ledger(const linux::LedgerEntry& seen) {
    if (seen.kind != linux::LedgerKind::kPages || seen.pages.length == 0) return;
    if (seen.event == linux::LedgerEvent::kPreserved) outgoing_.add(seen.pages);
    if (seen.event == linux::LedgerEvent::kUnpreserved) outgoing_.remove(seen.pages);
    if (seen.event == linux::LedgerEvent::kRestored) on_restored(seen);
  }

  void on_restored(const linux::LedgerEntry& seen) {
    checked();
    const std::uint64_t found = pages_in(incoming_.within(seen.pages));
    incoming_.remove(seen.pages);
    const std::uint64_t pages = seen.pages.length / sim::kPageSize;
    if (found == pages || !want()) return;
    report(page_name(seen.pages.start), "restored once, and only if it was preserved",
           fmt::format("kernel {} restores {} pages, {} of them not preserved, or restored before",
                       seen.generation, pages, pages - found),
           watch_.history().tell(seen.pages.start));
  }

  void on_freed(const linux::PagesFreed& seen) {
    const std::vector<sim::PhysRange> lost = outgoing_.within(seen.range);
    if (lost.empty()) return;
    checked();
    if (!want()) return;
    report(page_name(lost.front().start), "its owner keeps it for as long as it is preserved",
           fmt::format("freed by kernel {} while it is preserved", seen.generation),
           watch_.history().tell(lost.front().start));
  }

  void on_jump(const host::KernelJumped& seen) {
    incoming_ = std::exchange(outgoing_, {});
    if (!watch_.handover()) return;
    checked();
    const auto handed = read_handed_over(watch_.machine().memory(), seen.image);
    if (!handed || !handed->whole) {
      if (!want()) return;
      report(fmt::format("handover of kernel {}", seen.from_generation),
             "a root FDT that names a whole tree of preserved blocks",
             handed ? "the tree leads out of memory" : "the image carries none that can be read",
             watch_.milestones());
      return;
    }
    const std::vector<sim::PhysRange> missing = incoming_.outside(handed->blocks.runs());
    const std::vector<sim::PhysRange> surplus = handed->blocks.outside(incoming_.runs());
    compare(missing, "preserved, and not in the tree");
    compare(surplus, "in the tree, and not preserved");
  }

  void compare(const std::vector<sim::PhysRange>& ranges, std::string_view how) {
    if (ranges.empty() || !want()) return;
    report(page_name(ranges.front().start), "the tree of preserved blocks says what is preserved",
           fmt::format("{}: {} pages in all", how, pages_in(ranges)),
           watch_.history().tell(ranges.front().start));
  }

  PageSet outgoing_;  // of the running kernel
  PageSet incoming_;  // of the one before it, not restored yet
};

}  // namespace

std::unique_ptr<Checker> make_preserved_exactly(Watch& watch) {
  return std::make_unique<PreservedExactly>(watch);
}

}  // namespace baton::harness
