#include "model/iommufd/flb.h"

namespace baton::iommufd {

using linux::Errno;
using linux::fail;
using linux::Result;

namespace {
constexpr std::uint32_t kVersion = 2;
}  // namespace

ContentsFlb::ContentsFlb(linux::KernelServices& services, kho::Kho& kho)
    : table_(services, kho, kVersion, "baton-iommufd-v1", "iommufd contents block") {}

Co<Result<std::uint64_t>> ContentsFlb::preserve() {
  const Result<PhysAddr> page = table_.create();
  if (!page) {
    co_return fail(page.error());
  }
  co_return page->value();
}

Co<> ContentsFlb::unpreserve(std::uint64_t /*data*/) {
  table_.destroy();
  co_return;
}

Result<> ContentsFlb::add(const Entry& entry) {
  if (!table_.exists()) {
    return fail(Errno::kNoEnt);
  }
  const auto place = table_.reserve();
  if (!place) {
    return fail(place.error());
  }
  table_.write(*place, entry);
  return {};
}

void ContentsFlb::remove(PhysAddr record) {
  table_.drop_if([&](const Entry& entry) { return entry.record == record.value(); });
}

Co<Result<>> ContentsFlb::retrieve(std::uint64_t data) {
  const auto entries = table_.restore(PhysAddr(data));
  if (!entries) {
    co_return fail(entries.error());
  }
  // Of two entries for one record the first counts.
  for (const Entry& entry : *entries) incoming_.emplace(entry.record, entry);
  co_return Result<>{};
}

std::optional<ContentsFlb::Entry> ContentsFlb::take(PhysAddr record) {
  const auto found = incoming_.find(record.value());
  if (found == incoming_.end()) {
    return std::nullopt;
  }
  const Entry entry = found->second;
  incoming_.erase(found);
  return entry;
}

Co<> ContentsFlb::finish() {
  incoming_.clear();
  table_.free_restored();
  co_return;
}

}  // namespace baton::iommufd
