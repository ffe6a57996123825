// Live update of the driver [posted series iommu v5: drivers/iommu/intel/liveupdate.c].
//
// Preserved: the root table and every context table of a unit with preserved devices, in scalable
// mode the PASID directory and tables of each such device, one block each. Not preserved, and set
// up afresh: the invalidation queue. What else the unit needs stays in its registers, which no
// kexec resets.
#include "model/linux/intel_iommu/state.h"
#include "sim/check.h"

namespace baton::linux::intel_iommu {

namespace {

constexpr const char* kRootTable = "root table";
constexpr const char* kContextTable = "context table";
constexpr const char* kPasidPages = "PASID table";

// What is wrong; empty when it is restored.
std::string restore_table(KernelServices& services, kho::Kho& kho, Unit& unit, PhysAddr table,
                          const char* what) {
  const bool sane = table != PhysAddr{} && table.page_offset() == 0 &&
                    services.port().ram().contains(table, sim::kPageSize);
  if (!sane || kho.restore_folio(table) != 0U) {
    return fmt::format("DMAR: cannot restore the {} at {:#x}", what, table.value());
  }
  services.pages().page(table).owner = what;
  unit.record(LedgerEvent::kRestored, what, table);
  return {};
}

}  // namespace

void IntelIommu::State::record_id(LedgerEvent event, std::uint64_t id) {
  auto& ledger = services.port().simulation().topic<LedgerEntry>();
  if (ledger.active()) {
    ledger.publish({services.generation(), event, LedgerKind::kDomain, "domain id", {}, id});
  }
}

// New kernel. The devices behind the unit are running: what is missing is fatal, or the unit starts
// anew [policy restore_failure].
std::string IntelIommu::State::adopt(Unit& unit, const iommu::IncomingUnit& incoming) {
  std::string wrong = restore_table(services, kho, unit, incoming.root_table, kRootTable);
  if (!wrong.empty()) return wrong;
  // AMBIGUOUS: the posted series does not say what happens when the kernels disagree about the
  // table mode, which is in the root pointer register and cannot change while translation is on.
  if (unit.translation_enabled() && unit.hardware_scalable() != unit.scalable()) {
    return fmt::format("DMAR: {:#x} runs in {} mode, this kernel uses the other",
                       unit.registers().value(), unit.hardware_scalable() ? "scalable" : "legacy");
  }
  unit.adopt_root(incoming.root_table);
  for (unsigned index = 0; index < kContextTables; ++index) {
    const PhysAddr table = unit.context_table(index);
    if (has_table(incoming.context_tables, index)) {
      wrong = restore_table(services, kho, unit, table, kContextTable);
      if (!wrong.empty()) return wrong;
    } else if (table != PhysAddr{}) {
      // AMBIGUOUS: the previous kernel zeroes such entries before the jump; what the new one does
      // with one it finds is not stated. Nobody owns that table, so the entry goes.
      services.print(sim::LogLevel::kWarning, "DMAR: bus {:02x}: context table is not preserved",
                     index / 2);
      unit.clear_root_entry(index);
    }
  }
  return {};
}

void IntelIommu::State::reserve_domain_ids(Unit& unit, const iommu::IncomingUnit& incoming) {
  for (const std::uint64_t id : incoming.attachment_ids) {
    // Devices of one domain share an id. One beyond the limits fails at attach.
    if (unit.reserve_domain_id(id)) {
      record_id(LedgerEvent::kRestored, id);
    }
  }
}

// The device's PASID directory is the one that its context entry leads to already. False: it cannot
// be taken over [policy restore_failure].
bool IntelIommu::State::restore_pasids(pci::PciDev& dev, Unit& unit,
                                       const iommu::PasidState& incoming) {
  const auto refuse = [&](std::string_view why) {
    core.lost(fmt::format("DMAR: {}: PASID table at {:#x}: {}", sim::to_string(dev.address),
                          incoming.table.value(), why));
    return false;
  };
  const std::optional<PasidTable> pasids =
      PasidTable::over(services, incoming.table, incoming.max_pasid);
  if (!pasids) {
    return refuse("no such table");
  }
  const std::uint64_t expected = PasidTable::rounded(devices[dev.address].max_pasids);
  if (incoming.max_pasid != expected) {
    return refuse(fmt::format("for {} PASIDs, the device has {}", incoming.max_pasid, expected));
  }
  const bool whole = pasids->for_each_page([&](PhysAddr page, unsigned order) {
    if (kho.restore_folio(page) != order) {
      return false;
    }
    services.pages().page(page).owner = kPasidPages;
    unit.record(LedgerEvent::kRestored, kPasidPages, page);
    return true;
  });
  if (!whole) {
    return refuse("cannot be restored");
  }
  devices[dev.address].pasids = pasids;
  return true;
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
  // The device-TLB is what it was: nothing is written. Whether this kernel would have enabled it
  // does not matter.
  if (state_->pci != nullptr && unit->capabilities().device_tlb() && state_->pci->adopt_ats(dev)) {
    info.device_tlb =
        DeviceTlb{.source = dev.address.bdf.value(), .depth = state_->pci->ats_queue_depth(dev)};
    info.uses_device_tlb = true;
  } else {
    info.device_tlb.reset();
  }
  if (state_->pci != nullptr && info.max_pasids > 0) {
    state_->pci->adopt_pasid(dev);
  }
  paging.assign_tags(*unit, kNoPasid, info.device_tlb);
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
  return UnitState{unit.root(), {}, {}};
}

// All context tables that exist now; later buses come with later devices.
Result<> IntelIommu::State::preserve_context_tables(Unit& unit) {
  for (unsigned index = 0; index < kContextTables; ++index) {
    const PhysAddr table = unit.context_table(index);
    if (table == PhysAddr{} || has_table(unit.preserved_tables, index)) {
      continue;
    }
    if (!services.has(Defect::kIommuSkipContextTable)) {
      // On an error the tables so far go with the unit.
      if (auto done = kho.preserve_folio(table, 0); !done) {
        return done;
      }
      unit.preserved_indexes.push_back(index);
      unit.record(LedgerEvent::kPreserved, kContextTable, table);
    }
    add_table(unit.preserved_tables, index);
  }
  return {};
}

// The directory and every table it leads to.
Result<> IntelIommu::State::preserve_pasids(DeviceInfo& info, Unit& unit) {
  Result<> result;
  info.pasids->for_each_page([&](PhysAddr page, unsigned order) {
    result = kho.preserve_folio(page, order);
    if (result) {
      info.preserved_pages.push_back(page);
      unit.record(LedgerEvent::kPreserved, kPasidPages, page);
    }
    return result.has_value();
  });
  return result;
}

Result<iommu::HardwareDriver::UnitState> IntelIommu::preserve_device(pci::PciDev& dev) {
  State& state = *state_;
  Unit* unit = state.unit_of(dev);
  if (unit == nullptr) {
    return fail(Errno::kOpNotSupp);
  }
  DeviceInfo& info = state.devices[dev.address];
  if (info.domain == nullptr) {
    return fail(Errno::kInval);
  }
  // AMBIGUOUS: the posted series keeps what has no PASID and refuses the rest, with an errno that
  // was not seen.
  if (!info.pasid_domains.empty()) {
    return fail(Errno::kOpNotSupp);
  }
  UnitState result;
  if (auto tables = state.preserve_context_tables(*unit); !tables) {
    return fail(tables.error());
  }
  if (info.pasids) {
    if (auto pasids = state.preserve_pasids(info, *unit); !pasids) {
      unpreserve_device(dev);
      return fail(pasids.error());
    }
    result.pasids = {info.pasids->directory(), info.pasids->max_pasid()};
  }
  unit->preserved_ids.push_back(info.domain->id_on(*unit).value());
  state.record_id(LedgerEvent::kPreserved, unit->preserved_ids.back());
  result.root_table = unit->root();
  result.context_tables = unit->preserved_tables;
  return result;
}

void IntelIommu::unpreserve_device(pci::PciDev& dev) {
  DeviceInfo& info = state_->devices[dev.address];
  for (const PhysAddr page : info.preserved_pages) {
    const unsigned order = page == info.pasids->directory() ? info.pasids->order() : 0;
    state_->kho.unpreserve_folio(page, order);
    state_->unit_of(dev)->record(LedgerEvent::kUnpreserved, kPasidPages, page);
  }
  info.preserved_pages.clear();
}

void IntelIommu::unpreserve_unit(PhysAddr registers) {
  Unit& unit = state_->unit_at(registers);
  for (const unsigned index : unit.preserved_indexes) {
    state_->kho.unpreserve_folio(unit.context_table(index), 0);
    unit.record(LedgerEvent::kUnpreserved, kContextTable, unit.context_table(index));
  }
  if (unit.root_preserved) {
    state_->kho.unpreserve_folio(unit.root(), 0);
    unit.record(LedgerEvent::kUnpreserved, kRootTable, unit.root());
  }
  for (const std::uint16_t id : unit.preserved_ids) {
    state_->record_id(LedgerEvent::kUnpreserved, id);
  }
  unit.preserved_ids.clear();
  unit.preserved_indexes.clear();
  unit.preserved_tables = {};
  unit.root_preserved = false;
}

// Before the jump: only preserved devices keep a way through the tables. Device-TLBs are not told,
// because drivers may have put their devices into D3.
// Entries of the aliases of preserved devices have no record and stay as they are.
void IntelIommu::State::prune(Unit& unit) {
  std::set<Bdf> kept;
  for (const auto& [address, info] : devices) {
    if (core.is_preserved(*info.dev)) {
      const std::vector<Bdf> aliases = dma_aliases(*info.dev);
      kept.insert(aliases.begin(), aliases.end());
    }
  }
  for (const auto& [address, info] : devices) {
    if (unit_of(*info.dev) != &unit || core.is_preserved(*info.dev)) {
      continue;
    }
    for (const Bdf alias : dma_aliases(*info.dev)) {
      if (!kept.contains(alias)) {
        unit.forget_context(alias);
      }
    }
  }
  for (unsigned index = 0; index < kContextTables; ++index) {
    if (!has_table(unit.preserved_tables, index)) {
      unit.clear_root_entry(index);
    }
  }
  unit.flush_all();
  unit.step("pruned for the jump");
}

// What a kernel does wrong that replaces the entry of a running device in place: hardware may read
// one word of the new entry and the next of the old one. First half: the entry without the words
// that are written later; second half: whole again.
void IntelIommu::tear_restored_entry(pci::PciDev& dev, bool half) {
  DeviceInfo& info = state_->devices.at(dev.address);
  Unit* unit = state_->unit_of(dev);
  if (!info.pasids || info.domain == nullptr) {
    return;
  }
  const Capabilities& capabilities = unit->capabilities();
  const std::uint16_t id = info.domain->id_on(*unit).value();
  PasidEntry entry = info.domain->pasid_entry(capabilities, id).value();
  if (half) {
    entry = PasidEntry::pass_through(capabilities);
    entry.words[1] = id;
  }
  info.pasids->store(kNoPasid, entry);
  unit->submit(pasid_cache_of(id, kNoPasid));
  unit->submit(half ? pasid_iotlb_of(id, kNoPasid) : iotlb_of_domain(id));
  unit->step(half ? "half a PASID entry" : "replace PASID entry", dev.address.bdf.value());
}

}  // namespace baton::linux::intel_iommu
