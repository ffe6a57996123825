// dma-integrity: every byte lands where the guest meant it. Three independent witnesses: where each
// request ends against the mapping at the freeze, whether what a device reads is the pattern of an
// overwritten page, and what the guest itself counted when it compared its copies.

#include <fmt/format.h>

#include <cstring>

#include "harness/invariants/checkers.h"
#include "harness/invariants/guest_memory.h"
#include "harness/invariants/watch.h"
#include "model/pci/observations.h"

namespace baton::harness {
namespace {

class DmaIntegrity final : public Checker {
 public:
  explicit DmaIntegrity(Watch& watch) : Checker(watch) {
    watch.simulation().topic<pci::RequestDone>().subscribe([this](const auto& o) {
      const WatchedDevice* device = watch_.device(o.function);
      if (device != nullptr && watch_.carried(*device) && o.completion.arrived() &&
          (o.completion.destination == pci::Destination::kRam ||
           o.completion.destination == pci::Destination::kFunction)) {
        on_request(o);
      }
    });
  }

  std::string_view id() const override { return "dma-integrity"; }

  void finish() override {
    for (const auto& [vm, address] : watch_.guests()) {
      const auto status = read_guest_status(watch_.machine(), address);
      if (!status) continue;
      checked();
      check_guest(vm, *status);
    }
  }

 private:
  void on_request(const pci::RequestDone& seen) {
    checked();
    const Iova iova(seen.request.address);
    const auto meant = watch_.at_freeze(seen.function).find(iova);
    if (!meant || *meant != seen.completion.address) {
      if (!want()) return;
      report(subject(seen),
             meant ? fmt::format("it reaches {:#x}, as at the freeze", meant->value())
                   : "an address that was mapped at the freeze",
             fmt::format("it reaches {:#x}", seen.completion.address.value()), about(seen));
      return;
    }
    const bool memory = seen.completion.destination == pci::Destination::kRam;
    if (memory && !seen.request.write) check_pattern(seen);
  }

  Evidence about(const pci::RequestDone& seen) const {
    if (seen.completion.destination == pci::Destination::kFunction) {
      return {watch_.causes(seen.function), {}, &seen.function};
    }
    const PhysAddr page = seen.completion.address.page_base();
    return {watch_.history().tell(page), watch_.history().ledger(page), &seen.function};
  }

  // Memory that a later kernel was given reads as a pattern that no guest writes.
  void check_pattern(const pci::RequestDone& seen) {
    std::uint64_t word = 0;
    if (seen.data.size() < sizeof word || seen.completion.address.value() % sizeof word != 0) {
      return;
    }
    std::memcpy(&word, seen.data.data(), sizeof word);
    for (unsigned generation = 1; generation <= watch_.machine().generation(); ++generation) {
      const std::uint64_t page = seen.completion.address.page_number();
      if (word != sim::PhysicalMemory::pattern(generation, page)) continue;
      if (!want()) return;
      report(subject(seen), "the guest's bytes",
             fmt::format("memory that was overwritten when kernel {} took it", generation),
             about(seen));
      return;
    }
  }

  void check_guest(const std::string& vm, const vmm::GuestStatus& status) {
    const std::uint64_t wrong =
        status.mismatches + status.member_errors + status.batch_errors + status.order_errors;
    if (wrong == 0 || !want()) return;
    std::vector<ChainLink> chain = mismatch_chain(vm, status);
    report(
        fmt::format("guest {}", vm), "every copy is complete and equal",
        fmt::format("{} words differ (first at guest address {:#x}: {:#x}, not {:#x}), {} member, "
                    "{} batch, {} order errors",
                    status.mismatches, status.first_mismatch_address, status.first_mismatch_seen,
                    status.first_mismatch_expected, status.member_errors, status.batch_errors,
                    status.order_errors),
        std::move(chain));
  }

  // The life of the page in which the guest found the first wrong word.
  std::vector<ChainLink> mismatch_chain(const std::string& vm, const vmm::GuestStatus& status) {
    if (status.mismatches == 0) return {};
    for (const WatchedDevice& device : watch_.devices()) {
      if (device.vm != vm) continue;
      const Mapping mapping = walk_mapping(watch_.machine(), *device.function);
      if (const auto page = mapping.find(Iova(status.first_mismatch_address))) {
        return watch_.history().tell(page->page_base());
      }
    }
    return {};
  }

  static std::string subject(const pci::RequestDone& seen) {
    return fmt::format("{} {} of {} bytes at iova {:#x}", seen.function.name(),
                       seen.request.write ? "write" : "read", seen.request.length,
                       seen.request.address);
  }
};

}  // namespace

std::unique_ptr<Checker> make_dma_integrity(Watch& watch) {
  return std::make_unique<DmaIntegrity>(watch);
}

}  // namespace baton::harness
