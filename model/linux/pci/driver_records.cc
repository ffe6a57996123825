#include "model/linux/pci/driver_records.h"

#include <algorithm>

namespace baton::linux::pci {
namespace {

constexpr std::uint32_t kVersion = 1;

bool is_for(const DriverRecord& record, Sbdf address) {
  return Sbdf{record.domain, Bdf(record.bdf)} == address;
}

// A name is printed and compared: what comes from another kernel has an end, and no odd characters.
bool is_valid(const DriverRecord& record) {
  const auto end = std::ranges::find(record.name, '\0');
  return record.used == 1 && end != record.name.begin() && end != record.name.end() &&
         std::all_of(record.name.begin(), end, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

DriverRecords::DriverRecords(KernelServices& services, kho::Kho& kho)
    : services_(services),
      table_(services, kho, kVersion, "baton-pci-driver-v1", "baton-pci-driver-v1 block") {}

bool DriverRecords::wanted_by(const Policies& policies) {
  return policies.driver_binding == DriverBindingPolicy::kSavedName ||
         policies.driver_binding == DriverBindingPolicy::kGuid ||
         policies.driver_binding == DriverBindingPolicy::kRefuseIncompatible;
}

Result<> DriverRecords::add(const PciDev& dev) {
  if (!table_.exists() || dev.is_bridge() || dev.driver == nullptr) return {};
  const std::string_view name = dev.driver->name();
  if (name.size() >= DriverRecord::kNameBytes) return fail(Errno::kNoSpc);
  const auto place = table_.reserve();
  if (!place) return fail(place.error());
  DriverRecord record{.domain = dev.address.segment,
                      .bdf = dev.address.bdf.value(),
                      .used = 1,
                      .format = dev.driver->data_format(),
                      .name = {}};
  std::ranges::copy(name, record.name.begin());
  table_.write(*place, record);
  return {};
}

void DriverRecords::drop(const PciDev& dev) {
  table_.drop_if([&](const DriverRecord& record) { return is_for(record, dev.address); });
}

void DriverRecords::tell(PciDev& dev) const {
  if (!dev.record_key || dev.is_bridge()) return;
  const auto found = std::ranges::find_if(
      records_, [&](const DriverRecord& record) { return is_for(record, *dev.record_key); });
  if (found == records_.end()) return;
  dev.handed_format = found->format;
  if (services_.config().policies.driver_binding == DriverBindingPolicy::kSavedName) {
    dev.driver_override = found->name.data();
  }
}

Co<Result<std::uint64_t>> DriverRecords::preserve() {
  const auto page = table_.create();
  if (!page) co_return fail(page.error());
  co_return page->value();
}

Co<> DriverRecords::unpreserve(std::uint64_t) {
  table_.destroy();
  co_return;
}

Co<Result<>> DriverRecords::retrieve(std::uint64_t data) {
  const auto records = table_.restore(PhysAddr(data));
  if (!records) co_return fail(records.error());
  for (const DriverRecord& record : *records) {
    const bool twice = std::ranges::any_of(records_, [&](const DriverRecord& other) {
      return other.domain == record.domain && other.bdf == record.bdf;
    });
    if (!is_valid(record) || twice) co_return fail(Errno::kInval);
    records_.push_back(record);
  }
  co_return Result<>();
}

Co<> DriverRecords::finish() {
  table_.free_restored();
  co_return;
}

}  // namespace baton::linux::pci
