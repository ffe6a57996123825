#include "model/linux/intel_iommu/pasid.h"

#include <bit>

namespace baton::linux::intel_iommu {

namespace {

constexpr std::uint64_t kPresent = 1;
constexpr std::uint64_t kTableMask = ~std::uint64_t{0xFFF};
constexpr std::uint64_t kEntryBytes = 64;
constexpr std::uint64_t kEntriesOfATable = 64;
constexpr std::uint64_t kWalkSnooped = 1U << 23;  // PWSNP
// Third word of an entry: first stage.
constexpr std::uint64_t kSupervisor = 1U << 0;        // SRE
constexpr std::uint64_t kFiveLevels = 1U << 2;        // FSPM
constexpr std::uint64_t kWriteProtect = 1U << 4;      // WPE
constexpr std::uint64_t kExtendedAccessed = 1U << 7;  // EAFE
constexpr const char* kDirectory = "PASID directory";
constexpr const char* kTable = "PASID table";

std::uint64_t type_bits(PasidEntry::Type type) { return static_cast<std::uint64_t>(type) << 6; }
// AW: 1 for 3 levels.
std::uint64_t width_bits(unsigned top_level) { return std::uint64_t{top_level - 1} << 2; }
std::uint64_t snoop_bits(const Capabilities& capabilities) {
  return capabilities.walk_coherency() ? kWalkSnooped : 0;
}
// What the unit walks at most (iommu->agaw), which the kernel writes where no table needs a width.
unsigned largest_top_level(const Capabilities& capabilities) {
  return static_cast<unsigned>(std::bit_width(capabilities.sagaw()));
}

// 8 bytes of directory for 64 PASIDs.
unsigned directory_order(std::uint64_t pasids) {
  return order_of(std::max<std::uint64_t>(pasids / 8, sim::kPageSize));
}

}  // namespace

PasidEntry PasidEntry::first_stage(const Capabilities& capabilities, std::uint16_t domain,
                                   PhysAddr table, unsigned top_level) {
  constexpr unsigned kTopOfFive = 4;
  PasidEntry entry;
  entry.words[0] =
      kPresent | width_bits(largest_top_level(capabilities)) | type_bits(Type::kFirstStage);
  entry.words[1] = domain | snoop_bits(capabilities);
  entry.words[2] = table.value() | (top_level == kTopOfFive ? kFiveLevels : 0);
  return entry;
}

PasidEntry PasidEntry::second_stage(const Capabilities& capabilities, std::uint16_t domain,
                                    PhysAddr table, unsigned top_level) {
  PasidEntry entry;
  entry.words[0] = kPresent | width_bits(top_level) | type_bits(Type::kSecondStage) | table.value();
  entry.words[1] = domain | snoop_bits(capabilities);
  return entry;
}

PasidEntry PasidEntry::nested(const Capabilities& capabilities, std::uint16_t domain,
                              PhysAddr table, unsigned top_level, const UserStage& user) {
  PasidEntry entry;
  entry.words[0] = kPresent | width_bits(top_level) | type_bits(Type::kNested) | table.value();
  entry.words[1] = domain | snoop_bits(capabilities);
  entry.words[2] = (user.table & kTableMask) | (user.supervisor_requests ? kSupervisor : 0) |
                   (user.five_levels ? kFiveLevels : 0) | (user.write_protect ? kWriteProtect : 0) |
                   (user.extended_accessed ? kExtendedAccessed : 0);
  return entry;
}

PasidEntry PasidEntry::pass_through(const Capabilities& capabilities) {
  PasidEntry entry;
  entry.words[0] =
      kPresent | width_bits(largest_top_level(capabilities)) | type_bits(Type::kPassThrough);
  entry.words[1] = kIdentityDomainId | snoop_bits(capabilities);
  return entry;
}

std::uint64_t PasidTable::rounded(std::uint64_t pasids) {
  return std::uint64_t{1} << (directory_order(pasids) + kPasidsOfAPage);
}

Result<PasidTable> PasidTable::create(KernelServices& services, std::uint64_t pasids) {
  const unsigned order = directory_order(pasids);
  const Result<PhysAddr> directory = services.pages().allocate(order, kDirectory);
  if (!directory) {
    return fail(directory.error());
  }
  return PasidTable(services, *directory, order);
}

std::optional<PasidTable> PasidTable::over(KernelServices& services, PhysAddr directory,
                                           std::uint64_t max_pasid) {
  constexpr std::uint64_t kMaximum = 1 << 20;
  constexpr std::uint64_t kMinimum = 1 << kPasidsOfAPage;
  if (!std::has_single_bit(max_pasid) || max_pasid > kMaximum || max_pasid < kMinimum) {
    return std::nullopt;
  }
  const auto order = static_cast<unsigned>(std::countr_zero(max_pasid)) - kPasidsOfAPage;
  const std::uint64_t bytes = sim::kPageSize << order;
  if (directory == PhysAddr{} || directory.value() % bytes != 0 ||
      !services.port().ram().contains(directory, bytes)) {
    return std::nullopt;
  }
  return PasidTable(services, directory, order);
}

PhysAddr PasidTable::slot(std::uint32_t pasid) const {
  if (pasid >= max_pasid()) {
    return {};
  }
  sim::PhysicalMemory& ram = services_->port().ram();
  const auto entry =
      ram.load<std::uint64_t>(directory_ + pasid / kEntriesOfATable * sizeof(std::uint64_t));
  const PhysAddr table(entry & kTableMask);
  if ((entry & kPresent) == 0 || !ram.contains(table, sim::kPageSize)) {
    return {};
  }
  return table + pasid % kEntriesOfATable * kEntryBytes;
}

// intel_pasid_get_entry()
Result<PhysAddr> PasidTable::ensure_slot(std::uint32_t pasid) {
  if (pasid >= max_pasid()) {
    return fail(Errno::kInval);
  }
  if (slot(pasid) == PhysAddr{}) {
    const Result<PhysAddr> page = services_->pages().allocate(0, kTable);
    if (!page) {
      return page;
    }
    services_->port().ram().store(directory_ + pasid / kEntriesOfATable * sizeof(std::uint64_t),
                                  page->value() | kPresent);
  }
  return slot(pasid);
}

std::optional<PasidEntry> PasidTable::entry(std::uint32_t pasid) const {
  const PhysAddr at = slot(pasid);
  if (at == PhysAddr{}) {
    return std::nullopt;
  }
  return services_->port().ram().load<PasidEntry>(at);
}

void PasidTable::store(std::uint32_t pasid, const PasidEntry& entry) {
  const PhysAddr at = slot(pasid);
  sim::PhysicalMemory& ram = services_->port().ram();
  for (std::size_t i = entry.words.size(); i-- > 0;) {
    ram.store(at + i * sizeof(std::uint64_t), entry.words[i]);
  }
}

Result<> PasidTable::install(Unit& unit, Bdf source, std::uint32_t pasid, const PasidEntry& entry) {
  const Result<PhysAddr> at = ensure_slot(pasid);
  if (!at) {
    return fail(at.error());
  }
  if (services_->port().ram().load<PasidEntry>(*at).present()) {
    return fail(Errno::kBusy);
  }
  store(pasid, entry);
  // pasid_flush_caches(): what was not present is cached by caching mode alone.
  if (unit.capabilities().caching_mode()) {
    unit.submit(pasid_cache_of(entry.domain_id(), pasid));
    unit.submit(pasid_iotlb_of(entry.domain_id(), pasid));
  }
  unit.step("set PASID entry", std::uint64_t{source.value()} << 20 | pasid);
  return {};
}

// What the unit may hold of an entry that is no longer there.
void PasidTable::flush(Unit& unit, std::uint32_t pasid, const PasidEntry& old) const {
  unit.submit(pasid_cache_of(old.domain_id(), pasid));
  if (old.type() == PasidEntry::Type::kSecondStage || old.type() == PasidEntry::Type::kNested) {
    unit.submit(iotlb_of_domain(old.domain_id()));
  } else {
    unit.submit(pasid_iotlb_of(old.domain_id(), pasid));
  }
}

Result<> PasidTable::replace(Unit& unit, std::uint32_t pasid, const PasidEntry& entry) {
  const std::optional<PasidEntry> old = this->entry(pasid);
  if (!old || !old->present()) {
    return fail(Errno::kInval);
  }
  store(pasid, entry);
  flush(unit, pasid, *old);
  unit.step("replace PASID entry", pasid);
  return {};
}

void PasidTable::tear_down(Unit& unit, std::uint32_t pasid,
                           const std::optional<DeviceTlb>& device) {
  const std::optional<PasidEntry> old = entry(pasid);
  if (!old || !old->present()) {
    return;
  }
  services_->port().ram().store(slot(pasid), old->words[0] & ~kPresent);
  flush(unit, pasid, *old);
  unit.flush_device_tlb(device, pasid);
  store(pasid, PasidEntry{});
  unit.step("clear PASID entry", pasid);
}

bool PasidTable::for_each_page(
    const std::function<bool(PhysAddr page, unsigned order)>& visit) const {
  sim::PhysicalMemory& ram = services_->port().ram();
  if (!visit(directory_, order_)) {
    return false;
  }
  for (std::uint64_t index = 0; index < max_pasid() / kEntriesOfATable; ++index) {
    const auto entry = ram.load<std::uint64_t>(directory_ + index * sizeof(std::uint64_t));
    if ((entry & kPresent) == 0) {
      continue;
    }
    const PhysAddr table(entry & kTableMask);
    if (!ram.contains(table, sim::kPageSize) || !visit(table, 0)) {
      return false;
    }
  }
  return true;
}

void PasidTable::release() {
  std::vector<PhysAddr> pages;
  for_each_page([&](PhysAddr page, unsigned) {
    pages.push_back(page);
    return true;
  });
  for (const PhysAddr page : pages) {
    services_->pages().free(page);
  }
  directory_ = PhysAddr{};
}

}  // namespace baton::linux::intel_iommu
