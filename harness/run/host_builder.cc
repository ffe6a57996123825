#include "harness/run/host_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <optional>
#include <sstream>

#include "harness/run/machine_changes.h"
#include "harness/run/port_placement.h"
#include "harness/scenario/source_text.h"
#include "model/devices/dsa/dsa.h"
#include "model/devices/nvme/nvme.h"
#include "model/devices/vmd/vmd.h"
#include "model/iommu_vtd/profiles.h"
#include "model/pci/bridge.h"
#include "model/pci/lspci_dump.h"
#include "model/pci/sriov.h"
#include "model/pci/topology.h"

namespace baton::harness {
namespace {

std::optional<std::string> read_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error) || error) return std::nullopt;
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream content;
  content << stream.rdbuf();
  if (!stream) return std::nullopt;
  return content.str();
}

// A problem in the dump, at its place in the dump.
void add_dump_error(Loaded& loaded, Problem problem, std::string_view text,
                    const pci::DumpError& error) {
  const MachineSpec& spec = loaded.scenario.machine;
  OtherFile file{spec.lspci_path, std::string(line_of(text, error.line))};
  std::string help = fmt::format("the dump of machine.topology.lspci, line {}", spec.lspci_at.line);
  if (!error.expected.empty()) help = fmt::format("expected: {}; {}", error.expected, help);
  loaded.diagnostics.add_in_file(problem, std::move(file),
                                 {error.line, std::max(1U, error.column), 1}, error.message, help);
}

// Every PC has its host bridge at 00:00.0. A host without one has another architecture: no VT-d, no
// E820 map, no kexec as baton's kernels do it.
bool is_pc(const pci::LspciDump& dump) {
  constexpr std::byte kHostBridge{0x06};
  return std::ranges::any_of(dump.functions, [](const pci::DumpedFunction& function) {
    return function.address == Sbdf{} && function.bytes[0x0B] == kHostBridge &&
           function.bytes[0x0A] == std::byte{0};
  });
}

// Imports the dump; the number of its functions, or nothing after a diagnostic.
std::optional<std::size_t> import_dump(sim::Simulation& simulation, pci::Fabric& fabric,
                                       Loaded& loaded) {
  const MachineSpec& spec = loaded.scenario.machine;
  const auto text = read_file(spec.lspci_path);
  if (!text) {
    loaded.diagnostics.add(Problem::kFile, spec.lspci_at,
                           fmt::format("cannot read \"{}\"", spec.lspci_path),
                           "paths are relative to the scenario's folder");
    return std::nullopt;
  }
  const auto dump = pci::parse_lspci(*text);
  if (!dump) {
    add_dump_error(loaded, Problem::kDump, *text, dump.error());
    return std::nullopt;
  }
  if (const auto imported = pci::import_topology(simulation, fabric, *dump); !imported) {
    add_dump_error(loaded, Problem::kTopology, *text, imported.error());
    return std::nullopt;
  }
  if (!is_pc(*dump)) {
    const std::string name = std::filesystem::path(spec.lspci_path).filename().string();
    loaded.diagnostics.add(Problem::kFile, spec.lspci_at,
                           fmt::format("{} is no PC: it has no host bridge at 00:00.0", name),
                           "baton runs PCs alone",
                           fmt::format("`baton show lspci {}` imports and exports any host", name));
    return std::nullopt;
  }
  return dump->functions.size();
}

// Bus numbers that the dump's functions and bridges use, for refusing a second user.
bool bus_taken(pci::Fabric& fabric, std::uint32_t segment, unsigned bus) {
  constexpr unsigned kSecondary = 0x19;
  constexpr unsigned kSubordinate = 0x1A;
  constexpr unsigned kHeaderType = 0x0E;
  return std::ranges::any_of(fabric.functions(), [=](const pci::Function* function) {
    const Sbdf at = function->location();
    if (at.segment != segment) return false;
    if (at.bdf.bus() == bus) return true;
    const pci::ConfigSpace& config = function->config();
    if ((config.read(kHeaderType, 1) & 0x7F) != 1) return false;
    return config.read(kSecondary, 1) <= bus && bus <= config.read(kSubordinate, 1);
  });
}

using BusPlace = std::pair<std::uint32_t, unsigned>;  // segment, number

// The rate that the VM with this device asks for; with a virtual function of it, the first such VM.
// Without a VM, its own.
std::uint64_t bytes_per_second(const Scenario& scenario, std::size_t device,
                               std::uint64_t otherwise) {
  for (const VmSpec& vm : scenario.vms) {
    const bool owns = std::ranges::any_of(vm.devices, [&](std::size_t each) {
      return each == device || scenario.machine.add[each].physical == device;
    });
    if (owns) return vm.bytes_per_second;
  }
  const std::uint64_t own = scenario.machine.add[device].bytes_per_second;
  return own != 0 ? own : otherwise;
}

pci::Function* add_dsa(sim::Simulation& simulation, Loaded& loaded, pci::Fabric& fabric,
                       std::map<BusPlace, pci::Bus*>& buses, std::size_t index) {
  const AddedDevice& device = loaded.scenario.machine.add[index];
  const Bdf at = device.address.bdf;
  const BusPlace place{device.address.segment, at.bus()};
  if (buses[place] == nullptr) {
    if (bus_taken(fabric, device.address.segment, at.bus())) {
      loaded.diagnostics.add(Problem::kConflict, device.at,
                             fmt::format("bus {:#04x} is in use on the imported host", at.bus()),
                             "choose a free one");
      return nullptr;
    }
    const auto bus = static_cast<std::uint8_t>(at.bus());
    buses[place] = &fabric.add_root_bus(device.address.segment, bus, bus);
  }
  devices::dsa::DsaConfig config;
  config.name = device.name;
  config.bytes_per_second = bytes_per_second(loaded.scenario, index, config.bytes_per_second);
  return &fabric.add(*buses[place], at.device(), at.function(),
                     devices::dsa::make_dsa(simulation, config));
}

pci::Function* add_vmd(sim::Simulation& simulation, Loaded& loaded, pci::Fabric& fabric,
                       std::size_t index) {
  const AddedDevice& device = loaded.scenario.machine.add[index];
  const Bdf at = device.address.bdf;
  if (bus_taken(fabric, device.address.segment, at.bus())) {
    loaded.diagnostics.add(Problem::kConflict, device.at,
                           fmt::format("bus {:#04x} is in use on the imported host", at.bus()),
                           "choose a free one");
    return nullptr;
  }
  if (at.function() != 0) {
    loaded.diagnostics.add(Problem::kConflict, device.at,
                           "a device without function 0 is found by nobody", "function: 0");
    return nullptr;
  }
  const auto number = static_cast<std::uint8_t>(at.bus());
  pci::Bus& bus = fabric.add_root_bus(device.address.segment, number, number);
  auto owned = std::make_unique<devices::vmd::Vmd>(simulation, device.name);
  devices::vmd::Vmd& vmd = *owned;
  pci::Function& added = fabric.add(bus, at.device(), at.function(), std::move(owned));
  vmd.add_domain(fabric);
  return &added;
}

// Firmware knows nothing of what is behind a VMD: no bus number, no address.
pci::Function* add_behind_vmd(Loaded& loaded, pci::Fabric& fabric, std::size_t index,
                              std::unique_ptr<pci::Function> owned) {
  AddedDevice& device = loaded.scenario.machine.add[index];
  auto* port = dynamic_cast<pci::Bridge*>(fabric.find(*device.port));
  if (port == nullptr) {
    loaded.diagnostics.add(Problem::kConflict, device.at,
                           fmt::format("no port {}", to_string(*device.port)), "",
                           "the ports of the host's VMD are 10000:00:00.0 to 10000:00:03.0; a "
                           "device of kind vmd makes one");
    return nullptr;
  }
  device.address = *device.port;
  return &fabric.add(port->secondary_bus(), 0, 0, std::move(owned));
}

// The function numbers of the card that a device is part of, in order.
std::vector<unsigned> functions_of_card(const Scenario& scenario, const AddedDevice& device) {
  std::vector<unsigned> result;
  for (const AddedDevice& other : scenario.machine.add) {
    if (other.port == device.port) result.push_back(other.function);
  }
  std::ranges::sort(result);
  return result;
}

// Firmware sets the payload that a port has and the device supports.
void agree_on_payload(const pci::Bridge& port, pci::Function& device) {
  constexpr unsigned kDeviceControl = 8;
  constexpr std::uint32_t kPayload = 0x00E0;
  const std::uint16_t above = port.config().find(pci::CapabilityId::kExpress);
  const std::uint16_t below = device.config().find(pci::CapabilityId::kExpress);
  const auto at = [](unsigned base, unsigned offset) {
    return static_cast<std::uint16_t>(base + offset);
  };
  const std::uint32_t set = port.config().get(at(above, kDeviceControl), 2) & kPayload;
  const std::uint32_t supported = (device.config().get(at(below, 4), 4) & 7) << 5;
  const std::uint16_t control = at(below, kDeviceControl);
  device.config().set(control, 2,
                      (device.config().get(control, 2) & ~kPayload) | std::min(set, supported));
}

// Requests that nobody supports, by the severity of the error that the function reports.
void make_requests_fatal(pci::Function& function) {
  constexpr unsigned kSeverity = 0x0C;
  constexpr std::uint32_t kUnsupportedRequest = 1U << 20;
  const unsigned aer = function.config().find(pci::ExtendedCapabilityId::kAer) + kSeverity;
  const auto severity = static_cast<std::uint16_t>(aer);
  function.config().set(severity, 4, function.config().get(severity, 4) | kUnsupportedRequest);
}

// Firmware gives it an address in the port's window, and enables nothing.
pci::Function* add_nvme(sim::Simulation& simulation, Loaded& loaded, pci::Fabric& fabric,
                        std::size_t index) {
  constexpr std::uint16_t kBar0 = 0x10;
  constexpr std::uint16_t kBar0Upper = 0x14;
  constexpr std::uint16_t kBar2 = 0x18;
  constexpr std::uint16_t kBar2Upper = 0x1C;
  AddedDevice& device = loaded.scenario.machine.add[index];
  devices::nvme::NvmeConfig config;
  config.name = device.name;
  config.capacity = device.capacity;
  config.serial_number += index;
  config.vfs = device.vfs;
  config.buffer_bytes = device.buffer;
  config.bytes_per_second = bytes_per_second(loaded.scenario, index, config.bytes_per_second);
  const std::vector<unsigned> functions = functions_of_card(loaded.scenario, device);
  config.multi_function = functions.size() > 1;
  const auto next = std::ranges::upper_bound(functions, unsigned{device.function});
  config.acs = !device.no_acs;
  config.flr = !device.no_flr;
  config.no_soft_reset = !device.forgets_in_d3;
  config.next_function = next == functions.end() ? 0 : static_cast<std::uint8_t>(*next);
  auto owned = devices::nvme::make_nvme(simulation, config);
  if (device.port->segment >= pci::kFirstOwnedSegment) {
    if (device.vfs != 0) {
      loaded.diagnostics.add(Problem::kNotBuilt, device.at,
                             "virtual functions behind a VMD: not built yet");
      return nullptr;
    }
    return add_behind_vmd(loaded, fabric, index, std::move(owned));
  }
  // Its BAR, then those of its virtual functions, each as large.
  const std::uint64_t bar_size = owned->config().bar(0).size;
  const std::uint64_t all = std::bit_ceil(bar_size * (1 + device.vfs));
  const auto place = device.function == 0
                         ? place_behind_port(fabric, *device.port, all, device.buffer)
                         : place_beside(fabric, *device.port, all);
  if (!place) {
    loaded.diagnostics.add(Problem::kConflict, device.at, place.error().message, "",
                           place.error().help);
    return nullptr;
  }
  pci::Function& function =
      fabric.add(*place->bus, device.function >> 3, device.function & 7, std::move(owned));
  place->bus->bridge()->show_slot();
  device.address = function.location();
  // Not by its address: a function above 7 is reached once its port forwards by ARI.
  const Bdf at = device.address.bdf;
  function.config_write(kBar0, 4, static_cast<std::uint32_t>(place->bar), at);
  function.config_write(kBar0Upper, 4, static_cast<std::uint32_t>(place->bar >> 32), at);
  if (device.vfs != 0) {
    constexpr unsigned kVfBar0 = 0x24;
    const unsigned vf_bar = function.config().find(pci::ExtendedCapabilityId::kSriov) + kVfBar0;
    const std::uint64_t first = place->bar + bar_size;
    function.config_write(static_cast<std::uint16_t>(vf_bar), 4, static_cast<std::uint32_t>(first),
                          at);
    function.config_write(static_cast<std::uint16_t>(vf_bar + 4), 4,
                          static_cast<std::uint32_t>(first >> 32), at);
  }
  agree_on_payload(*place->bus->bridge(), function);
  if (device.fatal_requests) make_requests_fatal(function);
  if (place->buffer != 0) {
    const auto low = static_cast<std::uint32_t>(place->buffer);
    function.config_write(kBar2, 4, low, at);
    function.config_write(kBar2Upper, 4, static_cast<std::uint32_t>(place->buffer >> 32), at);
  }
  return &function;
}

// It is there, hidden, until its physical function's driver makes it appear.
pci::Function* virtual_function(Loaded& loaded, const BuiltHost& built, std::size_t index) {
  AddedDevice& device = loaded.scenario.machine.add[index];
  pci::Function* physical = built.added[*device.physical];
  if (physical == nullptr) return nullptr;
  const Sbdf at = loaded.scenario.machine.add[*device.physical].address;
  device.address = {at.segment, physical->sriov()->routing_id(at.bdf, device.vf_index)};
  return &physical->sriov()->function(device.vf_index);
}

void add_devices(sim::Simulation& simulation, Loaded& loaded, BuiltHost& built) {
  pci::Fabric& fabric = built.machine->fabric();
  std::map<BusPlace, pci::Bus*> buses;
  const std::vector<AddedDevice>& add = loaded.scenario.machine.add;
  built.added.assign(add.size(), nullptr);
  // A VMD comes before what is behind it, a card's function 0 before the others, and those before
  // virtual functions.
  std::vector<std::size_t> order(add.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) {
    if (add[i].physical) return 0x101U;
    return add[i].kind == DeviceKind::kVmd ? 0U : 1U + add[i].function;
  });
  for (const std::size_t i : order) {
    if (add[i].physical) {
      built.added[i] = virtual_function(loaded, built, i);
      continue;
    }
    switch (add[i].kind) {
      case DeviceKind::kVmd:
        built.added[i] = add_vmd(simulation, loaded, fabric, i);
        break;
      case DeviceKind::kNvme:
        built.added[i] = add_nvme(simulation, loaded, fabric, i);
        break;
      case DeviceKind::kDsa:
        built.added[i] = add_dsa(simulation, loaded, fabric, buses, i);
        break;
    }
  }
}

// A unit of its own is for a root bus of the host.
void check_units(Loaded& loaded, const pci::Fabric& fabric) {
  const MachineSpec& spec = loaded.scenario.machine;
  std::vector<std::string> known;
  for (const auto& root : fabric.root_buses()) {
    if (root->segment() == 0) known.push_back(fmt::format("{:#04x}", root->number()));
  }
  for (const std::uint8_t bus : spec.own_units) {
    if (std::ranges::count(known, fmt::format("{:#04x}", bus)) != 0) continue;
    loaded.diagnostics.add(Problem::kUnknownName, spec.own_units_at,
                           fmt::format("{:#04x} is no root bus of the host", bus), "",
                           fmt::format("root buses: {}", fmt::join(known, ", ")));
  }
}

// The host is built once, and the changes are made to it.
Loaded check(Loaded loaded) {
  if (!loaded.good()) return loaded;
  sim::Simulation simulation(0);
  BuiltHost built = build_host(simulation, loaded);
  if (!loaded.good()) return loaded;
  MachineChanges changes(simulation, built, loaded.scenario.machine);
  for (const MachineChange& change : loaded.scenario.machine.changes) {
    if (const auto made = changes.make(change); !made) {
      loaded.diagnostics.add(
          Problem::kConflict, change.at,
          fmt::format("{}: {}", change_text(change, loaded.scenario.machine), made.error()));
    }
  }
  return loaded;
}

}  // namespace

BuiltHost build_host(sim::Simulation& simulation, Loaded& loaded) {
  host::MachineConfig config;
  config.memory = loaded.scenario.machine.memory;
  config.cpus = loaded.scenario.machine.cpus;
  config.interrupt_remapping = loaded.scenario.machine.interrupt_remapping;
  if (const auto* part = iommu_vtd::find_profile(loaded.scenario.machine.iommu_profile)) {
    config.iommu_profile = part->make();
  }
  if (loaded.scenario.machine.posted_interrupts) {
    config.iommu_profile = iommu_vtd::with_posted_interrupts(config.iommu_profile);
  }
  if (loaded.scenario.machine.hardware_caches) {
    config.iommu_profile.caches = iommu_vtd::Caches::kHardware;
  }
  for (const std::uint8_t bus : loaded.scenario.machine.own_units) {
    config.own_units.push_back({.segment = 0, .root_bus = bus});
  }
  for (const ReservedRegion& region : loaded.scenario.machine.reserved_regions) {
    host::ReservedRegionConfig& reserved = config.reserved_regions.emplace_back();
    reserved.bytes = region.bytes;
    for (const std::size_t device : region.devices) {
      reserved.functions.push_back(loaded.scenario.machine.add[device].address.bdf);
    }
  }
  BuiltHost built;
  built.machine = std::make_unique<host::Machine>(simulation, config);
  const auto imported = import_dump(simulation, built.machine->fabric(), loaded);
  if (!imported) return built;
  built.imported = *imported;
  add_devices(simulation, loaded, built);
  check_units(loaded, built.machine->fabric());
  if (!loaded.good()) return built;
  if (const auto ready = built.machine->finish_firmware(); !ready) {
    loaded.diagnostics.add(Problem::kConflict, loaded.scenario.machine.lspci_at,
                           fmt::format("the host cannot be built: {}", ready.error()));
  }
  return built;
}

Loaded check_scenario(const std::string& file, std::vector<std::string> overrides) {
  return check(load_scenario(file, std::move(overrides)));
}

Loaded check_scenario_text(std::string file, std::string text, const std::string& folder,
                           std::vector<std::string> overrides) {
  return check(parse_scenario(std::move(file), std::move(text), folder, std::move(overrides)));
}

}  // namespace baton::harness
