#include "model/linux/pci/device_paths.h"

#include <fmt/format.h>

#include <algorithm>

namespace baton::linux::pci {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kHighestDomain = 0x7FFF'FFFF;  // an int in Linux
constexpr std::uint16_t kSerialNumber = 3;             // extended capability id

DevicePath path_in(const PathEntry& entry) {
  return {.host_bridge = entry.host_bridge, .hops = entry.hops, .devfn = entry.devfn};
}

bool is_valid(const PathEntry& entry) {
  return entry.domain <= kHighestDomain && entry.hops > 0 && entry.hops <= kPathHopsMax &&
         std::all_of(entry.devfn.begin() + entry.hops, entry.devfn.end(),
                     [](std::uint8_t unused) { return unused == 0; });
}

}  // namespace

std::optional<DevicePath> path_of(const PciDev& dev) {
  std::vector<std::uint8_t> upwards;
  const PciDev* at = &dev;
  for (;;) {
    upwards.push_back(static_cast<std::uint8_t>(at->address.bdf.devfn()));
    const PciDev* above = at->bus->bridge != nullptr ? at->bus->bridge : at->bus->host.owner;
    if (above == nullptr) break;
    at = above;
  }
  if (upwards.size() > kPathHopsMax) return std::nullopt;
  DevicePath path{.host_bridge = at->bus->host.uid,
                  .hops = static_cast<std::uint8_t>(upwards.size()),
                  .devfn = {}};
  std::ranges::reverse_copy(upwards, path.devfn.begin());
  return path;
}

std::string to_string(const DevicePath& path) {
  std::string text = fmt::format("PciRoot({:#x})", path.host_bridge);
  for (std::size_t i = 0; i < path.hops; ++i) {
    text += fmt::format("/Pci({:#x},{:#x})", path.devfn[i] >> 3, path.devfn[i] & 7);
  }
  return text;
}

DevicePaths::DevicePaths(KernelServices& services, kho::Kho& kho, PciCore& core)
    : services_(services),
      core_(core),
      table_(services, kho, kVersion, "baton-pci-path-v1", "baton-pci-path-v1 block") {}

// pci_get_dsn(). Not every function that is asked has been set up completely.
std::uint64_t DevicePaths::serial_of(const PciDev& dev) const {
  constexpr const char* kBy = "pci_get_dsn";
  constexpr unsigned kMostCapabilities = (4096 - 256) / 8;
  if (dev.pcie_cap == 0) return 0;
  std::uint16_t at = 0x100;
  for (unsigned i = 0; i < kMostCapabilities; ++i) {
    const std::uint32_t header = core_.read(dev, at, 4, kBy);
    if (header == 0 || header == 0xFFFFFFFF) return 0;
    if ((header & 0xFFFF) == kSerialNumber) {
      const std::uint64_t low = core_.read(dev, static_cast<std::uint16_t>(at + 4), 4, kBy);
      const std::uint64_t high = core_.read(dev, static_cast<std::uint16_t>(at + 8), 4, kBy);
      return high << 32 | low;
    }
    at = static_cast<std::uint16_t>(header >> 20 & 0xFFC);
    if (at < 0x100) return 0;
  }
  return 0;
}

std::optional<Sbdf> DevicePaths::key_of(const PciDev& dev) const {
  const std::optional<DevicePath> path = path_of(dev);
  if (!path) return std::nullopt;
  const auto found = std::ranges::find(entries_, *path, path_in);
  if (found == entries_.end()) return std::nullopt;
  const Sbdf key{found->domain, Bdf(found->bdf)};
  const std::uint64_t serial = serial_of(dev);
  if (found->vendor != dev.vendor || found->device != dev.device || found->serial != serial) {
    services_.print(sim::LogLevel::kError,
                    "pci {}: {:04x}:{:04x} serial {:016x} sits at {}, where {:04x}:{:04x} serial "
                    "{:016x} was handed over as {}: not taken for it",
                    to_string(dev.address), dev.vendor, dev.device, serial, to_string(*path),
                    found->vendor, found->device, found->serial, to_string(key));
    return std::nullopt;
  }
  return key;
}

Co<Result<std::uint64_t>> DevicePaths::preserve() {
  const auto page = table_.create();
  if (!page) co_return fail(page.error());
  co_return page->value();
}

Co<> DevicePaths::unpreserve(std::uint64_t) {
  table_.destroy();
  co_return;
}

Result<> DevicePaths::add(const PciDev& dev) {
  if (!table_.exists()) return {};
  const std::optional<DevicePath> path = path_of(dev);
  if (!path) return fail(Errno::kOpNotSupp);
  const auto place = table_.reserve();
  if (!place) return fail(place.error());
  table_.write(*place, {.domain = dev.address.segment,
                        .bdf = dev.address.bdf.value(),
                        .hops = path->hops,
                        .used = 1,
                        .host_bridge = path->host_bridge,
                        .vendor = dev.vendor,
                        .device = dev.device,
                        .serial = serial_of(dev),
                        .devfn = path->devfn});
  return {};
}

void DevicePaths::drop(const PciDev& dev) {
  table_.drop_if(
      [&](const PathEntry& entry) { return Sbdf{entry.domain, Bdf(entry.bdf)} == dev.address; });
}

Co<Result<>> DevicePaths::retrieve(std::uint64_t data) {
  const auto records = table_.restore(PhysAddr(data));
  if (!records) co_return fail(records.error());
  for (const PathEntry& entry : *records) {
    // Two functions in one place, or one under two keys, is not what a kernel hands over.
    const bool twice = std::ranges::any_of(entries_, [&](const PathEntry& other) {
      return path_in(other) == path_in(entry) ||
             (other.domain == entry.domain && other.bdf == entry.bdf);
    });
    if (!is_valid(entry) || twice) co_return fail(Errno::kInval);
    entries_.push_back(entry);
  }
  co_return Result<>();
}

Co<> DevicePaths::finish() {
  table_.free_restored();
  co_return;
}

}  // namespace baton::linux::pci
