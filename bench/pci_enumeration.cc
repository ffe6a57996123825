// What Linux's enumeration costs for each function, in trees of 1,000 to 10,000 functions: 40 on
// each bus, the buses below conventional bridges of one root bus.
//
//   pci_enumeration [BUSES...]        25 75 250 without arguments
#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "bench/bare_walk.h"
#include "model/host/machine.h"
#include "model/linux/base/kernel_services.h"
#include "model/linux/pci/pci_core.h"

namespace {

using namespace baton;
using bench::Word;

constexpr unsigned kPerBus = 40;
constexpr Word kFunctionBytes = 0x2000;
constexpr Word kBusBytes = Word{1} << 20;
constexpr Word kBase = Word{1} << 40;

class Endpoint final : public pci::Function {
 public:
  using Function::Function;
};

pci::ConfigSpace endpoint_config() {
  pci::ConfigSpace config = pci::ConfigSpace::type0(
      {.vendor = 0x8086, .device = 0x0B25, .class_code = 0x088000, .multi_function = true});
  config.bar64(0, 0x1000, true).bar64(2, 0x1000, true);
  config.add_capability(0x40, pci::CapabilityId::kPowerManagement, {{2, 2, 3}, {4, 2, 8}});
  config.add_capability(0x50, pci::CapabilityId::kMsix, {{2, 2, 8}, {4, 4, 0x2}, {8, 4, 0x802}});
  return config;
}

// As firmware leaves it: bus numbers, windows and BARs are set.
void build(host::Machine& machine, unsigned buses) {
  pci::Fabric& fabric = machine.fabric();
  pci::Bus& root = fabric.add_root_bus(0, 0, 0xFF);
  sim::Simulation& simulation = machine.simulation();
  const auto set = [&fabric](Bdf at, std::uint16_t offset, Word value) {
    fabric.config_write({0, at}, offset, 4, static_cast<std::uint32_t>(value));
  };
  for (unsigned i = 0; i < buses; ++i) {
    const Bdf at(0, i / 8, i % 8);
    auto& bridge = static_cast<pci::Bridge&>(fabric.add(
        root, at.device(), at.function(),
        std::make_unique<pci::Bridge>(
            simulation, fmt::format("bridge{}", i),
            pci::ConfigSpace::type1({.vendor = 0x8086, .device = 1, .multi_function = true}))));
    const Word base = kBase + i * kBusBytes;
    set(at, 0x18, (i + 1) << 8 | (i + 1) << 16);
    set(at, 0x20, 0xFFF0);
    set(at, 0x24, (base >> 16 & 0xFFF0) | (base & 0xFFF0'0000));
    set(at, 0x28, base >> 32);
    set(at, 0x2C, base >> 32);
    set(at, 0x04, 6);
    for (unsigned f = 0; f < kPerBus; ++f) {
      fabric.add(
          bridge.secondary_bus(), f / 8, f % 8,
          std::make_unique<Endpoint>(simulation, fmt::format("f{}.{}", i, f), endpoint_config()));
      const Bdf function(i + 1, f / 8, f % 8);
      const Word bar = base + f * kFunctionBytes;
      set(function, 0x10, bar);
      set(function, 0x14, bar >> 32);
      set(function, 0x18, bar + 0x1000);
      set(function, 0x1C, bar >> 32);
    }
  }
}

// A kernel that enumerates, looks every function up again, and is done.
class Enumerator final : public host::Software {
 public:
  Enumerator(host::KernelPort& port, const linux::KernelConfig& config, std::vector<Word>& results)
      : services_(port, config, ram_of(port)), core_(services_), results_(results) {}
  void start() override { services_.spawn(run()); }

 private:
  static std::vector<sim::PhysRange> ram_of(host::KernelPort& port) {
    std::vector<sim::PhysRange> ranges;
    for (const host::MemoryMapEntry& entry : port.memory_map().entries) {
      if (entry.type == host::MemoryType::kRam) ranges.push_back(entry.range);
    }
    return ranges;
  }
  Co<> run() {
    const Word start = bench::cpu_ns();
    co_await core_.enumerate();
    co_await core_.assign_resources();
    const Word enumerated = bench::cpu_ns();
    Word found = 0;
    for (const linux::pci::PciDev* dev : core_.devices()) {
      found += core_.find(dev->address) == dev ? 1 : 0;
    }
    results_ = {enumerated - start, bench::cpu_ns() - enumerated, found};
  }

  linux::KernelServices services_;
  linux::pci::PciCore core_;
  std::vector<Word>& results_;
};

bool measure(unsigned buses) {
  const linux::KernelConfig config;
  Word best = ~Word{0};
  Word finding = ~Word{0};
  Word functions = 0;
  for (int round = 0; round < 3; ++round) {
    sim::Simulation simulation(1);
    host::Machine machine(simulation, {.memory = Word{1} << 30, .iommu = false});
    build(machine, buses);
    if (const auto finished = machine.finish_firmware(); !finished) {
      fmt::print(stderr, "{}\n", finished.error());
      return false;
    }
    std::vector<Word> results;
    machine.power_on(
        [&](host::KernelPort& port, const host::BootHandoff&, std::size_t) {
          return std::make_unique<Enumerator>(port, config, results);
        },
        "");
    simulation.run_until(sim::Time() + sim::Duration::seconds(100));
    if (results.empty() || results[2] != Word{buses} * (kPerBus + 1)) {
      fmt::print(stderr, "{} buses: not all functions were found\n", buses);
      return false;
    }
    best = std::min(best, results[0]);
    finding = std::min(finding, results[1]);
    functions = results[2];
  }
  fmt::print(
      "{:6} functions on {:3} buses: {:7.1f} ms, {:6.2f} us each; found again {:5.1f} ns each\n",
      functions, buses + 1, static_cast<double>(best) / 1e6,
      static_cast<double>(best) / 1e3 / static_cast<double>(functions),
      static_cast<double>(finding) / static_cast<double>(functions));
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<unsigned> buses{25, 75, 250};
  if (argc > 1) buses.clear();
  for (int i = 1; i < argc; ++i) buses.push_back(static_cast<unsigned>(std::atoi(argv[i])));
  for (const unsigned each : buses) {
    if (each == 0 || each > 255 || !measure(each)) return 1;
  }
  return 0;
}
