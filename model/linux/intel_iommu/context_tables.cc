// Root and context tables of both table modes, and tables copied from a kernel that crashed
// [linux drivers/iommu/intel/iommu.c iommu_context_addr, domain_context_mapping_one,
// domain_context_clear_one, copy_translation_tables].
#include "model/linux/intel_iommu/unit.h"

namespace baton::linux::intel_iommu {

namespace {
constexpr std::uint64_t kTableMask = ~std::uint64_t{0xFFF};
constexpr std::uint64_t kPresent = 1;
constexpr const char* kContextTable = "context table";
}  // namespace

Result<> Unit::allocate_root() {
  const Result<PhysAddr> root = services_.pages().allocate(0, "root table");
  if (!root) {
    return fail(root.error());
  }
  root_ = *root;
  record(LedgerEvent::kCreated, "root table", root_);
  return {};
}

// The upper half of a legacy root entry is reserved: no table is there.
PhysAddr Unit::context_table(unsigned index) const {
  if (!scalable_ && index % 2 != 0) {
    return {};
  }
  const auto entry = services_.port().ram().load<std::uint64_t>(root_entry(index));
  return (entry & kPresent) != 0 ? PhysAddr(entry & kTableMask) : PhysAddr{};
}

void Unit::set_context_table(unsigned index, PhysAddr table) {
  services_.port().ram().store(root_entry(index), table.value() | kPresent);
}

void Unit::clear_root_entry(unsigned index) {
  services_.port().ram().store(root_entry(index), std::uint64_t{0});
}

unsigned Unit::table_index(Bdf source) const {
  return source.bus() * 2 + (scalable_ && source.devfn() >= 0x80 ? 1 : 0);
}

PhysAddr Unit::context_slot(Bdf source) const {
  const PhysAddr table = context_table(table_index(source));
  if (table == PhysAddr{}) {
    return {};
  }
  return table + (scalable_ ? source.devfn() & 0x7F : source.devfn()) * context_bytes();
}

std::optional<ContextEntry> Unit::context(Bdf source) const {
  const PhysAddr at = context_slot(source);
  if (at == PhysAddr{}) {
    return std::nullopt;
  }
  return services_.port().ram().load<ContextEntry>(at);
}

// domain_context_mapping_one(), context_entry_set_pasid_table()
Result<> Unit::set_context(Bdf source, const ContextEntry& entry) {
  sim::PhysicalMemory& ram = services_.port().ram();
  PhysAddr at = context_slot(source);
  if (at == PhysAddr{}) {
    const Result<PhysAddr> page = services_.pages().allocate(0, kContextTable);
    if (!page) {
      return fail(page.error());
    }
    set_context_table(table_index(source), *page);
    record(LedgerEvent::kCreated, kContextTable, *page);
    at = context_slot(source);
  }
  if (is_copied(source)) {
    drop_copied(source);
  }
  ram.store(at + 8, entry.high);
  ram.store(at, entry.low & ~ContextEntry::kPresent);
  ram.store(at, entry.low | ContextEntry::kPresent);
  if (capabilities_.caching_mode()) {
    const std::array stale{context_of_device(0, source.value()),
                           iotlb_of_domain(scalable_ ? 0 : entry.domain_id())};
    submit(stale);
  }
  step("set context", source.value());
  return {};
}

// domain_context_clear_one(), in the order that never lets hardware see half an entry. In scalable
// mode the PASID cache is keyed by domain id: what the directory led to goes with the entries.
void Unit::clear_context(Bdf source, const std::optional<DeviceTlb>& device) {
  if (is_copied(source)) {
    drop_copied(source);
    return;
  }
  const std::optional<ContextEntry> entry = context(source);
  if (!entry || !entry->present()) {
    return;
  }
  sim::PhysicalMemory& ram = services_.port().ram();
  const PhysAddr at = context_slot(source);
  ram.store(at, entry->low & ~ContextEntry::kPresent);
  const std::uint16_t id = scalable_ ? 0 : entry->domain_id();
  submit(context_of_device(id, source.value()));
  if (!scalable_) {
    submit(iotlb_of_domain(id));
  }
  flush_device_tlb(device);
  forget_context(source);
  step("clear context", source.value());
}

void Unit::forget_context(Bdf source) {
  const PhysAddr at = context_slot(source);
  if (at != PhysAddr{}) {
    sim::PhysicalMemory& ram = services_.port().ram();
    ram.store(at, ContextEntry{});
    if (scalable_) {
      ram.store(at + 16, ContextEntry{});
    }
  }
}

// copy_context_table(). In scalable mode what is read as a domain id are bits of RID_PASID: the ids
// in the PASID tables stay unreserved, as in Linux, and drop_copied() makes up for it.
bool Unit::copy_table(unsigned index, PhysAddr from) {
  sim::PhysicalMemory& ram = services_.port().ram();
  if (!ram.contains(from, sim::kPageSize)) {
    return false;
  }
  const Result<PhysAddr> page = services_.pages().allocate(0, kContextTable);
  if (!page) {
    return false;
  }
  std::array<std::byte, sim::kPageSize> bytes{};
  ram.read(from, bytes);
  ram.write(*page, bytes);
  set_context_table(index, *page);
  record(LedgerEvent::kCreated, kContextTable, *page);
  const unsigned entries = static_cast<unsigned>(sim::kPageSize) / context_bytes();
  for (unsigned i = 0; i < entries; ++i) {
    const auto entry = ram.load<ContextEntry>(*page + i * context_bytes());
    if (!entry.present()) {
      continue;
    }
    const unsigned devfn = i + (index % 2 != 0 ? 0x80U : 0U);
    copied_.insert(Bdf(static_cast<std::uint16_t>(index / 2 << 8 | devfn)));
    reserve_domain_id(entry.domain_id());
  }
  return true;
}

bool Unit::copy_tables() {
  // The table mode cannot change while translation is on.
  if (hardware_scalable() != scalable_) {
    return false;
  }
  sim::PhysicalMemory& ram = services_.port().ram();
  const PhysAddr old = hardware_root();
  if (old == PhysAddr{} || !ram.contains(old, sim::kPageSize)) {
    return false;
  }
  for (unsigned index = 0; index < kContextTables; index += scalable_ ? 1 : 2) {
    const auto entry = ram.load<std::uint64_t>(old + index * 8);
    if ((entry & kPresent) != 0 && !copy_table(index, PhysAddr(entry & kTableMask))) {
      return false;
    }
  }
  step("copied tables", old.value());
  services_.print(sim::LogLevel::kInfo,
                  "DMAR: Copied translation tables from previous kernel for {:x}",
                  registers().value());
  return true;
}

void Unit::drop_copied(Bdf source) {
  copied_.erase(source);
  const std::optional<ContextEntry> old = context(source);
  if (!old || !old->present()) {
    return;
  }
  forget_context(source);
  if (scalable_) {
    submit(context_of_device(0, source.value()));
    submit(pasid_cache_global());
    submit(iotlb_global());
  } else {
    submit(context_of_device(old->domain_id(), source.value()));
    submit(iotlb_of_domain(old->domain_id()));
  }
  step("clear copied context", source.value());
}

}  // namespace baton::linux::intel_iommu
