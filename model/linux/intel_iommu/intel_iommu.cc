// Bring-up, attachment and shutdown [linux drivers/iommu/intel/iommu.c].
#include "model/linux/intel_iommu/intel_iommu.h"

#include <algorithm>
#include <bit>

#include "model/linux/intel_iommu/state.h"
#include "sim/check.h"

namespace baton::linux::intel_iommu {

namespace {

bool in_scope(const DrhdUnit& drhd, const pci::PciDev& dev) {
  for (const DeviceScope& scope : drhd.scopes) {
    for (const pci::PciDev* at = &dev; at != nullptr; at = at->upstream_bridge()) {
      if (at->address == scope.address && (at == &dev || scope.with_subordinates)) {
        return true;
      }
    }
  }
  return false;
}

// The largest table that MGAW and SAGAW both support [linux compute_vasz_lg2_ss].
std::optional<iommu::PageTableFormat> format_of(const Capabilities& capabilities) {
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

// AW of a context entry: 1 for 3 levels.
std::uint64_t address_width(unsigned top_level) { return top_level - 1; }

}  // namespace

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
    if (in_scope(unit->drhd(), dev)) {
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

Co<> IntelIommu::init() {
  State& state = *state_;
  const DmarTable dmar = parse_dmar(state.services.port());
  if (dmar.units.empty()) {
    state.services.print(sim::LogLevel::kInfo, "DMAR: No DMAR devices found");
    co_return;
  }
  state.services.print(sim::LogLevel::kInfo, "DMAR: Host address width {}",
                       dmar.host_address_width);
  for (const DrhdUnit& drhd : dmar.units) {
    auto unit = std::make_unique<Unit>(state.services, drhd);
    if (auto queue = unit->init_queue(); !queue) {
      state.services.print(sim::LogLevel::kError, "DMAR: Failed to initialize {:x}: {}",
                           drhd.registers.value(), name(queue.error()));
      continue;
    }
    const iommu::IncomingUnit* incoming = state.core.incoming_unit(drhd.registers);
    if (incoming == nullptr && unit->translation_enabled()) {
      unit->disable_translation();
      state.services.print(sim::LogLevel::kWarning,
                           "DMAR: Translation was enabled for {:x} but we are not in kdump mode",
                           drhd.registers.value());
    }
    if (incoming != nullptr && !state.services.has(Defect::kIommuFreshRoot)) {
      state.adopt(*unit, *incoming);
    } else if (auto root = unit->allocate_root(); !root) {
      state.services.panic("DMAR: no memory for a root table");
    }
    if (incoming != nullptr && !state.services.has(Defect::kIommuReuseDomainId)) {
      state.reserve_domain_ids(*unit, *incoming);
    }
    state.units.push_back(std::move(unit));
  }
  for (const auto& unit : state.units) {
    unit->set_root();
  }
  state.core.set_driver(*this);
}

bool IntelIommu::present() const { return !state_->units.empty(); }

Co<> IntelIommu::enable_translation() {
  for (const auto& unit : state_->units) {
    unit->enable_translation();
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
  co_return;
}

Result<std::unique_ptr<iommu::Domain>> IntelIommu::alloc_paging(pci::PciDev& dev) {
  const Unit* unit = state_->unit_of(dev);
  const auto format = unit == nullptr ? std::nullopt : format_of(unit->capabilities());
  if (!format) {
    return fail(Errno::kNoDev);
  }
  const Result<iommu::PageTable> table = iommu::PageTable::create(state_->services, *format);
  if (!table) {
    return fail(table.error());
  }
  return std::make_unique<PagingDomain>(*table);
}

void IntelIommu::State::block(pci::PciDev& dev) {
  DeviceInfo& info = devices[dev.address];
  info.dev = &dev;
  Unit* unit = unit_of(dev);
  if (unit == nullptr) {
    return;
  }
  for (const Bdf alias : dma_aliases(dev)) {
    unit->clear_context(alias);
  }
  if (info.domain != nullptr) {
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

Result<> IntelIommu::attach(pci::PciDev& dev, iommu::Domain& domain) {
  State& state = *state_;
  auto& paging = static_cast<PagingDomain&>(domain);
  Unit* unit = state.unit_of(dev);
  if (unit == nullptr) {
    return fail(Errno::kNoDev);
  }
  // paging_domain_compatible(): the table must be one that this unit can walk.
  const unsigned level = paging.top_level();
  if (level < 2 || level > 4 || (unit->capabilities().sagaw() >> (level - 1) & 1) == 0 ||
      paging.address_bits() > unit->capabilities().mgaw()) {
    return fail(Errno::kInval);
  }
  state.block(dev);
  const Result<std::uint16_t> id = paging.get_id(*unit);
  if (!id) {
    return fail(id.error());
  }
  ContextEntry entry;
  entry.low = paging.top_table().value();
  entry.high = address_width(level) | std::uint64_t{*id} << 8;
  if (auto written = state.set_contexts(dev, *unit, entry); !written) {
    paging.put_id(*unit);
    return written;
  }
  state.devices[dev.address].domain = &paging;
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
  const unsigned sagaw = unit->capabilities().sagaw();
  ContextEntry entry;
  entry.low = ContextEntry::kPassThrough;
  entry.high =
      static_cast<std::uint64_t>(std::bit_width(sagaw) - 1) | std::uint64_t{kIdentityDomainId} << 8;
  if (!state.set_contexts(dev, *unit, entry)) {
    state.services.print(sim::LogLevel::kError, "DMAR: no memory for the context table of {}",
                         sim::to_string(dev.address));
  }
}

Result<std::uint64_t> IntelIommu::attachment_id(pci::PciDev& dev, iommu::Domain& domain) {
  const Unit* unit = state_->unit_of(dev);
  const auto id = unit == nullptr ? std::nullopt : static_cast<PagingDomain&>(domain).id_on(*unit);
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
