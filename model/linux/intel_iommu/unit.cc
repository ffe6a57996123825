#include "model/linux/intel_iommu/unit.h"

#include "sim/check.h"

namespace baton::linux::intel_iommu {

namespace {
constexpr std::uint64_t kTableMask = ~std::uint64_t{0xFFF};
}  // namespace

Unit::Unit(KernelServices& services, const DrhdUnit& drhd)
    : services_(services), drhd_(drhd), queue_(services, drhd.registers) {
  capabilities_.cap = services.port().mmio_read(registers() + kCapReg, 8);
  capabilities_.ecap = services.port().mmio_read(registers() + kEcapReg, 8);
  // What runs is kept running: the shadow starts from what the hardware does.
  shadow_ = read32(kGstsReg) & (kGcmdTe | kGcmdQie | kGcmdIre);
  services.print(sim::LogLevel::kInfo,
                 "DMAR: dmar: reg_base_addr {:x} ver {}:{} cap {:x} ecap {:x}", registers().value(),
                 read32(kVerReg) >> 4 & 0xF, read32(kVerReg) & 0xF, capabilities_.cap,
                 capabilities_.ecap);
}

std::uint32_t Unit::read32(std::uint64_t offset) const {
  return static_cast<std::uint32_t>(services_.port().mmio_read(registers() + offset, 4));
}

void Unit::wait_status(std::uint32_t bit, bool on) {
  // Linux polls up to 10 s and panics; hardware of baton completes within the write.
  if (((read32(kGstsReg) & bit) != 0) != on) {
    services_.panic("DMAR hardware is malfunctioning");
  }
}

void Unit::command(std::uint32_t bit, bool on) {
  shadow_ = on ? shadow_ | bit : shadow_ & ~bit;
  services_.port().mmio_write(registers() + kGcmdReg, 4, shadow_);
  wait_status(bit, on);
}

void Unit::one_shot(std::uint32_t bit) {
  services_.port().mmio_write(registers() + kGcmdReg, 4, shadow_ | bit);
  wait_status(bit, true);
}

bool Unit::translation_enabled() const { return (read32(kGstsReg) & kGcmdTe) != 0; }
void Unit::enable_translation() { command(kGcmdTe, true); }
void Unit::disable_translation() { command(kGcmdTe, false); }

void Unit::disable_protected_memory() {
  if (!capabilities_.protected_memory()) {
    return;
  }
  const std::uint32_t enable = read32(kPmenReg) & ~kPmenEpm;
  services_.port().mmio_write(registers() + kPmenReg, 4, enable);
  if ((read32(kPmenReg) & kPmenPrs) != 0) {
    services_.panic("DMAR hardware is malfunctioning");
  }
}

// dmar_fault(): what the hardware logged while nobody looked.
void Unit::clear_faults() {
  constexpr std::uint32_t kF = 1U << 31;
  host::KernelPort& port = services_.port();
  const std::uint32_t status = read32(kFstsReg);
  if ((status & kFstsPpf) != 0) {
    for (unsigned index = 0; index < capabilities_.fault_records(); ++index) {
      const std::uint64_t at = capabilities_.fault_records_at() + index * 16ULL;
      const std::uint32_t top = read32(at + 12);
      if ((top & kF) == 0) {
        continue;
      }
      const std::uint64_t address = port.mmio_read(registers() + at, 8);
      const std::uint32_t source = read32(at + 8) & 0xFFFF;
      port.mmio_write(registers() + at + 12, 4, kF);
      services_.print(sim::LogLevel::kError,
                      "DMAR: [DMA {}] Request device [{}] fault addr {:#x} [fault reason {:#04x}]",
                      (top >> 30 & 1) != 0 ? "Read" : "Write",
                      sim::to_string(Bdf(static_cast<std::uint16_t>(source))), address, top & 0xFF);
    }
  }
  port.mmio_write(registers() + kFstsReg, 4, kFstsPfo | kFstsPpf);
}

Result<> Unit::init_queue() {
  if (!capabilities_.queued_invalidation()) {
    return fail(Errno::kNoDev);
  }
  clear_faults();
  if ((read32(kGstsReg) & kGcmdQie) != 0) {
    // The previous kernel's queue: it waited for every submission, so this is empty.
    if (read32(kIqtReg) != read32(kIqhReg)) {
      services_.panic("DMAR: the inherited invalidation queue does not drain");
    }
    command(kGcmdQie, false);
  }
  if (auto allocated = queue_.allocate(); !allocated) {
    return allocated;
  }
  queue_.program();
  command(kGcmdQie, true);
  return {};
}

Result<> Unit::allocate_root() {
  const Result<PhysAddr> root = services_.pages().allocate(0, "root table");
  if (!root) {
    return fail(root.error());
  }
  root_ = *root;
  record(LedgerEvent::kCreated, "root table", root_);
  return {};
}

void Unit::set_root() {
  services_.port().mmio_write(registers() + kRtaddrReg, 8, root_.value());
  one_shot(kGcmdSrtp);
  if (!capabilities_.srtp_flushes()) {
    flush_all();
  }
}

void Unit::flush_all() {
  const std::array contexts{context_global()};
  const std::array iotlb{iotlb_global()};
  submit(contexts);
  submit(iotlb);
}

void Unit::submit(std::span<const Descriptor> descriptors) {
  // Linux ignores the result everywhere but in its tests; the queue has reported the error.
  static_cast<void>(queue_.submit(descriptors));
}

PhysAddr Unit::context_table(unsigned bus) const {
  const auto entry = services_.port().ram().load<std::uint64_t>(root_entry(bus));
  return (entry & 1) != 0 ? PhysAddr(entry & kTableMask) : PhysAddr{};
}

void Unit::clear_root_entry(unsigned bus) {
  services_.port().ram().store(root_entry(bus), std::uint64_t{0});
  services_.port().ram().store(root_entry(bus) + 8, std::uint64_t{0});
}

std::optional<ContextEntry> Unit::context(Bdf source) const {
  const PhysAddr table = context_table(source.bus());
  if (table == PhysAddr{}) {
    return std::nullopt;
  }
  return services_.port().ram().load<ContextEntry>(table + source.devfn() * 16);
}

// domain_context_mapping_one()
Result<> Unit::set_context(Bdf source, const ContextEntry& entry) {
  sim::PhysicalMemory& ram = services_.port().ram();
  PhysAddr table = context_table(source.bus());
  if (table == PhysAddr{}) {
    const Result<PhysAddr> page = services_.pages().allocate(0, "context table");
    if (!page) {
      return fail(page.error());
    }
    table = *page;
    ram.store(root_entry(source.bus()), table.value() | 1);
    record(LedgerEvent::kCreated, "context table", table);
  }
  const PhysAddr at = table + source.devfn() * 16;
  ram.store(at + 8, entry.high);
  ram.store(at, entry.low & ~ContextEntry::kPresent);
  ram.store(at, entry.low | ContextEntry::kPresent);
  if (capabilities_.caching_mode()) {
    const std::array stale{context_of_device(0, source.value()),
                           iotlb_of_domain(entry.domain_id())};
    submit(stale);
  }
  return {};
}

// domain_context_clear_one(), in the order that never lets hardware see half an entry.
void Unit::clear_context(Bdf source) {
  const std::optional<ContextEntry> entry = context(source);
  if (!entry || !entry->present()) {
    return;
  }
  sim::PhysicalMemory& ram = services_.port().ram();
  const PhysAddr at = context_table(source.bus()) + source.devfn() * 16;
  ram.store(at, entry->low & ~ContextEntry::kPresent);
  const std::array contexts{context_of_device(entry->domain_id(), source.value())};
  const std::array iotlb{iotlb_of_domain(entry->domain_id())};
  submit(contexts);
  submit(iotlb);
  ram.store(at, ContextEntry{});
}

void Unit::forget_context(Bdf source) {
  const PhysAddr table = context_table(source.bus());
  if (table != PhysAddr{}) {
    services_.port().ram().store(table + source.devfn() * 16, ContextEntry{});
  }
}

Result<std::uint16_t> Unit::allocate_domain_id() {
  const std::uint32_t limit = 1U << capabilities_.domain_id_bits();
  for (std::uint32_t id = kFirstDomainId; id < limit; ++id) {
    if (domain_ids_.insert(static_cast<std::uint16_t>(id)).second) {
      return static_cast<std::uint16_t>(id);
    }
  }
  return fail(Errno::kNoSpc);
}

bool Unit::is_domain_id(std::uint64_t id) const {
  return id >= kFirstDomainId && id < std::uint64_t{1} << capabilities_.domain_id_bits();
}

bool Unit::reserve_domain_id(std::uint64_t id) {
  if (!is_domain_id(id)) {
    return false;
  }
  domain_ids_.insert(static_cast<std::uint16_t>(id));
  return true;
}

void Unit::record(LedgerEvent event, const char* what, PhysAddr table) {
  auto& ledger = services_.port().simulation().topic<LedgerEntry>();
  if (ledger.active()) {
    ledger.publish({services_.generation(),
                    event,
                    LedgerKind::kTable,
                    what,
                    {table, sim::kPageSize},
                    table.page_number()});
  }
}

}  // namespace baton::linux::intel_iommu
