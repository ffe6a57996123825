// isolation: a VM's device reaches guest memory and nothing else, at any time of the run. Who owns
// a page is known from what the kernels' page allocators gave out, not from any kernel's tables;
// whose guest memory it is, from the file that it was made for and the page of each guest's own
// account. A BAR of another device of the same VM is the guest's, too: peer to peer.
//
// A driver of the host may have the device before its VM takes it, or after: what that driver
// allocated for the device's DMA is no stranger's memory then.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/linux/drivers/observations.h"
#include "model/pci/observations.h"

namespace baton::harness {
namespace {

// What the kernels call the memory of a memfd.
constexpr std::string_view kGuestMemory = "memfd folio";
// The domain id that Linux gives identity mappings [linux drivers/iommu/intel/pasid.h
// FLPT_DEFAULT_DID].
constexpr std::uint16_t kIdentityDomain = 1;
constexpr unsigned kToldOfEachWindow = 2;

class Isolation final : public Checker {
 public:
  explicit Isolation(Watch& watch) : Checker(watch) {
    watch.simulation().topic<pci::RequestDone>().subscribe([this](const auto& o) {
      if (o.completion.arrived() && watch_.device(o.function) != nullptr) on_request(o);
    });
    watch.simulation().topic<linux::drivers::DmaMemoryChanged>().subscribe(
        [this](const auto& o) { on_driver_memory(o); });
    // A kernel's drivers are gone with it, whatever their devices still do.
    watch.simulation().topic<host::KernelJumped>().subscribe(
        [this](const auto&) { of_drivers_.clear(); });
    watch.simulation().topic<host::ColdRebooted>().subscribe(
        [this](const auto&) { of_drivers_.clear(); });
  }

  std::string_view id() const override { return "isolation"; }

 private:
  void on_request(const pci::RequestDone& seen) {
    if (seen.completion.destination == pci::Destination::kInterrupt) return;
    checked();
    if (seen.completion.destination == pci::Destination::kFunction) {
      if (of_its_peer(seen) || !want()) return;
      report_stray(seen, peer_way(seen), "a BAR of another function", watch_.causes(seen.function),
                   {});
      return;
    }
    const char* owner = watch_.history().owner(seen.completion.address);
    const bool guest_memory = owner != nullptr && owner == kGuestMemory;
    if (guest_memory ? of_its_guest(seen) : of_its_driver(seen)) return;
    // A few of each window: a long one would leave no room for the next.
    const std::string_view way = way_of(seen);
    if (told_[way] >= kToldOfEachWindow) {
      watch_.findings().count_more(id());
      return;
    }
    if (!want()) return;
    ++told_[way];
    report_stray(seen, way,
                 guest_memory       ? "memory of another guest"
                 : owner == nullptr ? "free memory"
                                    : fmt::format("kernel memory: {}", owner),
                 watch_.history().tell(seen.completion.address.page_base()),
                 watch_.history().ledger(seen.completion.address.page_base()));
  }

  void on_driver_memory(const linux::drivers::DmaMemoryChanged& seen) {
    if (seen.allocated) {
      of_drivers_.push_back({seen.device, seen.pages});
    } else {
      std::erase_if(of_drivers_, [&seen](const DriverMemory& one) {
        return one.device == seen.device && one.pages == seen.pages;
      });
    }
  }

  bool of_its_driver(const pci::RequestDone& seen) const {
    return std::ranges::any_of(of_drivers_, [&seen](const DriverMemory& one) {
      return one.device == seen.function.location() && one.pages.contains(seen.completion.address);
    });
  }

  // The BAR of another device that its VM owns.
  bool of_its_peer(const pci::RequestDone& seen) const {
    const WatchedDevice& sender = *watch_.device(seen.function);
    return std::ranges::any_of(watch_.devices(), [&](const WatchedDevice& peer) {
      return peer.vm == sender.vm && peer.function->decode(seen.completion.address.value());
    });
  }

  // A switch that sends it to a peer never asks a remapping unit.
  std::string_view peer_way(const pci::RequestDone& seen) const {
    const iommu_vtd::RemappingUnit* unit = watch_.machine().iommu_of(seen.function);
    const bool translates = unit != nullptr && unit->translation_enabled();
    const bool changed = seen.completion.address.value() != seen.request.address;
    return translates && !changed ? "directly, below the root complex" : way_of(seen);
  }

  // How the request came to its address: the remapping unit as it stands.
  std::string_view way_of(const pci::RequestDone& seen) const {
    const iommu_vtd::RemappingUnit* unit = watch_.machine().iommu_of(seen.function);
    if (unit == nullptr || !unit->translation_enabled()) return "with translation off";
    const auto walk = unit->inspect(seen.function.requester_id(), Iova(seen.request.address));
    const bool same = walk.mapped && walk.address.value() == seen.request.address;
    return same && walk.domain == DomainId(kIdentityDomain) ? "through the identity domain"
           : same                                           ? "untranslated by its entry"
                                                            : "translated";
  }

  // A guest that has not given its account yet has no device at work.
  bool of_its_guest(const pci::RequestDone& seen) const {
    const auto guest = watch_.guests().find(watch_.device(seen.function)->vm);
    if (guest == watch_.guests().end()) return true;
    return watch_.history().made_for(seen.completion.address) ==
           watch_.history().made_for(guest->second);
  }

  void report_stray(const pci::RequestDone& seen, std::string_view way, std::string_view whose,
                    std::vector<ChainLink> chain, std::vector<StateChange> changes) {
    report(fmt::format("{} {} of {} bytes at iova {:#x}", seen.function.name(),
                       seen.request.write ? "write" : "read", seen.request.length,
                       seen.request.address),
           "memory of its guest",
           fmt::format("{}, it reaches {}, which is {}", way, page_name(seen.completion.address),
                       whose),
           Evidence{std::move(chain), std::move(changes), &seen.function});
  }

  // What drivers of the running kernel have given their devices.
  struct DriverMemory {
    Sbdf device;
    sim::PhysRange pages;
  };
  std::vector<DriverMemory> of_drivers_;
  std::map<std::string_view, unsigned> told_;
};

}  // namespace

std::unique_ptr<Checker> make_isolation(Watch& watch) { return std::make_unique<Isolation>(watch); }

}  // namespace baton::harness
