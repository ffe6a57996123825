// mmio-answered: what a guest's CPU does to a BAR of its device while there is no kernel reaches
// the device. A read that nobody answers is all ones, a write that nobody takes is gone; the CPU is
// told neither [PCIe 2.3.2].

#include <fmt/format.h>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/host/guest_core.h"

namespace baton::harness {
namespace {

class MmioAnswered final : public Checker {
 public:
  explicit MmioAnswered(Watch& watch) : Checker(watch) {
    watch.simulation().topic<host::CoreAccess>().subscribe(
        [this](const host::CoreAccess& seen) { on_access(seen); });
  }

  std::string_view id() const override { return "mmio-answered"; }

 private:
  void on_access(const host::CoreAccess& seen) {
    checked();
    const bool wrong = !seen.write && seen.stopped_at.empty() && seen.value != seen.expected;
    if ((seen.stopped_at.empty() && !wrong) || !want()) return;
    const std::string what =
        seen.write ? fmt::format("the write of {:#x} is lost", seen.value)
        : wrong    ? fmt::format("it reads {:#x}, and wrote {:#x}", seen.value, seen.expected)
                   : fmt::format("it reads {:#x}", seen.value);
    const pci::Function* target = watch_.bar_owner_at_freeze(seen.address);
    report(fmt::format("a CPU of {}, {} {:#x}", seen.vm, seen.write ? "write to" : "read from",
                       seen.address.value()),
           "a function takes it, and a read returns what was written",
           seen.stopped_at.empty() ? what : fmt::format("{}: {}", what, seen.stopped_at),
           target == nullptr ? watch_.milestones() : watch_.causes(*target));
  }
};

}  // namespace

std::unique_ptr<Checker> make_mmio_answered(Watch& watch) {
  return std::make_unique<MmioAnswered>(watch);
}

}  // namespace baton::harness
