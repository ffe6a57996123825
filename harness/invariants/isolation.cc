// isolation: a VM's device reaches guest memory and nothing else, at any time of the run. Who owns
// a page is known from what the kernels' page allocators gave out, not from any kernel's tables.
//
// Not modelled: which VM a page of guest memory belongs to.

#include <fmt/format.h>

#include <string_view>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/pci/observations.h"

namespace baton::harness {
namespace {

// What the kernels call the memory of a memfd.
constexpr std::string_view kGuestMemory = "memfd folio";

class Isolation final : public Checker {
 public:
  explicit Isolation(Watch& watch) : Checker(watch) {
    watch.simulation().topic<pci::RequestDone>().subscribe([this](const auto& o) {
      if (o.completion.arrived() && watch_.device(o.function) != nullptr) on_request(o);
    });
  }

  std::string_view id() const override { return "isolation"; }

 private:
  void on_request(const pci::RequestDone& seen) {
    if (seen.completion.destination == pci::Destination::kInterrupt) return;
    checked();
    if (seen.completion.destination == pci::Destination::kFunction) {
      if (want()) report_stray(seen, "another function", {});
      return;
    }
    const char* owner = watch_.history().owner(seen.completion.address);
    if (owner != nullptr && owner == kGuestMemory) return;
    if (!want()) return;
    report_stray(seen, owner == nullptr ? "free memory" : fmt::format("kernel memory: {}", owner),
                 watch_.history().tell(seen.completion.address.page_base()));
  }

  void report_stray(const pci::RequestDone& seen, std::string_view whose,
                    std::vector<ChainLink> chain) {
    report(fmt::format("{} {} of {} bytes at iova {:#x}", seen.function.name(),
                       seen.request.write ? "write" : "read", seen.request.length,
                       seen.request.address),
           "memory of its guest",
           fmt::format("it reaches {}, which is {}", page_name(seen.completion.address), whose),
           std::move(chain));
  }
};

}  // namespace

std::unique_ptr<Checker> make_isolation(Watch& watch) { return std::make_unique<Isolation>(watch); }

}  // namespace baton::harness
