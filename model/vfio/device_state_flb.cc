#include "model/vfio/device_state_flb.h"

#include <algorithm>

namespace baton::vfio {

namespace {

constexpr std::uint32_t kVersion = 1;

bool is_for(const DeviceState& state, Sbdf address) {
  return state.domain == address.segment && state.bdf == address.bdf.value();
}

}  // namespace

DeviceStateFlb::DeviceStateFlb(linux::KernelServices& services, kho::Kho& kho)
    : services_(services),
      kho_(kho),
      table_(services, kho, kVersion, "baton-vfio-v1", "vfio state block") {}

linux::Result<> DeviceStateFlb::put(const DeviceState& state) {
  const Sbdf address{state.domain, Bdf(state.bdf)};
  const DeviceState* old = table_.find_if(
      [&](const DeviceState& other) { return is_for(other, address) && other.used == state.used; });
  const auto place = old == nullptr ? table_.reserve() : table_.index_of(*old);
  if (!place) {
    return linux::fail(place.error());
  }
  table_.write(*place, state);
  return {};
}

void DeviceStateFlb::drop(Sbdf address) {
  table_.drop_if([&](const DeviceState& entry) { return is_for(entry, address); });
}

std::optional<DeviceState> DeviceStateFlb::find(Sbdf address) const {
  const auto found = std::ranges::find_if(incoming_, [&](const DeviceState& entry) {
    return is_for(entry, address) && entry.used != kSleepingEntry;
  });
  return found == incoming_.end() ? std::nullopt : std::optional(*found);
}

std::optional<DeviceState> DeviceStateFlb::find_sleeping(Sbdf address) const {
  const auto found = std::ranges::find_if(incoming_, [&](const DeviceState& entry) {
    return is_for(entry, address) && entry.used == kSleepingEntry;
  });
  return found == incoming_.end() ? std::nullopt : std::optional(*found);
}

Co<linux::Result<std::uint64_t>> DeviceStateFlb::preserve() {
  const auto page = table_.create();
  if (!page) {
    co_return linux::fail(page.error());
  }
  if (services_.has(linux::Defect::kVfioSkipState)) kho_.unpreserve_folio(*page, 0);
  co_return page->value();
}

Co<> DeviceStateFlb::unpreserve(std::uint64_t /*data*/) {
  table_.destroy();
  co_return;
}

Co<linux::Result<>> DeviceStateFlb::retrieve(std::uint64_t data) {
  auto records = table_.restore(PhysAddr(data));
  if (!records) {
    co_return linux::fail(records.error());
  }
  incoming_ = *std::move(records);
  co_return linux::Result<>();
}

Co<> DeviceStateFlb::finish() {
  incoming_.clear();
  table_.free_restored();
  co_return;
}

}  // namespace baton::vfio
