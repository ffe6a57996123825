#include "model/iommufd/flb.h"

#include <algorithm>

namespace baton::iommufd {

using linux::Errno;
using linux::fail;
using linux::Result;

namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::uint64_t kHeaderBytes = 16;
constexpr std::uint64_t kEntryBytes = 24;
constexpr std::uint64_t kEntriesMax = (sim::kPageSize - kHeaderBytes) / kEntryBytes;

PhysAddr entry_at(PhysAddr page, std::uint64_t index) {
  return page + kHeaderBytes + index * kEntryBytes;
}

}  // namespace

Co<Result<std::uint64_t>> ContentsFlb::preserve() {
  const Result<PhysAddr> page = kho_.alloc_preserve(sim::kPageSize, "baton-iommufd-v1");
  if (!page) {
    co_return fail(page.error());
  }
  outgoing_ = *page;
  services_.port().ram().store(*page, kVersion);
  co_return page->value();
}

Co<> ContentsFlb::unpreserve(std::uint64_t /*data*/) {
  kho_.unpreserve_free(outgoing_);
  outgoing_ = PhysAddr{};
  co_return;
}

Result<> ContentsFlb::add(const Entry& entry) {
  if (outgoing_ == PhysAddr{}) {
    return fail(Errno::kNoEnt);
  }
  sim::PhysicalMemory& ram = services_.port().ram();
  const auto count = ram.load<std::uint64_t>(outgoing_ + 8);
  std::uint64_t index = 0;
  while (index < count && ram.load<std::uint64_t>(entry_at(outgoing_, index)) != 0) {
    ++index;
  }
  if (index == kEntriesMax) {
    return fail(Errno::kNoSpc);
  }
  const PhysAddr at = entry_at(outgoing_, index);
  ram.store(at, entry.record.value());
  ram.store(at + 8, entry.contents.value());
  ram.store(at + 16, entry.bytes);
  ram.store(outgoing_ + 8, std::max(count, index + 1));
  return {};
}

void ContentsFlb::remove(PhysAddr record) {
  sim::PhysicalMemory& ram = services_.port().ram();
  for (std::uint64_t i = 0; i < ram.load<std::uint64_t>(outgoing_ + 8); ++i) {
    const PhysAddr at = entry_at(outgoing_, i);
    if (ram.load<std::uint64_t>(at) == record.value()) {
      ram.store(at, std::array<std::uint64_t, 3>{});
    }
  }
}

Co<Result<>> ContentsFlb::retrieve(std::uint64_t data) {
  sim::PhysicalMemory& ram = services_.port().ram();
  const PhysAddr page(data);
  if (page.page_offset() != 0 || !ram.contains(page, sim::kPageSize) ||
      kho_.restore_folio(page) != 0U) {
    co_return fail(Errno::kIo);
  }
  incoming_page_ = page;
  const auto count = ram.load<std::uint64_t>(page + 8);
  if (ram.load<std::uint64_t>(page) != kVersion || count > kEntriesMax) {
    co_return fail(Errno::kInval);
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const PhysAddr at = entry_at(page, i);
    const Entry entry{PhysAddr(ram.load<std::uint64_t>(at)),
                      PhysAddr(ram.load<std::uint64_t>(at + 8)), ram.load<std::uint64_t>(at + 16)};
    if (entry.record != PhysAddr{}) {
      incoming_.push_back(entry);
    }
  }
  co_return Result<>{};
}

std::optional<ContentsFlb::Entry> ContentsFlb::take(PhysAddr record) {
  const auto found = std::find_if(incoming_.begin(), incoming_.end(),
                                  [&](const Entry& e) { return e.record == record; });
  if (found == incoming_.end()) {
    return std::nullopt;
  }
  const Entry entry = *found;
  incoming_.erase(found);
  return entry;
}

Co<> ContentsFlb::finish() {
  if (incoming_page_ != PhysAddr{}) {
    services_.pages().free(incoming_page_);
    incoming_page_ = PhysAddr{};
  }
  incoming_.clear();
  co_return;
}

}  // namespace baton::iommufd
