// Registers and handshakes.
#include "model/linux/intel_iommu/unit.h"

#include "model/linux/intel_iommu/observations.h"
#include "sim/check.h"

namespace baton::linux::intel_iommu {

namespace {
constexpr std::uint64_t kTableMask = ~std::uint64_t{0xFFF};
}  // namespace

Unit::Unit(KernelServices& services, const DrhdUnit& drhd, bool scalable)
    : services_(services), drhd_(drhd), queue_(services, drhd.registers, drhd.segment) {
  capabilities_.cap = services.port().mmio_read(registers() + kCapReg, 8);
  capabilities_.ecap = services.port().mmio_read(registers() + kEcapReg, 8);
  scalable_ = scalable && capabilities_.scalable();
  // What runs is kept running: the shadow starts from what the hardware does.
  shadow_ = read32(kGstsReg) & (kGcmdTe | kGcmdQie | kGcmdIre);
  services.print(sim::LogLevel::kInfo,
                 "DMAR: dmar: reg_base_addr {:x} ver {}:{} cap {:x} ecap {:x}", registers().value(),
                 read32(kVerReg) >> 4 & 0xF, read32(kVerReg) & 0xF, capabilities_.cap,
                 capabilities_.ecap);
}

void Unit::step(const char* what, std::uint64_t value) {
  const auto& topic = services_.port().simulation().topic<UnitStep>();
  if (topic.active()) {
    topic.publish({services_.generation(), registers(), what, value});
  }
}

std::uint32_t Unit::read32(std::uint64_t offset) const {
  return static_cast<std::uint32_t>(services_.port().mmio_read(registers() + offset, 4));
}

void Unit::write32(std::uint64_t offset, std::uint32_t value) {
  services_.port().mmio_write(registers() + offset, 4, value);
}

void Unit::wait_status(std::uint32_t bit, bool on) {
  // Linux polls up to 10 s and panics; hardware of baton completes within the write.
  if (((read32(kGstsReg) & bit) != 0) != on) {
    services_.panic("DMAR hardware is malfunctioning");
  }
}

void Unit::command(std::uint32_t bit, bool on) {
  shadow_ = on ? shadow_ | bit : shadow_ & ~bit;
  write32(kGcmdReg, shadow_);
  wait_status(bit, on);
}

void Unit::one_shot(std::uint32_t bit) {
  write32(kGcmdReg, shadow_ | bit);
  wait_status(bit, true);
}

bool Unit::translation_enabled() const { return (read32(kGstsReg) & kGcmdTe) != 0; }

void Unit::enable_translation() {
  command(kGcmdTe, true);
  step("translation on");
}

void Unit::disable_translation() {
  command(kGcmdTe, false);
  step("translation off");
}

void Unit::disable_protected_memory() {
  if (!capabilities_.protected_memory()) {
    return;
  }
  write32(kPmenReg, read32(kPmenReg) & ~kPmenEpm);
  if ((read32(kPmenReg) & kPmenPrs) != 0) {
    services_.panic("DMAR hardware is malfunctioning");
  }
  step("protected memory off");
}

void Unit::disable_interrupt_remapping() {
  // iommu_disable_irq_remapping(): nothing of the old table stays cached.
  if (!capabilities_.sirtp_flushes()) {
    submit(interrupt_entries_global());
  }
  command(kGcmdIre, false);
  step("interrupt remapping off");
}

void Unit::set_interrupt_table(PhysAddr table, unsigned size_field) {
  services_.port().mmio_write(registers() + kIrtaReg, 8, table.value() | size_field);
  one_shot(kGcmdSirtp);
  if (!capabilities_.sirtp_flushes()) {
    submit(interrupt_entries_global());
  }
  step("set interrupt table", table.value());
}

PhysAddr Unit::hardware_interrupt_table() const {
  return PhysAddr(services_.port().mmio_read(registers() + kIrtaReg, 8) & kTableMask);
}

std::uint64_t Unit::hardware_interrupt_table_word() const {
  return services_.port().mmio_read(registers() + kIrtaReg, 8);
}

unsigned Unit::hardware_interrupt_table_size() const { return read32(kIrtaReg) & 0xF; }

void Unit::enable_interrupt_remapping() {
  command(kGcmdIre, true);
  if ((read32(kGstsReg) & kGcmdCfi) != 0) {
    command(kGcmdCfi, false);  // no way around the table
  }
  step("interrupt remapping on");
}

// dmar_fault(): prints and clears what the hardware logged.
void Unit::read_out_faults() {
  constexpr std::uint32_t kF = 1U << 31;
  host::KernelPort& port = services_.port();
  if ((read32(kFstsReg) & kFstsPpf) == 0) {
    return;
  }
  for (unsigned index = 0; index < capabilities_.fault_records(); ++index) {
    const std::uint64_t at = capabilities_.fault_records_at() + index * 16ULL;
    const std::uint32_t top = read32(at + 12);
    if ((top & kF) == 0) {
      continue;
    }
    const std::uint64_t address = port.mmio_read(registers() + at, 8);
    const std::uint32_t source = read32(at + 8) & 0xFFFF;
    write32(at + 12, kF);
    const unsigned reason = top & 0xFF;
    const bool interrupt = reason >= 0x20 && reason < 0x30;
    const std::string device = sim::to_string(Bdf(static_cast<std::uint16_t>(source)));
    if (interrupt) {
      services_.print(sim::LogLevel::kError,
                      "DMAR: [INTR-REMAP] Request device [{}] fault index {:#x} [fault reason "
                      "{:#04x}]",
                      device, address >> 48, reason);
    } else {
      services_.print(sim::LogLevel::kError,
                      "DMAR: [DMA {}] Request device [{}] fault addr {:#x} [fault reason {:#04x}]",
                      (top >> 30 & 1) != 0 ? "Read" : "Write", device, address, reason);
    }
  }
  write32(kFstsReg, kFstsPfo | kFstsPpf);
}

Result<> Unit::init_queue() {
  if (queue_.allocated()) {
    return {};  // interrupt remapping has brought it up
  }
  if (!capabilities_.queued_invalidation()) {
    return fail(Errno::kNoDev);
  }
  read_out_faults();
  if ((read32(kGstsReg) & kGcmdQie) != 0) {
    // The previous kernel's queue: it waited for every submission, so this is empty.
    if (read32(kIqtReg) != read32(kIqhReg)) {
      services_.panic("DMAR: the inherited invalidation queue does not drain");
    }
    command(kGcmdQie, false);
  }
  if (auto allocated = queue_.allocate(capabilities_.scalable()); !allocated) {
    return allocated;
  }
  queue_.program();
  command(kGcmdQie, true);
  step("invalidation queue on");
  return {};
}

void Unit::set_fault_interrupt(irq::IrqCore& irqs) {
  if (fault_interrupt_) {
    return;
  }
  // The event is the unit's own message: it does not go through the remapping table.
  const auto irq = irqs.request([this] { read_out_faults(); });
  if (!irq) {
    services_.print(sim::LogLevel::kError, "DMAR: No free IRQ vectors");
    return;
  }
  fault_interrupt_ = true;
  // dmar_msi_write() on activation and on startup of the interrupt.
  for (int written = 0; written < 2; ++written) {
    write32(kFedataReg, irq->message.data);
    write32(kFeaddrReg, static_cast<std::uint32_t>(irq->message.address));
    write32(kFeuaddrReg, static_cast<std::uint32_t>(irq->message.address >> 32));
  }
  write32(kFectlReg, 0);
  step("fault event on", irq->vector.vector.value());
}

void Unit::acknowledge_faults() {
  read_out_faults();
  write32(kFstsReg, read32(kFstsReg));
}

void Unit::set_root() {
  services_.port().mmio_write(registers() + kRtaddrReg, 8,
                              root_.value() | (scalable_ ? kRtaddrScalable : 0));
  one_shot(kGcmdSrtp);
  if (!capabilities_.srtp_flushes()) {
    flush_all();
  }
  step("set root pointer", root_.value());
}

void Unit::flush_all() {
  submit(context_global());
  if (scalable_) {
    submit(pasid_cache_global());
  }
  submit(iotlb_global());
}

void Unit::submit(std::span<const Descriptor> descriptors) {
  // Linux ignores the result everywhere but in its tests; the queue has reported the error.
  static_cast<void>(queue_.submit(descriptors));
}

void Unit::flush_device_tlb(const std::optional<DeviceTlb>& device, std::uint32_t pasid) {
  if (device && uses_device_tlbs()) {
    submit(device_tlb_all(*device, pasid));
  }
}

bool Unit::hardware_scalable() const {
  return (services_.port().mmio_read(registers() + kRtaddrReg, 8) & kRtaddrModeMask) ==
         kRtaddrScalable;
}

PhysAddr Unit::hardware_root() const {
  return PhysAddr(services_.port().mmio_read(registers() + kRtaddrReg, 8) & kTableMask);
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
