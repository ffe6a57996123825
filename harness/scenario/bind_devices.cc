#include "harness/scenario/bind_devices.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <optional>

#include "harness/scenario/bind_changes.h"
#include "model/vmm/vmm_record.h"

namespace baton::harness {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kDiskUnit = 4096;
// As many batches as keep the guest busy verifying; fewer keep the disk and guest memory small.
constexpr std::uint32_t kBatchesWanted = 16;

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
  refuse_key(item, "port", "it has a root bus of its own, not a place behind a port", diagnostics);
  refuse_key(item, "size", "it has no disk", diagnostics);
  refuse_key(item, "vfs", "it has no virtual functions", diagnostics);
  refuse_key(item, "unsupported_request", "only an nvme has it", diagnostics);
  refuse_key(item, "buffer", "it has no memory buffer", diagnostics);
  if (!item.key("traits").items().empty()) {
    refuse_key(item, "traits", "only an nvme has them", diagnostics);
  }
  if (!item.key("bus").given()) {
    diagnostics.add(Problem::kMissingKey, item.at(), "\"bus\" is missing",
                    "it needs a root bus of its own");
  }
  if (item.key("function").number() > 7) {
    diagnostics.add(Problem::kOutOfRange, item.key("function").at(),
                    "function: above 7 only behind a port");
  }
  device.address = Sbdf{static_cast<std::uint32_t>(item.key("segment").number()),
                        Bdf(static_cast<unsigned>(item.key("bus").number() & 0xFF),
                            static_cast<unsigned>(item.key("device").number() & 0x1F),
                            static_cast<unsigned>(item.key("function").number() & 7))};
}

// A card has a function 0 [PCIe 7.5.1.1.9].
void check_cards(const MachineSpec& spec, Diagnostics& diagnostics) {
  for (const AddedDevice& device : spec.add) {
    if (device.vfs != 0 && std::ranges::any_of(spec.add, [&](const AddedDevice& other) {
          return other.port == device.port && other.function != device.function;
        })) {
      diagnostics.add(Problem::kConflict, device.at,
                      "vfs: virtual functions are on cards of one function");
    }
    if (device.function == 0 || !device.port) continue;
    const bool whole = std::ranges::any_of(spec.add, [&](const AddedDevice& other) {
      return other.port == device.port && other.function == 0;
    });
    if (whole) continue;
    diagnostics.add(Problem::kConflict, device.at,
                    fmt::format("the card behind {} has no function 0", to_string(*device.port)));
  }
}

// One: Linux numbers domains in the order in which it finds VMDs, and nobody else knows the
// numbers.
void bind_vmd(const View& item, AddedDevice& device, const MachineSpec& spec,
              Diagnostics& diagnostics) {
  bind_dsa(item, device, diagnostics);
  device.kind = DeviceKind::kVmd;
  refuse_key(item, "rate", "it moves nothing", diagnostics);
  refuse_key(item, "session", "its driver keeps it", diagnostics);
  if (std::ranges::any_of(
          spec.add, [](const AddedDevice& other) { return other.kind == DeviceKind::kVmd; })) {
    diagnostics.add(Problem::kNotBuilt, item.at(), "more than one VMD in a host: not built yet");
  }
}

void bind_nvme(const View& item, AddedDevice& device, Diagnostics& diagnostics) {
  device.kind = DeviceKind::kNvme;
  device.capacity = item.key("size").number();
  device.vfs = static_cast<unsigned>(item.key("vfs").number());
  device.fatal_requests = item.key("unsupported_request").text() == "fatal";
  for (const View& trait : item.key("traits").items()) {
    device.no_flr = device.no_flr || trait.text() == "no-flr";
    device.forgets_in_d3 = device.forgets_in_d3 || trait.text() == "forgets-in-d3";
    device.no_acs = device.no_acs || trait.text() == "no-acs";
  }
  device.at = item.key("port").at();
  device.function = static_cast<std::uint8_t>(item.key("function").number());
  for (const std::string_view key : {"segment", "bus", "device"}) {
    refuse_key(item, key, "an NVMe controller sits behind a port: name that", diagnostics);
  }
  if (device.capacity % kDiskUnit != 0) {
    diagnostics.add(Problem::kOutOfRange, item.key("size").at(), "size: not a multiple of 4KiB");
  }
  if (item.key("buffer").given()) {
    device.buffer = item.key("buffer").number();
    if (!std::has_single_bit(device.buffer)) {
      diagnostics.add(Problem::kOutOfRange, item.key("buffer").at(), "buffer: not a power of two");
    }
  }
  if (!item.key("port").given()) {
    diagnostics.add(Problem::kMissingKey, item.at(), "\"port\" is missing",
                    "an NVMe controller needs a port of the dump");
    return;
  }
  device.port = parse_pci_address(item.key("port").text());
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
  std::map<std::pair<Sbdf, unsigned>, std::string> ports;
  for (const View& item : topology.key("add").items()) {
    AddedDevice device;
    device.name = item.key("name").text();
    if (item.key("rate").given()) device.bytes_per_second = item.key("rate").number();
    device.session = item.key("session").text();
    const std::string kind = item.key("kind").text();
    if (kind == "nvme") {
      bind_nvme(item, device, diagnostics);
    } else if (kind == "vmd") {
      bind_vmd(item, device, spec, diagnostics);
    } else {
      bind_dsa(item, device, diagnostics);
    }
    if (!names.emplace(device.name, item.key("name").at()).second) {
      diagnostics.add(Problem::kDuplicateName, item.key("name").at(),
                      fmt::format("two devices are called \"{}\"", device.name));
    }
    if (device.kind != DeviceKind::kNvme) {
      if (const auto [other, fresh] = places.emplace(device.address, device.name); !fresh) {
        diagnostics.add(Problem::kConflict, device.at,
                        fmt::format("{} is where {} is", to_string(device.address), other->second));
      }
    } else if (device.port) {
      const std::pair<Sbdf, unsigned> place(*device.port, device.function);
      if (const auto [other, fresh] = ports.emplace(place, device.name); !fresh) {
        diagnostics.add(Problem::kConflict, device.at,
                        fmt::format("behind {} is {}", to_string(*device.port), other->second));
      }
    }
    spec.add.push_back(device);
  }
  check_cards(spec, diagnostics);
}

void bind_workload_kind(const View& vm_view, const MachineSpec& machine, VmSpec& vm,
                        Diagnostics& diagnostics) {
  if (vm.devices.empty()) return;
  const AddedDevice& device = machine.add[vm.devices.front()];
  const View workload = vm_view.key("workload");
  if (device.kind == DeviceKind::kVmd || (device.port && device.port->segment > 0xFFFF)) {
    diagnostics.add(Problem::kConflict, vm_view.key("devices").at(),
                    fmt::format("\"{}\" cannot be given to a VM", device.name),
                    device.kind == DeviceKind::kVmd
                        ? "it is the way to the functions behind it"
                        : "it sends with the id of the VMD above it and is in that one's IOMMU "
                          "group, which its driver owns: VFIO answers EBUSY");
    return;
  }
  const bool disk = workload.key("kind").text() == "disk";
  if (device.kind == DeviceKind::kNvme) vm.device = vmm::GuestDevice::kNvme;
  if (disk == (device.kind == DeviceKind::kNvme)) return;
  diagnostics.add(
      Problem::kConflict, workload.given() ? workload.key("kind").at() : vm_view.at(),
      fmt::format("{} cannot do a workload of kind {}", device.name, disk ? "disk" : "copy"),
      fmt::format("kind: {}", disk ? "copy" : "disk"));
}

void bind_peer(const View& vm_view, const MachineSpec& machine, VmSpec& vm,
               Diagnostics& diagnostics) {
  const View via = vm_view.key("workload").key("via");
  if (!via.given()) {
    if (vm.devices.size() > vmm::kDevicesMax) {
      diagnostics.add(Problem::kOutOfRange, vm_view.key("devices").at(),
                      fmt::format("devices: at most {} in a VM", vmm::kDevicesMax),
                      "the guest drives the first; the others are handed over with it");
    }
    return;
  }
  const bool second = vm.devices.size() == 2 && machine.add[vm.devices[1]].name == via.text();
  if (!second) {
    diagnostics.add(Problem::kConflict, via.at(),
                    fmt::format("via: {} is not the VM's second device", via.text()),
                    "devices: the one that copies, then the peer");
    return;
  }
  if (vm.device != vmm::GuestDevice::kDsa) {
    diagnostics.add(Problem::kConflict, via.at(), "via: only a DSA copies through a peer");
    return;
  }
  const AddedDevice& peer = machine.add[vm.devices[1]];
  const std::uint64_t needed = std::uint64_t{vm.workload.depth} * vm.workload.size;
  if (peer.buffer < needed) {
    diagnostics.add(Problem::kConflict, via.at(),
                    fmt::format("via: the buffer of {} is too small", peer.name),
                    fmt::format("it needs depth * size, {} bytes", needed),
                    "give it a larger `buffer`, or lower depth or size");
    return;
  }
  vm.workload.peer_buffer = vmm::kPeerBuffer.value();
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
