#include "model/linux/intel_iommu/interrupt_remapping.h"

namespace baton::linux::intel_iommu {

namespace {

constexpr unsigned kTableOrder = 8;        // 1 MiB
constexpr unsigned kTableSizeField = 0xF;  // 65536 entries
constexpr std::uint32_t kEntries = 65536;
constexpr std::uint64_t kEntryBytes = 16;
constexpr std::uint64_t kPresent = 1;
constexpr std::uint64_t kRedirectionHint = 1 << 3;
constexpr std::uint64_t kVerifySource = 1;  // SVT, in bits 83:82
constexpr std::uint64_t kVerifyBus = 2;

// set_msi_sid(): a device behind a bridge to conventional PCI is known by the bridge's bus, any
// other by its id.
std::uint64_t source_bits(const pci::PciDev& dev) {
  constexpr std::uint8_t kPcieToPciBridge = 7;
  for (const pci::PciDev* bridge = dev.upstream_bridge(); bridge != nullptr;
       bridge = bridge->upstream_bridge()) {
    if (bridge->pcie_type == kPcieToPciBridge && bridge->subordinate != nullptr) {
      const std::uint64_t bus = bridge->subordinate->number;
      const std::uint64_t last = dev.address.bdf.bus();
      return kVerifyBus << 18 | bus << 8 | last;
    }
    if (bridge->pcie_cap == 0) {
      return kVerifySource << 18 | bridge->address.bdf.value();
    }
  }
  return kVerifySource << 18 | dev.address.bdf.value();
}

}  // namespace

// iommu_load_old_irte()
Result<> InterruptTable::copy_entries() {
  sim::PhysicalMemory& ram = services_.port().ram();
  const PhysAddr old = unit_.hardware_interrupt_table();
  if (unit_.hardware_interrupt_table_size() != kTableSizeField || old == PhysAddr{} ||
      !ram.contains(old, kEntries * kEntryBytes)) {
    return fail(Errno::kInval);
  }
  for (std::uint32_t index = 0; index < kEntries; ++index) {
    const auto low = ram.load<std::uint64_t>(old + index * kEntryBytes);
    if ((low & kPresent) != 0) {
      const auto high = ram.load<std::uint64_t>(old + index * kEntryBytes + 8);
      ram.store(table_ + index * kEntryBytes, low);
      ram.store(table_ + index * kEntryBytes + 8, high);
      used_.insert(static_cast<std::uint16_t>(index));
    }
  }
  unit_.step("copied interrupt entries", used_.size());
  return {};
}

Result<> InterruptTable::set_up(bool crash_kernel, bool extended) {
  extended_ = extended;
  const Result<PhysAddr> table =
      services_.pages().allocate(kTableOrder, "interrupt remapping table");
  if (!table) {
    return fail(table.error());
  }
  table_ = *table;
  if (auto queue = unit_.init_queue(); !queue) {
    return queue;
  }
  if (unit_.interrupts_remapped()) {
    if (crash_kernel) {
      if (auto copied = copy_entries(); !copied) {
        return copied;
      }
    } else {
      services_.print(sim::LogLevel::kWarning,
                      "DMAR-IR: IRQ remapping was enabled on {:x} but we are not in kdump mode",
                      unit_.registers().value());
      unit_.disable_interrupt_remapping();
    }
  }
  unit_.set_interrupt_table(
      table_, kTableSizeField | (extended ? static_cast<unsigned>(kIrtaExtended) : 0U));
  return {};
}

// Nothing is written to the unit but a queue: table, EIME and IRE stay as they are.
Result<> InterruptTable::take_over(const HandedTable& handed, bool extended) {
  const bool same =
      unit_.interrupts_remapped() && unit_.hardware_interrupt_table_word() == handed.irta;
  const bool was_extended = (handed.irta & kIrtaExtended) != 0;
  if (!same || was_extended != extended || (handed.irta & 0xF) != kTableSizeField) {
    return fail(Errno::kInval);
  }
  if (auto queue = unit_.init_queue(); !queue) {
    return queue;
  }
  table_ = handed.table();
  extended_ = extended;
  sim::PhysicalMemory& ram = services_.port().ram();
  for (std::uint32_t index = 0; index < kEntries; ++index) {
    if ((ram.load<std::uint64_t>(table_ + index * kEntryBytes) & kPresent) != 0) {
      used_.insert(static_cast<std::uint16_t>(index));
    }
  }
  inherited_ = used_;
  unit_.step("took interrupt table over", table_.value());
  return {};
}

HandedTable InterruptTable::as_handed() const {
  return {unit_.registers(), unit_.hardware_interrupt_table_word(), kEntries};
}

std::vector<Vector> InterruptTable::inherited_vectors() const {
  std::vector<Vector> vectors;
  for (const std::uint16_t index : inherited_) {
    const auto low = services_.port().ram().load<std::uint64_t>(table_ + index * kEntryBytes);
    vectors.emplace_back(static_cast<std::uint8_t>(low >> 16));
  }
  return vectors;
}

void InterruptTable::drop_inherited() {
  for (const std::uint16_t index : inherited_) {
    free(index);
  }
  inherited_.clear();
}

void InterruptTable::enable() {
  if (!unit_.interrupts_remapped()) {
    unit_.enable_interrupt_remapping();
  }
}

// modify_irte(): both words at once as far as the unit can see, P last here; then its cache.
void InterruptTable::write(std::uint16_t index, std::uint64_t low, std::uint64_t high) {
  sim::PhysicalMemory& ram = services_.port().ram();
  const PhysAddr at = table_ + index * kEntryBytes;
  ram.store(at + 8, high);
  ram.store(at, low);
  unit_.submit(interrupt_entry(index));
}

Result<std::uint16_t> InterruptTable::allocate(const pci::PciDev& dev,
                                               irq::IrqCore::Target target) {
  std::uint32_t index = 0;
  while (index < kEntries && used_.contains(static_cast<std::uint16_t>(index))) {
    ++index;
  }
  if (index == kEntries) {
    return fail(Errno::kNoSpc);
  }
  const auto entry = static_cast<std::uint16_t>(index);
  used_.insert(entry);
  const std::uint64_t destination =
      extended_ ? std::uint64_t{target.cpu} << 32 : std::uint64_t{target.cpu & 0xFF} << 40;
  write(entry,
        kPresent | kRedirectionHint | std::uint64_t{target.vector.value()} << 16 | destination,
        source_bits(dev));
  unit_.step("set interrupt entry", entry);
  return entry;
}

void InterruptTable::free(std::uint16_t index) {
  used_.erase(index);
  write(index, 0, 0);
  unit_.step("clear interrupt entry", index);
}

}  // namespace baton::linux::intel_iommu
