// irq-accounted: every interrupt of a VM's device, by id, is delivered, merged into one that is, or
// lost; and for a loss its vCPU gets another interrupt of that vector, or its owner knows.
//
// Counted in interrupt_book.h. Not judged: what the guest makes of an interrupt, and guests that
// have ended or do not run.

#include <fmt/format.h>

#include "harness/invariants/checkers.h"
#include "harness/invariants/interrupt_book.h"
#include "harness/invariants/watch.h"

namespace baton::harness {
namespace {

class IrqAccounted final : public Checker {
 public:
  explicit IrqAccounted(Watch& watch) : Checker(watch) {
    watch.simulation().topic<pci::InterruptRaised>().subscribe([this](const auto& seen) {
      if (watch_.device(seen.function) != nullptr) checked();
    });
  }

  std::string_view id() const override { return "irq-accounted"; }

  void finish() override {
    const InterruptBook& book = watch_.interrupts();
    for (const LostInterrupt& loss : book.losses()) {
      if (loss.overdue || book.is_open(loss)) tell(loss);
    }
    for (const InterruptBook::Stuck& stuck : book.stuck()) {
      if (!want()) continue;
      report(subject(stuck.interrupt), "delivered, merged or lost",
             fmt::format("raised at {}, it is still in {}", sim::to_string(stuck.interrupt.raised),
                         stuck.place),
             watch_.milestones());
    }
    const InterruptCounts counts = book.counts();
    const std::uint64_t ends = counts.delivered + counts.merged + counts.lost + counts.under_way;
    if (counts.phantoms != 0 && want()) {
      report("a kernel that found interrupts of the gap", "what devices raised",
             fmt::format("{} that nobody raised", counts.phantoms), watch_.milestones());
    }
    if (ends != counts.raised && want()) {
      report("the interrupts of all VMs", fmt::format("{} ends", counts.raised),
             fmt::format("{} delivered, {} merged, {} lost, {} under way", counts.delivered,
                         counts.merged, counts.lost, counts.under_way),
             watch_.milestones());
    }
  }

 private:
  std::string subject(const RaisedInterrupt& interrupt) const {
    const WatchedDevice& device = watch_.devices()[interrupt.source.first];
    return fmt::format("interrupt {} of {}, on vector {} of {}", interrupt.id, device.vm,
                       interrupt.source.second, device.function->name());
  }

  void tell(const LostInterrupt& loss) {
    if (!want()) return;
    const std::string after = loss.made_up
                                  ? fmt::format("made up at {}", sim::to_string(*loss.made_up))
                                  : std::string("never made up");
    report(subject(loss.interrupt),
           fmt::format("another interrupt within {} of a vCPU that runs",
                       sim::to_string(kMakeUpBound)),
           fmt::format("lost at {}: {}; {}", sim::to_string(loss.at), loss.way, after),
           watch_.causes(*watch_.devices()[loss.interrupt.source.first].function));
  }
};

}  // namespace

std::unique_ptr<Checker> make_irq_accounted(Watch& watch) {
  return std::make_unique<IrqAccounted>(watch);
}

}  // namespace baton::harness
