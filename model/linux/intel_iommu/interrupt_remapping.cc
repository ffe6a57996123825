#include "model/linux/intel_iommu/interrupt_remapping.h"

#include <bit>

namespace baton::linux::intel_iommu {

namespace {

constexpr unsigned kTableOrder = 8;        // 1 MiB
constexpr unsigned kTableSizeField = 0xF;  // 65536 entries
constexpr std::uint32_t kEntries = 65536;
constexpr std::uint64_t kEntryBytes = 16;
constexpr std::uint64_t kPresent = 1;
constexpr std::uint64_t kFaultProcessingDisable = 1 << 1;
constexpr std::uint64_t kPostedFormat = 1 << 15;
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
    const auto low = ram.load<std::uint64_t>(table_ + index * kEntryBytes);
    if ((low & (kPresent | kFaultProcessingDisable)) != 0) {
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

std::vector<CpuVector> InterruptTable::inherited_vectors() const {
  std::vector<CpuVector> vectors;
  for (const std::uint16_t index : inherited_) {
    const std::uint64_t low = read(index).low;
    if ((low & kPresent) == 0 || (low & kPostedFormat) != 0) continue;
    vectors.push_back(leads_to(low));
  }
  return vectors;
}

void InterruptTable::drop_inherited() {
  for (const std::uint16_t index : inherited_) {
    free(index);
  }
  inherited_.clear();
  captures_.clear();
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
  if (services_.has(Defect::kIommuSkipEntryFlush)) return;
  unit_.submit(interrupt_entry(index));
}

InterruptTable::Words InterruptTable::read(std::uint16_t index) const {
  sim::PhysicalMemory& ram = services_.port().ram();
  const PhysAddr at = table_ + index * kEntryBytes;
  return {ram.load<std::uint64_t>(at), ram.load<std::uint64_t>(at + 8)};
}

CpuVector InterruptTable::leads_to(std::uint64_t low) const {
  const std::uint64_t cpu = extended_ ? low >> 32 : low >> 40 & 0xFF;
  return {Vector(static_cast<std::uint8_t>(low >> 16)), static_cast<std::uint32_t>(cpu)};
}

// prepare_irte(), set_msi_sid().
InterruptTable::Words InterruptTable::entry_for(const pci::PciDev& dev, CpuVector target) const {
  const std::uint64_t destination =
      extended_ ? std::uint64_t{target.cpu} << 32 : std::uint64_t{target.cpu & 0xFF} << 40;
  std::uint64_t vector = target.vector.value();
  if (services_.has(Defect::kIommuEntryWrongVector)) vector = (vector + 1) & 0xFF;
  return {kPresent | kRedirectionHint | vector << 16 | destination, source_bits(dev)};
}

// alloc_irte(): bitmap_find_free_region() of a power of two.
Result<std::uint16_t> InterruptTable::allocate(const pci::PciDev& dev,
                                               std::span<const CpuVector> targets) {
  const auto row = static_cast<std::uint32_t>(std::bit_ceil(targets.size()));
  const auto taken = [&](std::uint32_t index) {
    const auto next = used_.lower_bound(static_cast<std::uint16_t>(index));
    return next != used_.end() && *next < index + row;
  };
  std::uint32_t index = 0;
  while (index + row <= kEntries && taken(index)) {
    index += row;
  }
  if (index + row > kEntries) {
    return fail(Errno::kNoSpc);
  }
  const auto first = static_cast<std::uint16_t>(index);
  for (std::uint32_t i = 0; i < row; ++i) {
    const auto entry = static_cast<std::uint16_t>(index + i);
    used_.insert(entry);
    if (i >= targets.size()) continue;
    const Words words = entry_for(dev, targets[i]);
    write(entry, words.low, words.high);
    unit_.step("set interrupt entry", entry);
  }
  return first;
}

void InterruptTable::free(std::uint16_t index) {
  used_.erase(index);
  changed_.erase(index);
  write(index, 0, 0);
  unit_.step("clear interrupt entry", index);
}

// Live update.

Result<std::optional<CpuVector>> InterruptTable::inherited(const pci::PciDev& dev,
                                                           std::uint16_t index) const {
  const Words words = read(index);
  // The upper half is part of the descriptor's address in posted format, and zero otherwise.
  if (!inherited_.contains(index) || (words.high & 0xFFFF'FFFF) != source_bits(dev)) {
    return fail(Errno::kInval);
  }
  if ((words.low & kPresent) == 0 || (words.low & kPostedFormat) != 0) {
    return std::optional<CpuVector>();
  }
  return std::optional(leads_to(words.low));
}

// Without FPD each message would leave a fault behind.
void InterruptTable::drop(std::uint16_t index) {
  const Words words = read(index);
  changed_.try_emplace(index, words);
  write(index, (words.low & ~kPresent) | kFaultProcessingDisable, words.high);
  unit_.step("silenced interrupt entry", index);
}

// [VT-d 9.11] The source stays what it is.
void InterruptTable::capture(std::uint16_t index, PhysAddr descriptor, unsigned request) {
  const Words words = read(index);
  changed_.try_emplace(index, words);
  captures_[index] = descriptor;
  const std::uint64_t address = descriptor.value();
  write(index, kPresent | kPostedFormat | std::uint64_t{request} << 16 | address << 32,
        (words.high & 0xFFFF'FFFF) | address >> 32 << 32);
  unit_.step("interrupt entry captures", index);
}

void InterruptTable::restore(std::uint16_t index) {
  const auto found = changed_.find(index);
  if (found == changed_.end()) return;
  write(index, found->second.low, found->second.high);
  changed_.erase(found);
  unit_.step("interrupt entry as before", index);
}

// xchg() of the quadword: what is posted next sets the bit again.
bool InterruptTable::take_captured(std::uint16_t index, unsigned request) {
  const auto found = captures_.find(index);
  if (found == captures_.end() || services_.has(Defect::kIrqSkipScan)) return false;
  sim::PhysicalMemory& ram = services_.port().ram();
  const PhysAddr at = found->second + request / 64 * 8;
  const std::uint64_t bit = std::uint64_t{1} << request % 64;
  const auto requests = ram.load<std::uint64_t>(at);
  ram.store(at, requests & ~bit);
  return (requests & bit) != 0;
}

void InterruptTable::find_captures(PhysAddr descriptors) {
  for (const std::uint16_t index : inherited_) {
    const Words words = read(index);
    const PhysAddr at((words.high >> 32 << 32) | (words.low >> 32 & 0xFFFF'FFC0));
    const bool posts = (words.low & kPresent) != 0 && (words.low & kPostedFormat) != 0;
    if (posts && at.page_base() == descriptors) captures_[index] = at;
  }
}

void InterruptTable::adopt(const pci::PciDev& dev, std::uint16_t index, CpuVector target) {
  inherited_.erase(index);
  const Words words = entry_for(dev, target);
  write(index, words.low, words.high);
  unit_.step("adopted interrupt entry", index);
}

}  // namespace baton::linux::intel_iommu
