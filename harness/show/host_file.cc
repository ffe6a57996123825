#include "harness/show/host_file.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/show/views.h"
#include "model/pci/lspci_export.h"
#include "model/pci/topology.h"

namespace baton::harness {
namespace {

constexpr std::uint64_t kSomeMemory = std::uint64_t{16} << 20;

std::string error_text(const std::string& file, const pci::DumpError& error) {
  return fmt::format("{}:{}:{}: {}{}", file, error.line, error.column, error.message,
                     error.expected.empty() ? "" : fmt::format("\n  expected: {}", error.expected));
}

}  // namespace

bool shows_a_host(std::string_view what) { return what == "lspci" || what == "topology"; }

std::expected<void, std::string> show_host(const std::string& file, std::string_view what,
                                           std::string_view format, std::ostream& out) {
  std::error_code none;
  std::ifstream stream(file, std::ios::binary);
  if (!std::filesystem::is_regular_file(file, none) || !stream) {
    return std::unexpected(fmt::format("cannot read \"{}\"", file));
  }
  std::ostringstream text;
  text << stream.rdbuf();
  const auto dump = pci::parse_lspci(text.str());
  if (!dump) return std::unexpected(error_text(file, dump.error()));
  sim::Simulation simulation(0);
  host::MachineConfig config;
  config.memory = kSomeMemory;
  host::Machine machine(simulation, config);
  if (const auto imported = pci::import_topology(simulation, machine.fabric(), *dump); !imported) {
    return std::unexpected(error_text(file, imported.error()));
  }
  if (what == "lspci") {
    out << pci::export_lspci(machine.fabric());
    return {};
  }
  const TopologySnapshot snapshot = take_topology(machine.fabric());
  out << (format == "dot"    ? topology_dot(snapshot)
          : format == "json" ? topology_json(snapshot)
                             : topology_text(snapshot));
  return {};
}

}  // namespace baton::harness
