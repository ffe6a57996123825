// Bring-up, attachment and shutdown [linux drivers/iommu/intel/iommu.c].
#include "model/linux/intel_iommu/intel_iommu.h"

#include <algorithm>
#include <bit>

#include "model/linux/intel_iommu/state.h"
#include "sim/check.h"

namespace baton::linux::intel_iommu {

namespace {

bool in_scope(const std::vector<DeviceScope>& scopes, const pci::PciDev& dev) {
  for (const DeviceScope& scope : scopes) {
    for (const pci::PciDev* at = &dev; at != nullptr; at = at->upstream_bridge()) {
      if (at->address == scope.address && (at == &dev || scope.with_subordinates)) {
        return true;
      }
    }
  }
  return false;
}

// The largest table that MGAW and SAGAW both support [linux compute_vasz_lg2_ss].
std::optional<iommu::PageTableFormat> second_stage_format(const Capabilities& capabilities) {
  const unsigned mgaw = capabilities.mgaw();
  const unsigned sagaw = capabilities.sagaw();
  iommu::PageTableFormat format;
  format.pages_2m = capabilities.pages_2m();
  format.pages_1g = capabilities.pages_1g();
  for (const unsigned top_level : {4U, 3U, 2U}) {
    const unsigned bits = 12 + 9 * (top_level + 1);
    // With an MGAW that fits a smaller table, that one is tried first by the kernel; the larger
    // still serves when it is the only one.
    const unsigned fitting = sagaw >> (top_level - 1);
    if (mgaw > bits - 9 && fitting != 0) {
      format.top_level = top_level + static_cast<unsigned>(std::countr_zero(fitting));
      format.address_bits = std::min(bits, mgaw);
      return format;
    }
  }
  return std::nullopt;
}

iommu::PageTableFormat first_stage_format(const Capabilities& capabilities) {
  iommu::PageTableFormat format;
  format.first_stage = true;
  format.top_level = capabilities.first_stage_5_levels() ? 4 : 3;
  format.address_bits = capabilities.first_stage_5_levels() ? 57 : 48;
  format.pages_1g = capabilities.pages_1g_first();
  return format;
}

// paging_domain_compatible(): the table must be one that this unit can walk.
bool can_walk(const Unit& unit, const iommu::TableShape& shape) {
  const Capabilities& capabilities = unit.capabilities();
  if (shape.first_stage) {
    const bool levels =
        shape.top_level == 3 || (shape.top_level == 4 && capabilities.first_stage_5_levels());
    return unit.scalable() && capabilities.first_stage() && levels &&
           shape.bits <= 12 + 9 * (shape.top_level + 1);
  }
  return shape.top_level >= 2 && shape.top_level <= 4 &&
         (capabilities.sagaw() >> (shape.top_level - 1) & 1) != 0 &&
         shape.bits <= capabilities.mgaw() && shape.bits <= 12 + 9 * (shape.top_level + 1) &&
         (!unit.scalable() || capabilities.second_stage());
}

// AW of a context entry: 1 for 3 levels.
std::uint64_t address_width(unsigned top_level) { return top_level - 1; }

}  // namespace

bool IntelIommu::State::can_walk(const Unit& unit, const PagingDomain& domain) {
  return intel_iommu::can_walk(
      unit, {domain.top_table(), domain.top_level(), domain.address_bits(), domain.first_stage()});
}

std::vector<Bdf> dma_aliases(const pci::PciDev& dev) {
  constexpr std::uint8_t kPcieToPciBridge = 7;
  std::vector<Bdf> aliases{dev.address.bdf};
  for (const pci::PciDev* bridge = dev.upstream_bridge(); bridge != nullptr;
       bridge = bridge->upstream_bridge()) {
    if (bridge->pcie_cap == 0) {
      aliases.push_back(bridge->address.bdf);
    } else if (bridge->pcie_type == kPcieToPciBridge && bridge->subordinate != nullptr) {
      aliases.emplace_back(bridge->subordinate->number, 0U, 0U);
    }
  }
  return aliases;
}

IntelIommu::IntelIommu(KernelServices& services, kho::Kho& kho, iommu::IommuCore& core)
    : state_(std::make_unique<State>(services, kho, core)) {}

IntelIommu::~IntelIommu() = default;

Unit* IntelIommu::State::unit_of(const pci::PciDev& dev) const {
  Unit* rest = nullptr;
  for (const auto& unit : units) {
    if (unit->drhd().segment != dev.address.segment) {
      continue;
    }
    if (in_scope(unit->drhd().scopes, dev)) {
      return unit.get();
    }
    if (unit->drhd().include_pci_all) {
      rest = unit.get();
    }
  }
  return rest;
}

Unit& IntelIommu::State::unit_at(PhysAddr registers) const {
  const auto found =
      std::ranges::find_if(units, [&](const auto& unit) { return unit->registers() == registers; });
  BATON_CHECK(found != units.end(), "there is no remapping unit at this address");
  return **found;
}

void IntelIommu::set_interrupts(irq::IrqCore& irqs) { state_->irqs = &irqs; }

void IntelIommu::set_pci(pci::PciCore& pci) { state_->pci = &pci; }

void IntelIommu::State::find_units() {
  if (dmar) {
    return;
  }
  dmar = parse_dmar(services.port());
  if (dmar->units.empty()) {
    services.print(sim::LogLevel::kInfo, "DMAR: No DMAR devices found");
    return;
  }
  services.print(sim::LogLevel::kInfo, "DMAR: Host address width {}", dmar->host_address_width);
  for (const DrhdUnit& drhd : dmar->units) {
    units.push_back(std::make_unique<Unit>(services, drhd, services.config().iommu_scalable));
  }
}

bool IntelIommu::State::init_unit(Unit& unit) {
  const PhysAddr base = unit.registers();
  if (auto queue = unit.init_queue(); !queue) {
    services.print(sim::LogLevel::kError, "DMAR: Failed to initialize {:x}: {}", base.value(),
                   name(queue.error()));
    return false;
  }
  const bool fresh_root = services.has(Defect::kIommuFreshRoot);
  if (const iommu::IncomingUnit* found = core.incoming_unit(base);
      found != nullptr && !fresh_root) {
    if (std::string wrong = adopt(unit, *found); !wrong.empty()) {
      core.lose_unit(base, std::move(wrong));
    }
  }
  const iommu::IncomingUnit* incoming = core.incoming_unit(base);
  const bool on = unit.translation_enabled();
  const bool copy = on && incoming == nullptr && services.config().crash_kernel;
  if (on && incoming == nullptr && !copy) {
    unit.disable_translation();
    services.print(sim::LogLevel::kWarning,
                   "DMAR: Translation was enabled for {:x} but we are not in kdump mode",
                   base.value());
  }
  if (incoming == nullptr || fresh_root) {
    if (auto root = unit.allocate_root(); !root) {
      services.panic("DMAR: no memory for a root table");
    }
  }
  if (copy && unit.copy_tables()) {
    pre_enabled.insert(base);
  } else if (copy) {
    unit.disable_translation();
    services.print(sim::LogLevel::kError,
                   "DMAR: Failed to copy translation tables from previous kernel for {:x}",
                   base.value());
  }
  if (incoming != nullptr && !services.has(Defect::kIommuReuseDomainId)) {
    reserve_domain_ids(unit, *incoming);
  }
  return true;
}

Co<> IntelIommu::init() {
  State& state = *state_;
  state.find_units();
  if (state.dmar->units.empty()) {
    co_return;
  }
  if (state.off) {
    state.switch_off();
    co_return;
  }
  std::erase_if(state.units, [&](const auto& unit) { return !state.init_unit(*unit); });
  for (const auto& unit : state.units) {
    unit->set_root();
    if (state.irqs != nullptr) {
      unit->set_fault_interrupt(*state.irqs);
    }
  }
  state.core.set_driver(*this);
}

// The early exit of intel_iommu_init() [dmar_disabled]. What was preserved is not asked for:
// devices that run find their I/O virtual addresses to be physical ones.
void IntelIommu::State::switch_off() {
  for (const auto& unit : units) {
    if (!unit->translation_enabled()) continue;
    services.print(sim::LogLevel::kInfo, "DMAR: {:x}: translation was on, and is switched off",
                   unit->registers().value());
    unit->disable_translation();
  }
}

void IntelIommu::turn_off() { state_->off = true; }

bool IntelIommu::present() const { return !state_->units.empty() && !state_->off; }

Co<> IntelIommu::enable_translation() {
  if (state_->off) {
    co_return;
  }
  for (const auto& unit : state_->units) {
    if (!state_->pre_enabled.contains(unit->registers())) {
      unit->enable_translation();
    }
    unit->disable_protected_memory();
  }
  if (!state_->units.empty()) {
    state_->services.print(sim::LogLevel::kInfo,
                           "DMAR: Intel(R) Virtualization Technology for "
                           "Directed I/O");
  }
  co_return;
}

Co<> IntelIommu::shutdown() {
  State& state = *state_;
  for (const auto& unit : state.units) {
    unit->disable_protected_memory();
    const bool preserved = state.core.has_preserved_devices(unit->registers());
    if (!preserved || state.services.has(Defect::kIommuTranslationOff)) {
      unit->disable_translation();
    } else {
      state.prune(*unit);
    }
  }
  co_await settle();
}

// intel_iommu_domain_alloc_paging_flags(): first stage if the unit can and the use allows it.
Result<std::unique_ptr<iommu::Domain>> IntelIommu::alloc_paging(pci::PciDev& dev,
                                                                iommu::DomainUse use) {
  const Unit* unit = state_->unit_of(dev);
  if (unit == nullptr) {
    return fail(Errno::kNoDev);
  }
  const Capabilities& capabilities = unit->capabilities();
  const bool first = unit->scalable() && capabilities.first_stage() && !use.nest_parent;
  const bool second = !unit->scalable() || capabilities.second_stage();
  if (!first && use.nest_parent && !(unit->scalable() && capabilities.nested() && second)) {
    return fail(Errno::kOpNotSupp);
  }
  const auto format =
      first ? std::optional(first_stage_format(capabilities)) : second_stage_format(capabilities);
  if (!format) {
    return fail(Errno::kNoDev);
  }
  const Result<iommu::PageTable> table = iommu::PageTable::create(state_->services, *format);
  if (!table) {
    return fail(table.error());
  }
  return std::make_unique<PagingDomain>(*table, use.nest_parent);
}

// intel_iommu_domain_alloc_nested()
Result<std::unique_ptr<iommu::Domain>> IntelIommu::alloc_nested(pci::PciDev& dev,
                                                                iommu::Domain& parent,
                                                                const iommu::UserTable& table) {
  const Unit* unit = state_->unit_of(dev);
  if (unit == nullptr || !unit->scalable() || !unit->capabilities().nested()) {
    return fail(Errno::kOpNotSupp);
  }
  auto& below = static_cast<PagingDomain&>(parent);
  if (!below.nest_parent()) {
    return fail(Errno::kInval);
  }
  return std::make_unique<NestedDomain>(below, table);
}

// device_rmrr_is_relaxable(), device_is_rmrr_locked(): firmware goes on using what it has reserved
// for a device, so the device cannot be given to user space; for USB and graphics it does not.
bool IntelIommu::State::is_locked_by_firmware(const pci::PciDev& dev) const {
  constexpr std::uint32_t kUsb = 0x0C03;
  constexpr std::uint32_t kDisplay = 0x03;
  if (dev.class_code >> 8 == kUsb || dev.class_code >> 16 == kDisplay) {
    return false;
  }
  return std::ranges::any_of(dmar->reserved, [&](const ReservedRegion& region) {
    return region.segment == dev.address.segment && in_scope(region.scopes, dev);
  });
}

// A domain over preserved tables, in the shape that the record tells.
Result<std::unique_ptr<iommu::Domain>> IntelIommu::restore_paging(pci::PciDev& dev,
                                                                  const iommu::TableShape& shape) {
  const Unit* unit = state_->unit_of(dev);
  if (unit == nullptr) {
    return fail(Errno::kNoDev);
  }
  if (!can_walk(*unit, shape)) {
    return fail(Errno::kInval);
  }
  iommu::PageTableFormat format =
      shape.first_stage ? first_stage_format(unit->capabilities()) : iommu::PageTableFormat{};
  if (!shape.first_stage) {
    format.pages_2m = unit->capabilities().pages_2m();
    format.pages_1g = unit->capabilities().pages_1g();
  }
  format.top_level = shape.top_level;
  format.address_bits = shape.bits;
  return std::make_unique<PagingDomain>(
      iommu::PageTable::over(state_->services, format, shape.top_table));
}

bool IntelIommu::State::is_copied(const pci::PciDev& dev, const Unit& unit) const {
  return std::ranges::any_of(dma_aliases(dev), [&](Bdf alias) { return unit.is_copied(alias); });
}

// A device that a crashed kernel left running goes on with its copied entry until its driver comes.
bool IntelIommu::attach_deferred(pci::PciDev& dev) const {
  const Unit* unit = state_->unit_of(dev);
  return unit != nullptr && state_->is_copied(dev, *unit);
}

// intel_iommu_probe_device(): in scalable mode a device has its PASID directory from here on.
Result<> IntelIommu::probe_device(pci::PciDev& dev, const iommu::PasidState* preserved) {
  State& state = *state_;
  Unit* unit = state.unit_of(dev);
  DeviceInfo& info = state.devices[dev.address];
  info.dev = &dev;
  if (unit == nullptr) {
    return {};
  }
  info.device_tlb = state.find_device_tlb(dev, *unit);
  if (!unit->scalable()) {
    return {};
  }
  info.max_pasids = state.find_pasids(dev, *unit);
  if (preserved != nullptr) {
    if (state.restore_pasids(dev, *unit, *preserved)) return {};
    for (const Bdf alias : dma_aliases(dev)) unit->clear_context(alias);
    return fail(Errno::kIo);
  }
  if (info.pasids) {
    return {};  // taken over, for a domain that could not be [policy restore_failure]
  }
  Result<PasidTable> pasids = PasidTable::create(state.services, info.max_pasids);
  if (!pasids) {
    return fail(pasids.error());
  }
  info.pasids = *pasids;
  if (state.is_copied(dev, *unit)) {
    return {};
  }
  const Result<> set = state.set_directory(dev, *unit);
  if (set) {
    state.finish_probe(info);
  }
  return set;
}

Result<> IntelIommu::State::set_directory(pci::PciDev& dev, Unit& unit) {
  const DeviceInfo& info = devices.at(dev.address);
  const PasidTable& pasids = *info.pasids;
  ContextEntry entry;
  entry.low = pasids.directory().value() | pasids.size_field() << 9 |
              (info.device_tlb ? ContextEntry::kDeviceTlbEnable : 0) |
              (info.max_pasids > 0 ? ContextEntry::kPasidEnable : 0);
  return set_contexts(dev, unit, entry);
}

// device_block_translation()
void IntelIommu::State::block(pci::PciDev& dev) {
  DeviceInfo& info = devices[dev.address];
  info.dev = &dev;
  Unit* unit = unit_of(dev);
  if (unit == nullptr) {
    return;
  }
  if (!unit->scalable()) {
    for (const Bdf alias : dma_aliases(dev)) {
      unit->clear_context(alias, device_tlb_of(info));
    }
    disable_ats(info);
  } else if (is_copied(dev, *unit)) {
    if (!set_directory(dev, *unit)) {
      services.panic("DMAR: no memory for a context table");
    }
  } else {
    info.pasids->tear_down(*unit, kNoPasid, device_tlb_of(info));
  }
  if (info.domain != nullptr) {
    info.domain->unassign_tags(*unit, kNoPasid, info.device_tlb);
    info.domain->put_id(*unit);
    info.domain = nullptr;
  }
}

Result<> IntelIommu::State::set_contexts(pci::PciDev& dev, Unit& unit, const ContextEntry& entry) {
  for (const Bdf alias : dma_aliases(dev)) {
    if (auto written = unit.set_context(alias, entry); !written) {
      return written;
    }
  }
  return {};
}

// dmar_domain_attach_device(), the part that hardware sees.
Result<> IntelIommu::State::install(pci::PciDev& dev, Unit& unit, const DmarDomain& domain,
                                    std::uint16_t id) {
  DeviceInfo& info = devices.at(dev.address);
  if (unit.scalable()) {
    const Result<PasidEntry> entry = domain.pasid_entry(unit.capabilities(), id);
    return entry ? info.pasids->install(unit, dev.address.bdf, kNoPasid, *entry)
                 : fail(entry.error());
  }
  ContextEntry entry;
  entry.low = domain.top_table().value() | (info.device_tlb ? ContextEntry::kWithDeviceTlb : 0);
  entry.high = address_width(domain.top_level()) | std::uint64_t{id} << 8;
  const Result<> written = set_contexts(dev, unit, entry);
  if (written) {
    enable_ats(info);
  }
  return written;
}

Result<> IntelIommu::attach(pci::PciDev& dev, iommu::Domain& domain) {
  State& state = *state_;
  auto& target = static_cast<DmarDomain&>(domain);
  Unit* unit = state.unit_of(dev);
  if (unit == nullptr) {
    return fail(Errno::kNoDev);
  }
  if (state.is_locked_by_firmware(dev)) {
    state.services.print(sim::LogLevel::kWarning,
                         "DMAR: {}: Device is ineligible for IOMMU domain attach due to platform "
                         "RMRR requirement",
                         sim::to_string(dev.address));
    return fail(Errno::kPerm);
  }
  if (!State::can_walk(*unit, target.host_table())) {
    return fail(Errno::kInval);
  }
  state.block(dev);
  const Result<std::uint16_t> id = target.get_id(*unit);
  if (!id) {
    return fail(id.error());
  }
  if (auto written = state.install(dev, *unit, target, *id); !written) {
    target.put_id(*unit);
    return written;
  }
  DeviceInfo& info = state.devices[dev.address];
  info.domain = &target;
  target.assign_tags(*unit, kNoPasid, info.device_tlb);
  return {};
}

void IntelIommu::attach_blocking(pci::PciDev& dev) { state_->block(dev); }

// Pass-through; a unit without it leaves the device blocked.
void IntelIommu::attach_identity(pci::PciDev& dev) {
  State& state = *state_;
  state.block(dev);
  Unit* unit = state.unit_of(dev);
  if (unit == nullptr || !unit->capabilities().pass_through()) {
    return;
  }
  const Capabilities& capabilities = unit->capabilities();
  Result<> written;
  if (unit->scalable()) {
    written = state.devices.at(dev.address)
                  .pasids->install(*unit, dev.address.bdf, kNoPasid,
                                   PasidEntry::pass_through(capabilities));
  } else {
    ContextEntry entry;
    entry.low = ContextEntry::kPassThrough;
    entry.high = static_cast<std::uint64_t>(std::bit_width(capabilities.sagaw()) - 1) |
                 std::uint64_t{kIdentityDomainId} << 8;
    written = state.set_contexts(dev, *unit, entry);
  }
  if (!written) {
    state.services.print(sim::LogLevel::kError, "DMAR: no memory for the tables of {}",
                         sim::to_string(dev.address));
  }
}

// Of a table of user space over `domain`: the id under which hardware caches both stages.
Result<std::uint64_t> IntelIommu::attachment_id(pci::PciDev& dev, iommu::Domain& domain) {
  const Unit* unit = state_->unit_of(dev);
  const auto found = state_->devices.find(dev.address);
  const DmarDomain* attached = found == state_->devices.end() ? nullptr : found->second.domain;
  const bool on_domain = attached != nullptr && &attached->host_table() == &domain;
  const auto id = unit == nullptr || !on_domain ? std::nullopt : attached->id_on(*unit);
  if (!id) {
    return fail(Errno::kInval);
  }
  return *id;
}

PhysAddr IntelIommu::unit_of(pci::PciDev& dev) const {
  const Unit* unit = state_->unit_of(dev);
  return unit == nullptr ? PhysAddr{} : unit->registers();
}

}  // namespace baton::linux::intel_iommu
