// Live update of the driver [posted series iommu v5: drivers/iommu/intel/liveupdate.c].
//
// Preserved: the root table and every context table of a unit with preserved devices, one block
// each. Not preserved, and set up afresh: the invalidation queue. What else the unit needs stays in
// its registers, which no kexec resets.
#include "model/linux/intel_iommu/state.h"
#include "sim/check.h"

namespace baton::linux::intel_iommu {

namespace {

constexpr unsigned kBuses = 256;
constexpr const char* kRootTable = "root table";
constexpr const char* kContextTable = "context table";

void restore_table(KernelServices& services, kho::Kho& kho, Unit& unit, PhysAddr table,
                   const char* what) {
  const bool sane = table != PhysAddr{} && table.page_offset() == 0 &&
                    services.port().ram().contains(table, sim::kPageSize);
  if (!sane || kho.restore_folio(table) != 0U) {
    services.panic(fmt::format("DMAR: cannot restore the {} at {:#x}", what, table.value()));
  }
  services.pages().page(table).owner = what;
  unit.record(LedgerEvent::kRestored, what, table);
}

}  // namespace

void IntelIommu::State::record_id(LedgerEvent event, std::uint64_t id) {
  auto& ledger = services.port().simulation().topic<LedgerEntry>();
  if (ledger.active()) {
    ledger.publish({services.generation(), event, LedgerKind::kDomain, "domain id", {}, id});
  }
}

// New kernel. The devices behind the unit are running: what is missing is fatal.
void IntelIommu::State::adopt(Unit& unit, const iommu::IncomingUnit& incoming) {
  restore_table(services, kho, unit, incoming.root_table, kRootTable);
  unit.adopt_root(incoming.root_table);
  for (unsigned bus = 0; bus < kBuses; ++bus) {
    const PhysAddr table = unit.context_table(bus);
    if (has_table(incoming.context_tables, bus)) {
      restore_table(services, kho, unit, table, kContextTable);
    } else if (table != PhysAddr{}) {
      // AMBIGUOUS: the previous kernel zeroes such entries before the jump; what the new one does
      // with one it finds is not stated. Nobody owns that table, so the entry goes.
      services.print(sim::LogLevel::kWarning, "DMAR: bus {:02x}: context table is not preserved",
                     bus);
      unit.clear_root_entry(bus);
    }
  }
}

void IntelIommu::State::reserve_domain_ids(Unit& unit, const iommu::IncomingUnit& incoming) {
  for (const std::uint64_t id : incoming.attachment_ids) {
    // Devices of one domain share an id. One beyond the limits fails at attach.
    if (unit.reserve_domain_id(id)) {
      record_id(LedgerEvent::kRestored, id);
    }
  }
}

Result<std::unique_ptr<iommu::Domain>> IntelIommu::restore_paging(pci::PciDev& dev,
                                                                  PhysAddr top_table,
                                                                  unsigned top_level,
                                                                  unsigned bits) {
  const Unit* unit = state_->unit_of(dev);
  if (unit == nullptr) {
    return fail(Errno::kNoDev);
  }
  const Capabilities& capabilities = unit->capabilities();
  if (top_level < 2 || top_level > 4 || (capabilities.sagaw() >> (top_level - 1) & 1) == 0 ||
      bits > capabilities.mgaw() || bits > 12 + 9 * (top_level + 1)) {
    return fail(Errno::kInval);
  }
  const iommu::PageTableFormat format{top_level, bits, capabilities.pages_2m(),
                                      capabilities.pages_1g()};
  return std::make_unique<PagingDomain>(
      iommu::PageTable::over(state_->services, format, top_table));
}

// Takes the preserved domain id; the tables say already what they should.
Result<> IntelIommu::attach_restored(pci::PciDev& dev, iommu::Domain& domain,
                                     std::uint64_t attachment_id) {
  Unit* unit = state_->unit_of(dev);
  auto& paging = static_cast<PagingDomain&>(domain);
  if (unit == nullptr || !unit->is_domain_id(attachment_id)) {
    return fail(Errno::kInval);
  }
  const auto id = static_cast<std::uint16_t>(attachment_id);
  if (paging.id_on(*unit).value_or(id) != id) {
    return fail(Errno::kInval);  // one domain, two ids on a unit
  }
  paging.adopt_id(*unit, id);
  DeviceInfo& info = state_->devices[dev.address];
  info.dev = &dev;
  info.domain = &paging;
  return {};
}

// Old kernel.
Result<iommu::HardwareDriver::UnitState> IntelIommu::preserve_unit(PhysAddr registers) {
  Unit& unit = state_->unit_at(registers);
  if (!state_->services.has(Defect::kIommuSkipRootTable)) {
    if (auto done = state_->kho.preserve_folio(unit.root(), 0); !done) {
      return fail(done.error());
    }
    unit.root_preserved = true;
    unit.record(LedgerEvent::kPreserved, kRootTable, unit.root());
  }
  return UnitState{unit.root(), {}};
}

// All context tables that exist now; later buses come with later devices.
Result<iommu::HardwareDriver::UnitState> IntelIommu::preserve_device(pci::PciDev& dev) {
  Unit* unit = state_->unit_of(dev);
  if (unit == nullptr) {
    return fail(Errno::kOpNotSupp);
  }
  const DeviceInfo& info = state_->devices[dev.address];
  if (info.domain == nullptr) {
    return fail(Errno::kInval);
  }
  for (unsigned bus = 0; bus < kBuses; ++bus) {
    const PhysAddr table = unit->context_table(bus);
    if (table == PhysAddr{} || has_table(unit->preserved_tables, bus)) {
      continue;
    }
    if (!state_->services.has(Defect::kIommuSkipContextTable)) {
      // On an error the tables so far go with the unit.
      if (auto done = state_->kho.preserve_folio(table, 0); !done) {
        return fail(done.error());
      }
      unit->preserved_buses.push_back(bus);
      unit->record(LedgerEvent::kPreserved, kContextTable, table);
    }
    add_table(unit->preserved_tables, bus);
  }
  unit->preserved_ids.push_back(info.domain->id_on(*unit).value());
  state_->record_id(LedgerEvent::kPreserved, unit->preserved_ids.back());
  return UnitState{unit->root(), unit->preserved_tables};
}

void IntelIommu::unpreserve_unit(PhysAddr registers) {
  Unit& unit = state_->unit_at(registers);
  for (const unsigned bus : unit.preserved_buses) {
    state_->kho.unpreserve_folio(unit.context_table(bus), 0);
    unit.record(LedgerEvent::kUnpreserved, kContextTable, unit.context_table(bus));
  }
  if (unit.root_preserved) {
    state_->kho.unpreserve_folio(unit.root(), 0);
    unit.record(LedgerEvent::kUnpreserved, kRootTable, unit.root());
  }
  for (const std::uint16_t id : unit.preserved_ids) {
    state_->record_id(LedgerEvent::kUnpreserved, id);
  }
  unit.preserved_ids.clear();
  unit.preserved_buses.clear();
  unit.preserved_tables = {};
  unit.root_preserved = false;
}

// Before the jump: only preserved devices keep a way through the tables. Device-TLBs are not told,
// because drivers may have put their devices into D3.
void IntelIommu::State::prune(Unit& unit) {
  for (const auto& [address, info] : devices) {
    if (unit_of(*info.dev) != &unit || core.is_preserved(*info.dev)) {
      continue;
    }
    for (const Bdf alias : dma_aliases(*info.dev)) {
      unit.forget_context(alias);
    }
  }
  for (unsigned bus = 0; bus < kBuses; ++bus) {
    if (!has_table(unit.preserved_tables, bus)) {
      unit.clear_root_entry(bus);
    }
  }
  unit.flush_all();
}

}  // namespace baton::linux::intel_iommu
