// domain-id-unique: within a remapping unit one domain id belongs to one set of tables. Entries of
// the IOTLB are tagged by domain id: two domains of one id answer for each other [VT-d 6.2.4; 9.3:
// DID]. Read from the tables in memory whenever a device sends through another entry than before.

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/pci/observations.h"

namespace baton::harness {
namespace {

using Attachment = iommu_vtd::RemappingUnit::Attachment;

class DomainIdUnique final : public Checker {
 public:
  explicit DomainIdUnique(Watch& watch) : Checker(watch), last_(watch.devices().size()) {
    watch.simulation().topic<pci::RequestDone>().subscribe([this](const auto& o) { look(o); });
  }

  std::string_view id() const override { return "domain-id-unique"; }

 private:
  std::optional<Attachment> attachment(const WatchedDevice& device) const {
    const iommu_vtd::RemappingUnit* unit = watch_.machine().iommu_of(*device.function);
    if (unit == nullptr) return std::nullopt;
    return unit->attachment(device.function->requester_id());
  }

  void look(const pci::RequestDone& seen) {
    const WatchedDevice* device = watch_.device(seen.function);
    if (device == nullptr) return;
    const auto own = attachment(*device);
    auto& last = last_[static_cast<std::size_t>(device - watch_.devices().data())];
    if (own == last) return;
    last = own;
    if (!own) return;
    checked();
    for (const WatchedDevice& other : watch_.devices()) {
      if (&other == device || watch_.machine().iommu_of(*other.function) !=
                                  watch_.machine().iommu_of(*device->function)) {
        continue;
      }
      const auto theirs = attachment(other);
      if (!theirs || theirs->domain != own->domain || theirs->table == own->table) continue;
      if (!want()) continue;
      report(fmt::format("domain id {}", own->domain.value()), "one set of tables",
             fmt::format("{} of {} translates by the tables at {:#x}, {} of {} by those at {:#x}",
                         device->function->name(), device->vm, own->table.value(),
                         other.function->name(), other.vm, theirs->table.value()),
             watch_.milestones());
    }
  }

  std::vector<std::optional<Attachment>> last_;  // by index of the device
};

}  // namespace

std::unique_ptr<Checker> make_domain_id_unique(Watch& watch) {
  return std::make_unique<DomainIdUnique>(watch);
}

}  // namespace baton::harness
