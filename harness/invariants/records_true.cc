// records-true: what is recorded of a device's translation is what its hardware does. At the jump
// the checker reads the record of each device that the IOMMU core hands over, and what the context
// or PASID entry of the function leads to: they must name the same table and the same domain id.
// The next kernel believes the record and leaves the entry alone; where they disagree the device
// goes on through tables that nobody preserved, or that are another domain's.
//
// The layout is that of iommu-liveupdate [posted iommu v5: include/linux/kho/abi/iommu.h], written
// down here once more on purpose. Not judged: the domain id of a device on a table of user space,
// whose record names the domain below; a function that is not there any more.

#include <fmt/format.h>

#include <map>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/linux/iommu/observations.h"

namespace baton::harness {
namespace {

constexpr std::uint64_t kAttachmentId = 16;  // of a device record
constexpr std::uint64_t kDomainRecord = 24;
constexpr std::uint64_t kDeviceRecordBytes = 72;
constexpr std::uint64_t kTopTable = 8;  // of a domain record
constexpr std::uint64_t kDomainRecordBytes = 37;

class RecordsTrue final : public Checker {
 public:
  explicit RecordsTrue(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<linux::TranslationRecord>().subscribe(
        [this](const linux::TranslationRecord& seen) {
          if (seen.event == linux::LedgerEvent::kPreserved) {
            records_[seen.device] = seen.record;
          } else {
            records_.erase(seen.device);
          }
        });
    simulation.topic<host::KernelJumped>().subscribe([this](const auto&) {
      for (const auto& [device, record] : records_) judge(device, record);
      records_.clear();
    });
    simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) { records_.clear(); });
  }

  std::string_view id() const override { return "records-true"; }

 private:
  void judge(Sbdf device, PhysAddr record) {
    host::Machine& machine = watch_.machine();
    sim::PhysicalMemory& ram = machine.memory();
    const pci::Function* function = machine.fabric().find(device);
    if (function == nullptr || !ram.contains(record, kDeviceRecordBytes)) return;
    checked();
    const auto id = ram.load<std::uint64_t>(record + kAttachmentId);
    const PhysAddr domain(ram.load<std::uint64_t>(record + kDomainRecord));
    const std::uint64_t top =
        ram.contains(domain, kDomainRecordBytes) ? ram.load<std::uint64_t>(domain + kTopTable) : 0;
    const iommu_vtd::RemappingUnit* unit = machine.iommu_of(*function);
    const auto there = unit == nullptr ? std::nullopt : unit->attachment(function->requester_id());
    const bool same_id = there && (there->nested || there->domain.value() == id);
    if ((same_id && there->table.value() == top) || !want()) return;
    const std::string expected = fmt::format("domain {} with the tables at {:#x}", id, top);
    const std::string seen = there ? fmt::format("domain {} with the tables at {:#x}",
                                                 there->domain.value(), there->table.value())
                                   : std::string("an entry that leads nowhere");
    report(fmt::format("the record of {}", to_string(device)), expected, seen, watch_.milestones());
  }

  std::map<Sbdf, PhysAddr> records_;  // of this kernel
};

}  // namespace

std::unique_ptr<Checker> make_records_true(Watch& watch) {
  return std::make_unique<RecordsTrue>(watch);
}

}  // namespace baton::harness
