#include "model/vfio/device_state_flb.h"

#include <algorithm>
#include <cstring>

namespace baton::vfio {

namespace {

using linux::Errno;

struct PageHeader {
  std::uint32_t version = 1;
  std::uint32_t count = 0;
  std::uint64_t first_block = 0;
};
static_assert(sizeof(PageHeader) == 16);

bool is_for(const DeviceState& state, Sbdf address) {
  return state.in_use != 0 && state.domain == address.segment && state.bdf == address.bdf.value();
}

}  // namespace

DeviceStateFlb::DeviceStateFlb(linux::KernelServices& services, kho::Kho& kho)
    : services_(services),
      kho_(kho),
      blocks_(services, kho, sizeof(DeviceState), "vfio state block"),
      incoming_blocks_(services, kho, sizeof(DeviceState), "vfio state block") {}

void DeviceStateFlb::write_entry(std::size_t index) {
  blocks_.write_entry(index, std::as_bytes(std::span(&entries_[index], 1)));
  PageHeader header;
  header.count = static_cast<std::uint32_t>(
      std::ranges::count_if(entries_, [](const DeviceState& state) { return state.in_use != 0; }));
  header.first_block = blocks_.head().value();
  services_.port().ram().store(page_, header);
}

linux::Result<> DeviceStateFlb::put(const DeviceState& state) {
  const Sbdf address{state.domain, Bdf(state.bdf)};
  auto slot = std::ranges::find_if(
      entries_, [&](const DeviceState& entry) { return is_for(entry, address); });
  if (slot == entries_.end()) {
    slot = std::ranges::find(entries_, 0, &DeviceState::in_use);
  }
  if (slot == entries_.end()) {
    if (const auto grown = blocks_.grow(entries_.size() + 1); !grown) {
      return grown;
    }
    entries_.emplace_back();
    slot = entries_.end() - 1;
  }
  *slot = state;
  slot->in_use = 1;
  write_entry(static_cast<std::size_t>(slot - entries_.begin()));
  return {};
}

void DeviceStateFlb::drop(Sbdf address) {
  const auto slot = std::ranges::find_if(
      entries_, [&](const DeviceState& entry) { return is_for(entry, address); });
  if (slot != entries_.end()) {
    *slot = DeviceState{};
    write_entry(static_cast<std::size_t>(slot - entries_.begin()));
  }
}

std::optional<DeviceState> DeviceStateFlb::find(Sbdf address) const {
  const auto found = std::ranges::find_if(
      incoming_, [&](const DeviceState& entry) { return is_for(entry, address); });
  return found == incoming_.end() ? std::nullopt : std::optional(*found);
}

Co<linux::Result<std::uint64_t>> DeviceStateFlb::preserve() {
  const auto page = kho_.alloc_preserve(sizeof(PageHeader), "baton-vfio-v1");
  if (!page) {
    co_return linux::fail(page.error());
  }
  if (services_.has(linux::Defect::kVfioSkipState)) kho_.unpreserve_folio(*page, 0);
  page_ = *page;
  services_.port().ram().store(page_, PageHeader{});
  co_return page_.value();
}

Co<> DeviceStateFlb::unpreserve(std::uint64_t /*data*/) {
  blocks_.destroy();
  entries_.clear();
  kho_.unpreserve_free(page_);
  page_ = PhysAddr();
  co_return;
}

Co<linux::Result<>> DeviceStateFlb::retrieve(std::uint64_t data) {
  sim::PhysicalMemory& ram = services_.port().ram();
  const PhysAddr page(data);
  if (page.page_offset() != 0 || !ram.contains(page, sim::kPageSize)) {
    co_return linux::fail(Errno::kInval);
  }
  const auto header = ram.load<PageHeader>(page);
  if (header.version != 1) {
    co_return linux::fail(Errno::kInval);
  }
  if (const auto chain = incoming_blocks_.restore(PhysAddr(header.first_block)); !chain) {
    co_return chain;
  }
  for (const auto& bytes : incoming_blocks_.entries()) {
    DeviceState state;
    std::memcpy(&state, bytes.data(), sizeof(state));
    incoming_.push_back(state);
  }
  const auto used =
      std::ranges::count_if(incoming_, [](const DeviceState& state) { return state.in_use != 0; });
  if (static_cast<std::uint64_t>(used) != header.count) {
    incoming_.clear();
    incoming_blocks_.destroy();
    co_return linux::fail(Errno::kInval);
  }
  incoming_page_ = page;
  co_return linux::Result<>();
}

Co<> DeviceStateFlb::finish() {
  incoming_.clear();
  incoming_blocks_.destroy();
  kho_.restore_free(incoming_page_);
  incoming_page_ = PhysAddr();
  co_return;
}

}  // namespace baton::vfio
