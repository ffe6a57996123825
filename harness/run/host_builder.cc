#include "harness/run/host_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "harness/run/port_placement.h"
#include "harness/scenario/source_text.h"
#include "model/devices/dsa/dsa.h"
#include "model/devices/nvme/nvme.h"
#include "model/pci/lspci_dump.h"
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
bool bus_taken(pci::Fabric& fabric, unsigned bus) {
  constexpr unsigned kSecondary = 0x19;
  constexpr unsigned kSubordinate = 0x1A;
  constexpr unsigned kHeaderType = 0x0E;
  return std::ranges::any_of(fabric.functions(), [bus](const pci::Function* function) {
    const Sbdf at = function->location();
    if (at.segment != 0) return false;
    if (at.bdf.bus() == bus) return true;
    const pci::ConfigSpace& config = function->config();
    if ((config.read(kHeaderType, 1) & 0x7F) != 1) return false;
    return config.read(kSecondary, 1) <= bus && bus <= config.read(kSubordinate, 1);
  });
}

// The rate that the VM with this device asks for.
std::uint64_t bytes_per_second(const Scenario& scenario, std::size_t device,
                               std::uint64_t otherwise) {
  for (const VmSpec& vm : scenario.vms) {
    if (std::ranges::count(vm.devices, device) != 0) return vm.bytes_per_second;
  }
  return otherwise;
}

pci::Function* add_dsa(sim::Simulation& simulation, Loaded& loaded, pci::Fabric& fabric,
                       std::vector<pci::Bus*>& buses, std::size_t index) {
  const AddedDevice& device = loaded.scenario.machine.add[index];
  const Bdf at = device.address.bdf;
  if (buses[at.bus()] == nullptr) {
    if (bus_taken(fabric, at.bus())) {
      loaded.diagnostics.add(Problem::kConflict, device.at,
                             fmt::format("bus {:#04x} is in use on the imported host", at.bus()),
                             "choose a free one");
      return nullptr;
    }
    const auto bus = static_cast<std::uint8_t>(at.bus());
    buses[at.bus()] = &fabric.add_root_bus(0, bus, bus);
  }
  devices::dsa::DsaConfig config;
  config.name = device.name;
  config.bytes_per_second = bytes_per_second(loaded.scenario, index, config.bytes_per_second);
  return &fabric.add(*buses[at.bus()], at.device(), at.function(),
                     devices::dsa::make_dsa(simulation, config));
}

// Firmware gives it an address in the port's window, and enables nothing.
pci::Function* add_nvme(sim::Simulation& simulation, Loaded& loaded, pci::Fabric& fabric,
                        std::size_t index) {
  constexpr std::uint16_t kBar0 = 0x10;
  constexpr std::uint16_t kBar0Upper = 0x14;
  AddedDevice& device = loaded.scenario.machine.add[index];
  devices::nvme::NvmeConfig config;
  config.name = device.name;
  config.capacity = device.capacity;
  config.bytes_per_second = bytes_per_second(loaded.scenario, index, config.bytes_per_second);
  auto owned = devices::nvme::make_nvme(simulation, config);
  const auto place = place_behind_port(fabric, *device.port, owned->config().bar(0).size);
  if (!place) {
    loaded.diagnostics.add(Problem::kConflict, device.at, place.error().message, "",
                           place.error().help);
    return nullptr;
  }
  pci::Function& function = fabric.add(*place->bus, 0, 0, std::move(owned));
  place->bus->bridge()->show_slot();
  device.address = function.location();
  fabric.config_write(device.address, kBar0, 4, static_cast<std::uint32_t>(place->bar));
  fabric.config_write(device.address, kBar0Upper, 4, static_cast<std::uint32_t>(place->bar >> 32));
  return &function;
}

void add_devices(sim::Simulation& simulation, Loaded& loaded, BuiltHost& built) {
  pci::Fabric& fabric = built.machine->fabric();
  std::vector<pci::Bus*> buses(256, nullptr);
  for (std::size_t i = 0; i < loaded.scenario.machine.add.size(); ++i) {
    const bool nvme = loaded.scenario.machine.add[i].kind == DeviceKind::kNvme;
    pci::Function* added = nvme ? add_nvme(simulation, loaded, fabric, i)
                                : add_dsa(simulation, loaded, fabric, buses, i);
    if (added != nullptr) built.added.push_back(added);
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

Loaded check(Loaded loaded) {
  if (!loaded.good()) return loaded;
  sim::Simulation simulation(0);
  static_cast<void>(build_host(simulation, loaded));
  return loaded;
}

}  // namespace

BuiltHost build_host(sim::Simulation& simulation, Loaded& loaded) {
  host::MachineConfig config;
  config.memory = loaded.scenario.machine.memory;
  config.interrupt_remapping = loaded.scenario.machine.interrupt_remapping;
  config.iommu_profile = iommu_vtd::sapphire_rapids();
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
