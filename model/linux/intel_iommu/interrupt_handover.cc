#include "model/linux/intel_iommu/interrupt_handover.h"

#include "model/linux/base/observations.h"

namespace baton::linux::intel_iommu {

namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::uint64_t kHeaderBytes = 8;
constexpr std::uint64_t kEntryBytes = 24;
constexpr std::uint32_t kMostUnits = 8;  // as many as firmware has room for
constexpr std::uint64_t kTableBytes = sim::kPageSize << InterruptHandover::kTableOrder;
constexpr const char* kTable = "interrupt remapping table";

void record(KernelServices& services, LedgerEvent event, PhysAddr table) {
  auto& ledger = services.port().simulation().topic<LedgerEntry>();
  if (ledger.active()) {
    ledger.publish({services.generation(),
                    event,
                    LedgerKind::kTable,
                    kTable,
                    {table, kTableBytes},
                    table.page_number()});
  }
}

}  // namespace

// Old kernel.
Co<Result<std::uint64_t>> InterruptHandover::preserve() {
  const Result<PhysAddr> page = kho_.alloc_preserve(sim::kPageSize, "baton-irq-v1");
  if (!page) {
    co_return fail(page.error());
  }
  outgoing_ = *page;
  const std::vector<HandedTable> tables = own_();
  sim::PhysicalMemory& ram = services_.port().ram();
  ram.store(*page, kVersion);
  ram.store(*page + 4, static_cast<std::uint32_t>(tables.size()));
  PhysAddr at = *page + kHeaderBytes;
  for (const HandedTable& each : tables) {
    if (const auto kept = kho_.preserve_folio(each.table(), kTableOrder); !kept) {
      co_await unpreserve(page->value());
      co_return fail(kept.error());
    }
    preserved_.push_back(each.table());
    record(services_, LedgerEvent::kPreserved, each.table());
    ram.store(at, each.registers.value());
    ram.store(at + 8, each.irta);
    ram.store(at + 16, each.entries);
    at = at + kEntryBytes;
  }
  co_return page->value();
}

void InterruptHandover::unpreserve_tables() {
  for (const PhysAddr table : preserved_) {
    kho_.unpreserve_folio(table, kTableOrder);
    record(services_, LedgerEvent::kUnpreserved, table);
  }
  preserved_.clear();
}

Co<> InterruptHandover::unpreserve(std::uint64_t /*data*/) {
  unpreserve_tables();
  kho_.unpreserve_free(outgoing_);
  outgoing_ = PhysAddr{};
  co_return;
}

// New kernel. Nothing in the page is trusted: a table that is not what it should be is not
// restored, and the kernel makes its own.
Co<Result<>> InterruptHandover::retrieve(std::uint64_t data) {
  sim::PhysicalMemory& ram = services_.port().ram();
  const PhysAddr page(data);
  if (page.page_offset() != 0 || !ram.contains(page, sim::kPageSize) ||
      kho_.restore_folio(page) != 0U) {
    co_return fail(Errno::kIo);
  }
  incoming_page_ = page;
  const auto count = ram.load<std::uint32_t>(page + 4);
  if (ram.load<std::uint32_t>(page) != kVersion || count > kMostUnits) {
    co_return fail(Errno::kInval);
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    const PhysAddr at = page + kHeaderBytes + i * kEntryBytes;
    const HandedTable handed{PhysAddr(ram.load<std::uint64_t>(at)), ram.load<std::uint64_t>(at + 8),
                             ram.load<std::uint64_t>(at + 16)};
    const PhysAddr table = handed.table();
    const bool sane = handed.entries == kTableBytes / 16 && table != PhysAddr{} &&
                      table.value() % kTableBytes == 0 && ram.contains(table, kTableBytes) &&
                      !incoming_.contains(handed.registers);
    if (!sane || kho_.restore_folio(table) != kTableOrder) {
      co_return fail(Errno::kInval);
    }
    services_.pages().page(table).owner = kTable;
    record(services_, LedgerEvent::kRestored, table);
    incoming_[handed.registers] = handed;
  }
  co_return Result<>{};
}

const HandedTable* InterruptHandover::incoming(PhysAddr registers) const {
  const auto found = incoming_.find(registers);
  return found == incoming_.end() ? nullptr : &found->second;
}

Co<> InterruptHandover::finish() {
  if (incoming_page_ != PhysAddr{}) {
    services_.pages().free(incoming_page_);
    incoming_page_ = PhysAddr{};
  }
  incoming_.clear();
  finished_();
  co_return;
}

}  // namespace baton::linux::intel_iommu
