#include "model/linux/kernel/sysfs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "model/linux/kernel/state.h"

namespace baton::linux {

namespace {

constexpr std::string_view kDevices = "/sys/bus/pci/devices";
constexpr std::string_view kIncoming = "/sys/bus/pci/incoming/";
constexpr std::string_view kDrivers = "/sys/bus/pci/drivers/";
constexpr std::string_view kDriversProbe = "/sys/bus/pci/drivers_probe";
constexpr std::string_view kKexecLoaded = "/sys/kernel/kexec_loaded";
constexpr std::string_view kCommandLine = "/proc/cmdline";

constexpr std::array<std::string_view, 6> kAttributes{"vendor",          "device", "class",
                                                      "driver_override", "reset",  "reset_method"};

constexpr std::string_view kTotalVfs = "sriov_totalvfs";
constexpr std::string_view kNumVfs = "sriov_numvfs";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  return text;
}

std::optional<unsigned> hexadecimal(std::string_view text) {
  unsigned value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() ? std::optional(value)
                                                                             : std::nullopt;
}

// "<first>/<rest>" into both; rest is empty without a slash.
std::pair<std::string_view, std::string_view> split(std::string_view path) {
  const std::size_t slash = path.find('/');
  return slash == std::string_view::npos ? std::pair(path, std::string_view())
                                         : std::pair(path.substr(0, slash), path.substr(slash + 1));
}

}  // namespace

std::optional<Sbdf> pci_address(std::string_view text) {
  const std::size_t digits = text.find(':');
  if (digits == std::string_view::npos || digits < 4 || (digits > 4 && text[0] == '0') ||
      text.size() != digits + 8) {
    return std::nullopt;
  }
  const std::string_view place = text.substr(digits);
  if (place[3] != ':' || place[6] != '.') {
    return std::nullopt;
  }
  const auto segment = hexadecimal(text.substr(0, digits));
  const auto bus = hexadecimal(place.substr(1, 2));
  const auto device = hexadecimal(place.substr(4, 2));
  const auto function = hexadecimal(place.substr(7));
  if (!segment || !bus || !device || !function || *device > 31 || *function > 7) {
    return std::nullopt;
  }
  return Sbdf{*segment, Bdf(*bus, *device, *function)};
}

pci::PciDev* Sysfs::device(std::string_view text) const {
  const std::optional<Sbdf> address = pci_address(text);
  return address ? kernel_.pci_.find(*address) : nullptr;
}

std::optional<Sysfs::DeviceFile> Sysfs::device_file(std::string_view path) const {
  if (!path.starts_with(kDevices) || path.size() <= kDevices.size() + 1) {
    return std::nullopt;
  }
  const auto [name, attribute] = split(path.substr(kDevices.size() + 1));
  pci::PciDev* dev = device(name);
  if (dev == nullptr) {
    return std::nullopt;
  }
  const bool exists =
      (attribute == "driver" && dev->driver != nullptr) ||
      (attribute == "iommu_group" && kernel_.iommu_.group_number(*dev)) ||
      (attribute == "vfio-dev" && kernel_.vfio_pci_.cdev_of(dev->address)) ||
      ((attribute == kTotalVfs || attribute == kNumVfs) && dev->sriov_cap != 0) ||
      (std::ranges::find(kAttributes, attribute) != kAttributes.end() &&
       (!attribute.starts_with("reset") || !kernel_.pci_.reset_methods(*dev).empty()));
  return exists ? std::optional(DeviceFile{dev, attribute}) : std::nullopt;
}

const pci::PciDev* Sysfs::incoming(std::string_view path) const {
  if (!path.starts_with(kIncoming)) {
    return nullptr;
  }
  const std::optional<Sbdf> key = pci_address(path.substr(kIncoming.size()));
  const std::vector<pci::PciDev*> devices = kernel_.pci_.devices();
  const auto found = std::ranges::find_if(devices, [&](const pci::PciDev* dev) {
    return key && dev->was_incoming() && dev->recorded_as() == key;
  });
  return found == devices.end() ? nullptr : *found;
}

std::optional<Sysfs::DriverFile> Sysfs::driver_file(std::string_view path) const {
  if (!path.starts_with(kDrivers)) {
    return std::nullopt;
  }
  const auto [name, attribute] = split(path.substr(kDrivers.size()));
  pci::Driver* driver = kernel_.pci_bus_.find_driver(name);
  constexpr std::array<std::string_view, 4> kOfDrivers{"bind", "unbind", "new_id", "remove_id"};
  if (driver == nullptr || std::ranges::find(kOfDrivers, attribute) == kOfDrivers.end()) {
    return std::nullopt;
  }
  return DriverFile{driver, attribute};
}

bool Sysfs::exists(std::string_view path) const {
  return path == kDevices || path == kDriversProbe || path == kKexecLoaded ||
         path == kCommandLine || device_file(path) || driver_file(path) ||
         incoming(path) != nullptr;
}

std::string Sysfs::read_device(const DeviceFile& file) const {
  const pci::PciDev& dev = *file.dev;
  if (file.attribute == "vendor") {
    return fmt::format("{:#06x}\n", dev.vendor);
  }
  if (file.attribute == "device") {
    return fmt::format("{:#06x}\n", dev.device);
  }
  if (file.attribute == "class") {
    return fmt::format("{:#08x}\n", dev.class_code);
  }
  if (file.attribute == "driver_override") {
    return (dev.driver_override.empty() ? "(null)" : dev.driver_override) + "\n";
  }
  if (file.attribute == "reset_method") {
    std::string names;
    for (const pci::ResetMethod method : kernel_.pci_.reset_methods(*file.dev)) {
      names += fmt::format("{}{}", names.empty() ? "" : " ", pci::name(method));
    }
    return names + "\n";
  }
  if (file.attribute == "driver") {
    return fmt::format("{}\n", dev.driver->name());
  }
  if (file.attribute == "iommu_group") {
    return fmt::format("{}\n", kernel_.iommu_.group_number(dev).value_or(0));
  }
  if (file.attribute == kTotalVfs) {
    return fmt::format("{}\n", kernel_.pci_.total_vfs(dev));
  }
  if (file.attribute == kNumVfs) {
    return fmt::format("{}\n", dev.num_vfs);
  }
  return fmt::format("vfio{}\n", *kernel_.vfio_pci_.cdev_of(dev.address));
}

Result<std::string> Sysfs::read(std::string_view path) const {
  if (path == kCommandLine) {
    return kernel_.handoff_.command_line + "\n";
  }
  if (path == kKexecLoaded) {
    return std::string(kernel_.image_ ? "1\n" : "0\n");
  }
  if (path == kDevices) {
    std::string names;
    for (const pci::PciDev* dev : kernel_.pci_.devices()) {
      names += sim::to_string(dev->address) + "\n";
    }
    return names;
  }
  if (const pci::PciDev* dev = incoming(path)) {
    return sim::to_string(dev->address) + "\n";
  }
  if (const std::optional<DeviceFile> file = device_file(path)) {
    return file->attribute == "reset" ? fail(Errno::kAcces)
                                      : Result<std::string>(read_device(*file));
  }
  return fail(exists(path) ? Errno::kAcces : Errno::kNoEnt);
}

// Policy prepared_lockdown: all. What is preserved is kept from its driver's other users too: no
// reset, no other driver, no change of the virtual functions. No upstream series has such a rule.
bool Sysfs::locked_down(const pci::PciDev& dev) const {
  return dev.outgoing() && kernel_.config_.policies.prepared_lockdown == PreparedLockdown::kAll;
}

// sriov_numvfs_store(). [linux drivers/pci/iov.c]
Co<Result<>> Sysfs::write_num_vfs(pci::PciDev& dev, std::string_view text) {
  unsigned count = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    co_return fail(Errno::kInval);
  }
  if (count > kernel_.pci_.total_vfs(dev)) {
    co_return fail(Errno::kRange);
  }
  if (count == dev.num_vfs) {
    co_return Result<>();
  }
  if (dev.driver == nullptr) {
    co_return fail(Errno::kNoEnt);
  }
  if (count != 0 && dev.num_vfs != 0) {
    co_return fail(Errno::kBusy);
  }
  co_return co_await dev.driver->sriov_configure(dev, count);
}

// All of them want the device's lock [driver_set_override, sriov_numvfs_store, pci_dev_lock].
Co<Result<>> Sysfs::write_device(pci::PciDev& dev, std::string_view attribute,
                                 std::string_view text) {
  const bool overrides = attribute == "driver_override";
  const bool resets = attribute == "reset";
  if (!overrides && !resets && attribute != kNumVfs) {
    co_return fail(Errno::kAcces);
  }
  if (!overrides && locked_down(dev)) {
    co_return fail(Errno::kBusy);
  }
  if (resets && text != "1") {
    co_return fail(Errno::kInval);
  }
  const auto guard = co_await dev.lock.lock(kernel_.port_.context());
  if (kernel_.pci_.find(dev.address) != &dev) {
    co_return fail(Errno::kNoDev);  // it has gone meanwhile
  }
  if (overrides) {
    co_return kernel_.pci_bus_.set_driver_override(dev, std::string(text));
  }
  if (resets) {
    co_return co_await kernel_.pci_.reset_function(dev);
  }
  co_return co_await write_num_vfs(dev, text);
}

// "8086 0b25", as new_id and remove_id take it; further fields are not modelled.
Co<Result<>> Sysfs::write_id(const DriverFile& file, std::string_view text) {
  const std::size_t blank = text.find(' ');
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  const auto number = [](std::string_view digits, std::uint16_t& to) {
    const char* const end = digits.data() + digits.size();
    const auto [next, error] = std::from_chars(digits.data(), end, to, 16);
    return !digits.empty() && error == std::errc{} && next == end;
  };
  if (blank == std::string_view::npos || !number(text.substr(0, blank), vendor) ||
      !number(text.substr(blank + 1), device)) {
    co_return fail(Errno::kInval);
  }
  if (file.attribute == "remove_id") {
    co_return kernel_.pci_bus_.remove_id(*file.driver, vendor, device);
  }
  co_return co_await kernel_.pci_bus_.new_id(*file.driver, vendor, device);
}

Co<Result<>> Sysfs::write_driver(const DriverFile& file, std::string_view text) {
  if (file.attribute.ends_with("_id")) {
    co_return co_await write_id(file, text);
  }
  pci::PciDev* dev = device(text);
  if (dev == nullptr) {
    co_return fail(Errno::kNoDev);
  }
  if (file.attribute == "bind") {
    co_return co_await kernel_.pci_bus_.bind(*file.driver, *dev);
  }
  if (locked_down(*dev)) {
    co_return fail(Errno::kBusy);
  }
  co_return co_await kernel_.pci_bus_.unbind(*file.driver, *dev);
}

Co<Result<>> Sysfs::write(const std::string& path, const std::string& text) {
  const std::string_view value = trimmed(text);
  if (const std::optional<DeviceFile> file = device_file(path)) {
    co_return co_await write_device(*file->dev, file->attribute, value);
  }
  if (const std::optional<DriverFile> file = driver_file(path)) {
    co_return co_await write_driver(*file, value);
  }
  if (path == kDriversProbe) {
    pci::PciDev* dev = device(value);
    if (dev == nullptr) {
      co_return fail(Errno::kNoDev);
    }
    co_return co_await kernel_.pci_bus_.probe_any(*dev);
  }
  co_return fail(exists(path) ? Errno::kAcces : Errno::kNoEnt);
}

Co<Result<std::size_t>> SysfsFile::read(Process&, std::span<std::byte> to) {
  const Result<std::string> text = sysfs_.read(path_);
  if (!text) {
    co_return fail(text.error());
  }
  const std::size_t left = text->size() - std::min(position_, text->size());
  const std::size_t count = std::min(left, to.size());
  std::memcpy(to.data(), text->data() + position_, count);
  position_ += count;
  co_return count;
}

Co<Result<std::size_t>> SysfsFile::write(Process&, std::span<const std::byte> from) {
  std::string text(from.size(), '\0');
  std::memcpy(text.data(), from.data(), from.size());
  const Result<> written = co_await sysfs_.write(path_, text);
  if (!written) {
    co_return fail(written.error());
  }
  co_return from.size();
}

}  // namespace baton::linux
