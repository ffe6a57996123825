#include "harness/scenario/bind_devices.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

namespace baton::harness {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kDiskUnit = 4096;
constexpr unsigned kHighestDomain = 0x7FFF'FFFF;  // an int in Linux
// As many batches as keep the guest busy verifying; fewer keep the disk and guest memory small.
constexpr std::uint32_t kBatchesWanted = 16;

std::optional<unsigned> hex(std::string_view digits, unsigned limit) {
  unsigned value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return {};
  return value <= limit ? std::optional(value) : std::nullopt;
}

// "00:1c.0" or "0000:00:1c.0", as lspci writes it.
std::optional<Sbdf> parse_address(std::string_view text) {
  std::optional<unsigned> segment = 0;
  if (std::ranges::count(text, ':') == 2) {
    segment = hex(text.substr(0, text.find(':')), kHighestDomain);
    text.remove_prefix(text.find(':') + 1);
  }
  const std::size_t colon = text.find(':');
  const std::size_t dot = text.find('.');
  if (colon == std::string_view::npos || dot == std::string_view::npos || dot < colon) return {};
  const auto bus = hex(text.substr(0, colon), 0xFF);
  const auto device = hex(text.substr(colon + 1, dot - colon - 1), 0x1F);
  const auto function = hex(text.substr(dot + 1), 7);
  if (!segment || !bus || !device || !function) return {};
  return Sbdf{*segment, Bdf(*bus, *device, *function)};
}

// A key of another kind of device; its default, written out, does no harm.
void refuse_key(const View& item, std::string_view key, std::string_view why,
                Diagnostics& diagnostics) {
  const View given = item.key(key);
  const KeyRow* row = key_row(fmt::format("machine.topology.add[].{}", key));
  if (!given.given() || (!row->fallback.empty() && given.text() == row->fallback)) return;
  diagnostics.add(Problem::kConflict, given.at(), fmt::format("{}: {}", key, why));
}

void bind_dsa(const View& item, AddedDevice& device, Diagnostics& diagnostics) {
  device.at = item.key("bus").at();
  refuse_key(item, "port", "a DSA has a root bus of its own, not a place behind a port",
             diagnostics);
  refuse_key(item, "size", "a DSA has no disk", diagnostics);
  if (!item.key("bus").given()) {
    diagnostics.add(Problem::kMissingKey, item.at(), "\"bus\" is missing",
                    "a DSA needs a root bus of its own");
  }
  device.address = Sbdf{0, Bdf(static_cast<unsigned>(item.key("bus").number() & 0xFF),
                               static_cast<unsigned>(item.key("device").number() & 0x1F),
                               static_cast<unsigned>(item.key("function").number() & 7))};
}

void bind_nvme(const View& item, AddedDevice& device, Diagnostics& diagnostics) {
  device.kind = DeviceKind::kNvme;
  device.capacity = item.key("size").number();
  device.at = item.key("port").at();
  for (const std::string_view key : {"bus", "device", "function"}) {
    refuse_key(item, key, "an NVMe controller sits behind a port: name that", diagnostics);
  }
  if (device.capacity % kDiskUnit != 0) {
    diagnostics.add(Problem::kOutOfRange, item.key("size").at(), "size: not a multiple of 4KiB");
  }
  if (!item.key("port").given()) {
    diagnostics.add(Problem::kMissingKey, item.at(), "\"port\" is missing",
                    "an NVMe controller needs a port of the dump");
    return;
  }
  device.port = parse_address(item.key("port").text());
  if (!device.port) {
    diagnostics.add(Problem::kBadValue, device.at,
                    fmt::format("port: cannot read \"{}\"", item.key("port").text()),
                    "an address as lspci writes it", "for example 00:1c.0 or 0000:00:1c.0");
  }
}

}  // namespace

void bind_added_devices(const View& topology, MachineSpec& spec, Diagnostics& diagnostics) {
  std::map<std::string, Position> names;
  std::map<Sbdf, std::string> places;
  std::map<Sbdf, std::string> ports;
  for (const View& item : topology.key("add").items()) {
    AddedDevice device;
    device.name = item.key("name").text();
    item.key("kind").text() == "nvme" ? bind_nvme(item, device, diagnostics)
                                      : bind_dsa(item, device, diagnostics);
    if (!names.emplace(device.name, item.key("name").at()).second) {
      diagnostics.add(Problem::kDuplicateName, item.key("name").at(),
                      fmt::format("two devices are called \"{}\"", device.name));
    }
    const bool behind = device.kind == DeviceKind::kNvme;
    if (!behind || device.port) {
      auto& taken = behind ? ports : places;
      const Sbdf place = behind ? *device.port : device.address;
      if (const auto [other, fresh] = taken.emplace(place, device.name); !fresh) {
        diagnostics.add(Problem::kConflict, device.at,
                        behind ? fmt::format("behind {} is {}", to_string(place), other->second)
                               : fmt::format("{} is where {} is", to_string(place), other->second));
      }
    }
    spec.add.push_back(device);
  }
}

void bind_workload_kind(const View& vm_view, const MachineSpec& machine, VmSpec& vm,
                        Diagnostics& diagnostics) {
  if (vm.devices.empty()) return;
  const AddedDevice& device = machine.add[vm.devices.front()];
  const View workload = vm_view.key("workload");
  const bool disk = workload.key("kind").text() == "disk";
  if (device.kind == DeviceKind::kNvme) vm.device = vmm::GuestDevice::kNvme;
  if (disk == (device.kind == DeviceKind::kNvme)) return;
  diagnostics.add(
      Problem::kConflict, workload.given() ? workload.key("kind").at() : vm_view.at(),
      fmt::format("{} cannot do a workload of kind {}", device.name, disk ? "disk" : "copy"),
      fmt::format("kind: {}", disk ? "copy" : "disk"));
}

void bind_disk_workload(const View& vm_view, const MachineSpec& machine, VmSpec& vm,
                        Diagnostics& diagnostics) {
  const View view = vm_view.key("workload");
  vmm::WorkloadConfig& w = vm.workload;
  if (w.size % kDiskUnit != 0 || w.size < kDiskUnit) {
    diagnostics.add(Problem::kOutOfRange, view.key("size").at(),
                    "size: a disk's is a multiple of 4KiB");
    return;
  }
  if (w.depth > vmm::kBatchMembersMax / 2) {
    diagnostics.add(Problem::kOutOfRange, view.key("depth").at(),
                    fmt::format("depth: a disk's is at most {}", vmm::kBatchMembersMax / 2));
    return;
  }
  const std::uint64_t gap_commands = vm.bytes_per_second / 1000 * kGapMilliseconds / w.size;
  if (gap_commands > vmm::kDiskCommandsMax) {
    diagnostics.add(
        Problem::kConflict, view.given() ? view.at() : vm_view.at(),
        "the controller's queue cannot hold the work of a kexec",
        fmt::format("{} commands; a queue holds {}", gap_commands, vmm::kDiskCommandsMax),
        fmt::format("the device must stay busy for {} ms without a kernel: lower the rate, or give "
                    "each command a larger size",
                    kGapMilliseconds));
    return;
  }
  std::optional<vmm::WorkloadConfig> found;
  for (w.batch_members = 2 * w.depth; w.batch_members <= vmm::kBatchMembersMax;
       w.batch_members *= 2) {
    // One batch beyond the gap is being verified, one has just been taken.
    w.batches_in_flight = std::min(vmm::batches_for_gap(w, vm.bytes_per_second, kGapMilliseconds),
                                   std::max(1U, vmm::kDiskCommandsMax / w.batch_members));
    const bool fits = vmm::disk_workload_fits(w, vm.memory) &&
                      vmm::disk_bytes_needed(w) <= machine.add[vm.devices.front()].capacity;
    if (!fits || vmm::disk_commands(w) < gap_commands) continue;
    found = w;
    if (w.batches_in_flight <= kBatchesWanted) break;
  }
  if (found) {
    w = *found;
    return;
  }
  w.batch_members = std::min(2 * w.depth, vmm::kBatchMembersMax);
  diagnostics.add(
      Problem::kConflict, view.given() ? view.at() : vm_view.at(),
      "the workload does not fit into the VM's memory or onto its disk",
      fmt::format("it needs {} MiB of memory and {} MiB of disk",
                  vmm::disk_memory_needed(w) / kMiB + 1, vmm::disk_bytes_needed(w) / kMiB + 1),
      "lower depth, size or rate, or make the VM or the disk larger");
}

}  // namespace baton::harness
