// Live update of the IOMMU core, old kernel: the FLB, domains, devices and units [posted series
// iommu v5: drivers/iommu/liveupdate.c].
#include <algorithm>

#include "model/linux/iommu/core_state.h"
#include "model/linux/iommu/observations.h"
#include "sim/check.h"

namespace baton::linux::iommu {

namespace {

constexpr const char* kTopRecord = "iommu top record";

}  // namespace

std::string_view IommuCore::compatible() const { return "iommu-liveupdate"; }

// Top record and the first page of each array, even of an empty one.
Co<Result<std::uint64_t>> IommuCore::preserve() {
  State& state = *state_;
  const Result<PhysAddr> top = state.kho.alloc_preserve(kTopRecordBytes, kTopRecord);
  if (!top) {
    co_return fail(top.error());
  }
  Outgoing& outgoing = state.outgoing.emplace(state.services, state.kho);
  outgoing.top = *top;
  Result<> created = outgoing.units.create(true);
  if (created) {
    created = outgoing.domains.create(true);
  }
  if (created) {
    created = outgoing.devices.create(!state.services.has(Defect::kIommuSkipRecords));
  }
  if (!created) {
    co_await unpreserve(top->value());
    co_return fail(created.error());
  }
  sim::PhysicalMemory& ram = state.services.port().ram();
  ram.store(*top, kFlbVersion);
  ram.store(*top + 8, outgoing.units.head().value());
  ram.store(*top + 16, outgoing.domains.head().value());
  ram.store(*top + 24, outgoing.devices.head().value());
  co_return top->value();
}

Co<> IommuCore::unpreserve(std::uint64_t /*data*/) {
  Outgoing& outgoing = *state_->outgoing;
  BATON_CHECK(outgoing.preserved_domains.empty(), "the IOMMU FLB goes before its domains");
  outgoing.devices.destroy();
  outgoing.domains.destroy();
  outgoing.units.destroy();
  state_->kho.unpreserve_free(outgoing.top);
  state_->outgoing.reset();
  co_return;
}

Outgoing::PreservedDomain* IommuCore::State::preserved(const Domain& domain) {
  if (!outgoing) {
    return nullptr;
  }
  auto& all = outgoing->preserved_domains;
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& e) { return e.domain == &domain; });
  return found == all.end() ? nullptr : &*found;
}

void IommuCore::State::delete_record(PhysAddr at) {
  services.port().ram().store(at + 4, kRecordDeleted);
}

// Every table page; what the leaves point at belongs to the memfds.
Result<> IommuCore::State::preserve_tables(Outgoing::PreservedDomain& entry) {
  std::vector<PhysAddr> tables;
  std::size_t last_leaf_table = 0;
  entry.domain->for_each_table([&](PhysAddr table, unsigned level) {
    last_leaf_table = level == 0 ? tables.size() : last_leaf_table;
    tables.push_back(table);
  });
  if (services.has(Defect::kIommuSkipPageTable)) {
    tables.erase(tables.begin() + static_cast<std::ptrdiff_t>(last_leaf_table));
  }
  for (const PhysAddr table : tables) {
    if (auto done = kho.preserve_folio(table, 0); !done) {
      unpreserve_tables(entry);
      return done;
    }
    entry.tables.push_back(table);
    record(LedgerEvent::kPreserved, LedgerKind::kTable, "page table", {table, sim::kPageSize},
           table.page_number());
  }
  return {};
}

void IommuCore::State::unpreserve_tables(const Outgoing::PreservedDomain& entry) {
  for (const PhysAddr table : entry.tables) {
    kho.unpreserve_folio(table, 0);
    record(LedgerEvent::kUnpreserved, LedgerKind::kTable, "page table", {table, sim::kPageSize},
           table.page_number());
  }
}

Result<PhysAddr> IommuCore::preserve_domain(Domain& domain) {
  State& state = *state_;
  if (!state.outgoing) {
    return fail(Errno::kNoEnt);
  }
  if (state.preserved(domain) != nullptr) {
    return fail(Errno::kBusy);
  }
  DomainRecord record;
  record.top_table = domain.top_table();
  record.top_level = domain.top_level();
  record.vasz = domain.address_bits();
  record.sign_extend = domain.sign_extend();
  const Result<PhysAddr> at = state.outgoing->domains.append(record.encode());
  if (!at) {
    return at;
  }
  Outgoing::PreservedDomain entry{&domain, *at, {}};
  if (auto tables = state.preserve_tables(entry); !tables) {
    state.delete_record(*at);
    return fail(tables.error());
  }
  state.outgoing->preserved_domains.push_back(std::move(entry));
  state.record(LedgerEvent::kPreserved, LedgerKind::kDomain, "iommu domain", {}, at->value());
  return at;
}

void IommuCore::unpreserve_domain(Domain& domain) {
  State& state = *state_;
  const Outgoing::PreservedDomain* entry = state.preserved(domain);
  BATON_CHECK(entry != nullptr, "a domain that is not preserved is unpreserved");
  state.unpreserve_tables(*entry);
  state.delete_record(entry->record);
  state.record(LedgerEvent::kUnpreserved, LedgerKind::kDomain, "iommu domain", {},
               entry->record.value());
  std::erase_if(state.outgoing->preserved_domains,
                [&](const auto& other) { return other.domain == &domain; });
}

// First device: a new record and the driver's hook. Later ones count.
Result<Outgoing::PreservedUnit*> IommuCore::State::preserve_unit(PhysAddr unit) {
  sim::PhysicalMemory& ram = services.port().ram();
  for (Outgoing::PreservedUnit& known : outgoing->preserved_units) {
    if (known.unit == unit) {
      ram.store(known.record, ++known.devices);
      return &known;
    }
  }
  const auto hardware = driver->preserve_unit(unit);
  if (!hardware) {
    return fail(hardware.error());
  }
  UnitRecord unit_record;
  unit_record.token = unit.value();
  unit_record.registers = unit;
  unit_record.root_table = hardware->root_table;
  unit_record.context_tables = hardware->context_tables;
  const Result<PhysAddr> at = outgoing->units.append(unit_record.encode());
  if (!at) {
    driver->unpreserve_unit(unit);
    return fail(at.error());
  }
  outgoing->preserved_units.push_back({unit, *at, 1});
  return &outgoing->preserved_units.back();
}

void IommuCore::State::put_unit(PhysAddr unit) {
  auto& units = outgoing->preserved_units;
  const auto found =
      std::find_if(units.begin(), units.end(), [&](const auto& u) { return u.unit == unit; });
  BATON_CHECK(found != units.end(), "a unit without preserved devices is put");
  services.port().ram().store(found->record, --found->devices);
  if (found->devices == 0) {
    driver->unpreserve_unit(unit);
    delete_record(found->record);
    units.erase(found);
  }
}

Result<> IommuCore::preserve_device(Domain& domain, pci::PciDev& dev, std::uint64_t owner_token) {
  State& state = *state_;
  Group* group = state.group_of(dev);
  if (group == nullptr) {
    return fail(Errno::kOpNotSupp);
  }
  if (!group->owner) {
    return fail(Errno::kInval);
  }
  const Outgoing::PreservedDomain* preserved = state.preserved(domain);
  if (preserved == nullptr) {
    return fail(Errno::kInval);
  }
  if (state.outgoing_records.contains(dev.address)) {
    return fail(Errno::kBusy);
  }
  // Others of its group could do what this one's record does not say.
  if (group->devices.size() > 1 && !state.services.has(Defect::kIommuPreserveSharedGroup)) {
    return fail(Errno::kOpNotSupp);
  }
  const auto shares = [&](const auto& other) { return other.second == preserved->record; };
  if (std::ranges::any_of(state.outgoing_domains, shares) &&
      state.services.has(Defect::kIommuSkipSecondDevice)) {
    state.outgoing_records[dev.address] = PhysAddr{};
    return {};
  }
  DeviceRecord record;
  const Result<PhysAddr> at = state.outgoing->devices.append(record.encode());
  if (!at) {
    return fail(at.error());
  }
  const PhysAddr unit = state.driver->unit_of(dev);
  const auto preserved_unit = state.preserve_unit(unit);
  if (!preserved_unit) {
    state.delete_record(*at);
    return fail(preserved_unit.error());
  }
  const auto id = state.driver->attachment_id(dev, domain);
  const auto hardware = id ? state.driver->preserve_device(dev) : fail(id.error());
  if (!hardware) {
    state.put_unit(unit);
    state.delete_record(*at);
    return fail(hardware.error());
  }
  record.address = dev.address;
  record.attachment_id = *id;
  if (state.services.has(Defect::kIommuRecordWrongId)) ++record.attachment_id;
  record.domain_record = preserved->record;
  record.unit_record = (*preserved_unit)->record;
  record.owner_token = owner_token;
  record.pasid_table = hardware->pasids.table;
  record.max_pasid = hardware->pasids.max_pasid;
  sim::PhysicalMemory& ram = state.services.port().ram();
  ram.write(*at, record.encode());
  ram.store((*preserved_unit)->record + 40, hardware->root_table.value());
  ram.store((*preserved_unit)->record + 48, hardware->context_tables);
  state.outgoing_records[dev.address] = *at;
  state.outgoing_domains[dev.address] = preserved->record;
  state.services.port().simulation().topic<TranslationRecord>().publish(
      {state.services.generation(), LedgerEvent::kPreserved, dev.address, *at});
  return {};
}

void IommuCore::unpreserve_device(pci::PciDev& dev) {
  State& state = *state_;
  const auto found = state.outgoing_records.find(dev.address);
  BATON_CHECK(found != state.outgoing_records.end(),
              "a device that is not preserved is unpreserved");
  const PhysAddr record = found->second;
  state.outgoing_records.erase(found);
  state.outgoing_domains.erase(dev.address);
  if (record == PhysAddr{}) {
    return;  // left out by a defect
  }
  state.driver->unpreserve_device(dev);
  state.put_unit(state.driver->unit_of(dev));
  state.delete_record(record);
  state.services.port().simulation().topic<TranslationRecord>().publish(
      {state.services.generation(), LedgerEvent::kUnpreserved, dev.address, record});
}

bool IommuCore::has_preserved_devices(PhysAddr unit) const {
  if (!state_->outgoing) {
    return false;
  }
  const auto& units = state_->outgoing->preserved_units;
  return std::any_of(units.begin(), units.end(), [&](const auto& u) { return u.unit == unit; });
}

bool IommuCore::is_preserved(const pci::PciDev& dev) const {
  const auto found = state_->outgoing_records.find(dev.address);
  return found != state_->outgoing_records.end() && found->second != PhysAddr{};
}

}  // namespace baton::linux::iommu
