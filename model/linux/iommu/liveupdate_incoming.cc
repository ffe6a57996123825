// Live update of the IOMMU core, new kernel: records, restored domains and groups [posted series
// iommu v5: drivers/iommu/liveupdate.c, drivers/iommu/iommu.c; handing restored domains on to an
// iommufd is the design target, phase 2].
//
// Devices are running: what cannot be restored is a panic, or with policy restore_failure: continue
// a warning and the default domain. Nothing read from preserved memory is trusted before it was
// checked.
#include "model/linux/iommu/core_state.h"
#include "sim/check.h"

namespace baton::linux::iommu {

Co<> IommuCore::begin_boot() {
  State& state = *state_;
  if (state.services.config().pieces.iommu == IommuLiveUpdate::kNone ||
      state.services.has(Defect::kIommuIgnoreRecords)) {
    co_return;
  }
  const Result<> incoming = co_await state.luo.get_incoming(*this);
  if (incoming) {
    // The preserved iommufds hold the FLB from here on.
    co_await state.luo.put_incoming(*this);
    co_return;
  }
  const Errno error = incoming.error();
  if (error != Errno::kNoData && error != Errno::kNoEnt && error != Errno::kOpNotSupp) {
    state.lost(fmt::format("iommu: incoming FLB: {}", name(error)));
  }
}

// [posted iommu v5: BUG_ON(); posted iommu v1: the default domain]
void IommuCore::State::lost(std::string reason) {
  if (services.config().policies.restore_failure == RestoreFailure::kPanic) {
    services.panic(std::move(reason));
  }
  services.print(sim::LogLevel::kWarning, "{}; going on without", reason);
}

Co<Result<>> IommuCore::retrieve(std::uint64_t data) {
  State& state = *state_;
  if (state.read_records(PhysAddr(data))) co_return Result<>{};
  // Half of the records is worse than none.
  state.incoming.units.clear();
  state.incoming.unit_of_record.clear();
  state.incoming.domains.clear();
  state.incoming.devices.clear();
  co_return fail(Errno::kIo);
}

bool IommuCore::State::read_records(PhysAddr top) {
  sim::PhysicalMemory& ram = services.port().ram();
  if (top.page_offset() != 0 || !ram.contains(top, sim::kPageSize) ||
      kho.restore_folio(top) != 0U) {
    lost(fmt::format("iommu: cannot restore top record at {:#x}", top.value()));
    return false;
  }
  incoming.pages.push_back(top);
  const auto version = ram.load<std::uint64_t>(top);
  const PhysAddr units(ram.load<std::uint64_t>(top + 8));
  const PhysAddr domains(ram.load<std::uint64_t>(top + 16));
  const PhysAddr devices(ram.load<std::uint64_t>(top + 24));
  if (version != kFlbVersion || units == PhysAddr{} || domains == PhysAddr{} ||
      devices == PhysAddr{}) {
    lost(fmt::format("iommu: top record at {:#x} has version {}, arrays {:#x} {:#x} {:#x}",
                     top.value(), version, units.value(), domains.value(), devices.value()));
    return false;
  }
  return restore_chains(units, domains, devices);
}

bool IommuCore::State::restore_chains(PhysAddr units, PhysAddr domains, PhysAddr devices) {
  std::string wrong;
  const auto restore = [&](PhysAddr head, std::size_t bytes, const auto& visit) {
    auto pages = restore_chain(services, kho, head, bytes, visit);
    if (pages) {
      incoming.pages.insert(incoming.pages.end(), pages->begin(), pages->end());
    } else if (wrong.empty()) {
      wrong = pages.error();
    }
  };
  restore(units, UnitRecord::kBytes, [&](PhysAddr at, std::span<const std::byte> bytes) {
    const UnitRecord unit = UnitRecord::decode(bytes);
    incoming.units[unit.registers] = {unit.registers, unit.root_table, unit.context_tables, {}};
    incoming.unit_of_record[at] = unit.registers;
  });
  restore(domains, DomainRecord::kBytes, [&](PhysAddr at, std::span<const std::byte> bytes) {
    incoming.domains[at].record = DomainRecord::decode(bytes);
  });
  restore(devices, DeviceRecord::kBytes, [&](PhysAddr at, std::span<const std::byte> bytes) {
    const DeviceRecord device = DeviceRecord::decode(bytes);
    const auto unit = incoming.unit_of_record.find(device.unit_record);
    const auto domain = incoming.domains.find(device.domain_record);
    if (unit == incoming.unit_of_record.end() || domain == incoming.domains.end()) {
      if (wrong.empty()) {
        wrong = fmt::format("iommu: device record at {:#x} points at no record", at.value());
      }
      return;
    }
    domain->second.has_device = true;
    incoming.units[unit->second].attachment_ids.push_back(device.attachment_id);
    incoming.devices[device.address] = device;
  });
  if (!wrong.empty()) lost(wrong);
  return wrong.empty();
}

// Hands the record pages back. A domain whose device never came back keeps its tables: the device
// may still be running through them. One that never had a device goes.
Co<> IommuCore::finish() {
  State& state = *state_;
  for (auto& [at, domain] : state.incoming.domains) {
    if (!domain.has_device) {
      const auto tables = state.restore_tables(domain.record);
      if (!tables) continue;
      for (const PhysAddr table : *tables) {
        state.services.pages().free(table);
      }
    }
  }
  for (const PhysAddr page : state.incoming.pages) {
    state.services.pages().free(page);
  }
  state.incoming.pages.clear();
  state.incoming.units.clear();
  state.incoming.unit_of_record.clear();
  state.incoming.devices.clear();
  // Only a corrupt count of users finishes the FLB while domains wait for their iommufd.
  std::erase_if(state.incoming.domains,
                [](const auto& entry) { return entry.second.held == nullptr; });
  co_return;
}

const IncomingUnit* IommuCore::incoming_unit(PhysAddr unit) const {
  const auto found = state_->incoming.units.find(unit);
  return found == state_->incoming.units.end() ? nullptr : &found->second;
}

void IommuCore::lost(std::string reason) { state_->lost(std::move(reason)); }

void IommuCore::lose_unit(PhysAddr unit, std::string reason) {
  State& state = *state_;
  state.lost(std::move(reason));
  state.incoming.units.erase(unit);
  std::erase_if(state.incoming.devices, [&](const auto& entry) {
    const auto of = state.incoming.unit_of_record.find(entry.second.unit_record);
    return of != state.incoming.unit_of_record.end() && of->second == unit;
  });
}

std::optional<std::vector<PhysAddr>> IommuCore::State::restore_tables(const DomainRecord& domain) {
  std::vector<PhysAddr> tables;
  // A table of 6 levels or wider than 57 bits is nonsense.
  const bool sane =
      domain.top_level >= 2 && domain.top_level <= 4 && domain.vasz <= 57 && domain.vasz > 12;
  const bool restored =
      sane &&
      walk_tables(services.port().ram(), domain.top_table, static_cast<unsigned>(domain.top_level),
                  domain.sign_extend, [&](PhysAddr page, unsigned) {
                    if (kho.restore_folio(page) != 0U) {
                      return false;
                    }
                    services.pages().page(page).owner = "page table";
                    tables.push_back(page);
                    record(LedgerEvent::kRestored, LedgerKind::kTable, "page table",
                           {page, sim::kPageSize}, page.page_number());
                    return true;
                  });
  if (!restored) {
    lost(fmt::format("iommu: cannot restore the page table at {:#x}", domain.top_table.value()));
    return std::nullopt;
  }
  return tables;
}

// Shared by all devices whose record points at the same domain record.
bool IommuCore::State::restore_domain(Incoming::IncomingDomain& from, pci::PciDev& dev) {
  if (!restore_tables(from.record)) return false;
  const TableShape shape{from.record.top_table, static_cast<unsigned>(from.record.top_level),
                         from.record.vasz, from.record.sign_extend};
  auto domain = driver->restore_paging(dev, shape);
  if (!domain) {
    lost(fmt::format("iommu: cannot restore the domain of {}: {}", sim::to_string(dev.address),
                     name(domain.error())));
    return false;
  }
  from.held = std::move(*domain);
  from.domain = from.held.get();
  return true;
}

bool IommuCore::State::restore_device(Group& group, pci::PciDev& dev, const DeviceRecord& device) {
  const PasidState pasids{device.pasid_table, device.max_pasid};
  const Result<> probed = driver->probe_device(dev, &pasids);
  if (!probed) {
    lost(fmt::format("iommu: cannot probe {}: {}", sim::to_string(dev.address),
                     name(probed.error())));
    return false;
  }
  return restore_group(group, dev, device);
}

// The fall-back of the posting of February 2026: the device is attached as one that nobody handed
// over, whatever it is doing.
void IommuCore::State::use_default(pci::PciDev& dev) {
  if (driver->probe_device(dev, nullptr)) {
    driver->attach_identity(dev);
  }
}

bool IommuCore::State::restore_group(Group& group, pci::PciDev& dev, const DeviceRecord& device) {
  Incoming::IncomingDomain& from = incoming.domains.at(device.domain_record);
  if (from.domain == nullptr) {
    if (!restore_domain(from, dev)) return false;
    record(LedgerEvent::kRestored, LedgerKind::kDomain, "iommu domain", {},
           device.domain_record.value());
  }
  auto attached = driver->attach_restored(dev, *from.domain, device.attachment_id);
  if (!attached) {
    lost(fmt::format("iommu: cannot attach {} to its restored domain: {}",
                     sim::to_string(device.address), name(attached.error())));
    return false;
  }
  group.attached = from.domain;
  if (!services.has(Defect::kIommuForgetOwner)) {
    group.owner = device.owner_token;
    ++group.owner_count;
  }
  group.attachers.insert(dev.address);
  services.print(sim::LogLevel::kInfo, "iommu: {}: restored domain, owner token {:#x}",
                 sim::to_string(device.address), device.owner_token);
  return true;
}

Domain* IommuCore::restored_domain(PhysAddr record) const {
  const auto found = state_->incoming.domains.find(record);
  return found == state_->incoming.domains.end() ? nullptr : found->second.domain;
}

Result<> IommuCore::reclaim_dma_owner(pci::PciDev& dev, std::uint64_t token, std::uint64_t owner) {
  Group* group = state_->group_of(dev);
  if (group == nullptr) {
    return fail(Errno::kNoDev);
  }
  const bool after_another = group->devices.size() > 1 && group->owner == owner;
  if (group->owner != token && !after_another) {
    return fail(Errno::kPerm);
  }
  group->owner = owner;
  return {};
}

std::unique_ptr<Domain> IommuCore::take_restored_domain(PhysAddr record) {
  const auto found = state_->incoming.domains.find(record);
  return found == state_->incoming.domains.end() ? nullptr : std::move(found->second.held);
}

}  // namespace baton::linux::iommu
