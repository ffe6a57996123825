// scratch-clear: what is handed over is read from memory at the jump; no preserved block and no
// page of the tree lies in scratch, and the image lies nowhere else.
#include <fmt/format.h>

#include <algorithm>

#include "harness/invariants/checkers.h"
#include "harness/invariants/handed_over.h"
#include "harness/invariants/watch.h"

namespace baton::harness {
namespace {

class ScratchClear final : public Checker {
 public:
  explicit ScratchClear(Watch& watch) : Checker(watch) {
    watch.simulation().topic<host::KernelJumped>().subscribe(
        [this](const host::KernelJumped& seen) { on_jump(seen); });
  }

  std::string_view id() const override { return "scratch-clear"; }

 private:
  void on_jump(const host::KernelJumped& seen) {
    if (!watch_.handover()) return;
    const auto handed = read_handed_over(watch_.machine().memory(), seen.image);
    if (!handed) return;  // preserved-exactly says that nothing is handed over
    checked();
    for (const sim::PhysRange& area : handed->scratch) {
      for (const sim::PhysRange& block : handed->blocks.within(area)) {
        found(seen.from_generation, block.start, "a preserved block");
      }
      for (const PhysAddr page : handed->tree) {
        if (area.contains(page)) {
          found(seen.from_generation, page, "a page of the tree of preserved blocks");
        }
      }
    }
    for (const sim::PhysRange& segment : seen.image.segments) {
      const bool inside = std::ranges::any_of(handed->scratch, [&](const sim::PhysRange& area) {
        return segment.start >= area.start && segment.end() <= area.end();
      });
      if (inside || !want()) continue;
      report(page_name(segment.start), "every segment of an image lies in a scratch area",
             "a segment of the image does not", watch_.history().tell(segment.start));
    }
  }

  void found(unsigned generation, PhysAddr page, std::string_view what) {
    if (!want()) return;
    report(page_name(page), "scratch holds nothing that must survive",
           fmt::format("{} of kernel {} lies in scratch", what, generation),
           watch_.history().tell(page));
  }
};

}  // namespace

std::unique_ptr<Checker> make_scratch_clear(Watch& watch) {
  return std::make_unique<ScratchClear>(watch);
}

}  // namespace baton::harness
