#include "model/linux/intel_iommu/interrupt_handover.h"

#include <algorithm>
#include <array>

#include "model/linux/base/observations.h"

namespace baton::linux::intel_iommu {

namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kVersionWithDescriptors = 2;
constexpr std::uint64_t kDescriptorsAt = 200;
constexpr std::uint64_t kDescriptorBytes = 64;
constexpr std::uint64_t kDescriptorControl = 32;  // [VT-d 9.12]: the fifth quadword
constexpr std::uint64_t kSuppressNotification = 2;
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
  if (services_.config().policies.interrupts == InterruptPolicy::kPostedCapture) {
    if (const auto kept = preserve_descriptors(*page); !kept) {
      co_await unpreserve(page->value());
      co_return fail(kept.error());
    }
  }
  co_return page->value();
}

Result<> InterruptHandover::preserve_descriptors(PhysAddr page) {
  const Result<PhysAddr> descriptors =
      kho_.alloc_preserve(sim::kPageSize, "posted-interrupt descriptors");
  if (!descriptors) {
    return fail(descriptors.error());
  }
  descriptors_ = *descriptors;
  if (services_.has(Defect::kIrqSkipDescriptors)) kho_.unpreserve_folio(descriptors_, 0);
  sim::PhysicalMemory& ram = services_.port().ram();
  ram.store(page, kVersionWithDescriptors);
  ram.store(page + kDescriptorsAt, descriptors_.value());
  return {};
}

Result<PhysAddr> InterruptHandover::descriptor_for(Sbdf device) {
  if (descriptors_ == PhysAddr{}) {
    return fail(Errno::kOpNotSupp);
  }
  const auto known = std::ranges::find(captured_, device);
  const auto index = static_cast<std::uint64_t>(known - captured_.begin());
  const PhysAddr at = descriptors_ + index * kDescriptorBytes;
  if (known != captured_.end()) {
    return at;
  }
  if (captured_.size() == sim::kPageSize / kDescriptorBytes) {
    return fail(Errno::kNoSpc);
  }
  captured_.push_back(device);
  std::array<std::uint64_t, kDescriptorBytes / 8> fresh{};
  fresh[kDescriptorControl / 8] = kSuppressNotification;
  services_.port().ram().store(at, fresh);
  return at;
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
  if (descriptors_ != PhysAddr{}) {
    kho_.unpreserve_free(descriptors_);
    descriptors_ = PhysAddr{};
    captured_.clear();
  }
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
  const auto version = ram.load<std::uint32_t>(page);
  const bool known = version == kVersion || version == kVersionWithDescriptors;
  if (!known || count > kMostUnits) {
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
  if (version == kVersionWithDescriptors) {
    co_return retrieve_descriptors(PhysAddr(ram.load<std::uint64_t>(page + kDescriptorsAt)));
  }
  co_return Result<>{};
}

// The tables stay in use without them: what was captured is lost then.
Result<> InterruptHandover::retrieve_descriptors(PhysAddr page) {
  const bool sane = page != PhysAddr{} && page.page_offset() == 0 &&
                    services_.port().ram().contains(page, sim::kPageSize);
  if (!sane || kho_.restore_folio(page) != 0U) {
    services_.print(sim::LogLevel::kWarning,
                    "DMAR-IR: the posted-interrupt descriptors handed over cannot be used");
    return {};
  }
  incoming_descriptors_ = page;
  return {};
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
  if (incoming_descriptors_) {
    services_.pages().free(*incoming_descriptors_);
    incoming_descriptors_.reset();
  }
  co_return;
}

}  // namespace baton::linux::intel_iommu
