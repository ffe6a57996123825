// A function that sends what a test tells it to send, and a machine around it.
#pragma once

#include "model/host/machine.h"
#include "model/host/observations.h"

namespace baton::host::test {

class Probe final : public pci::Function {
 public:
  Probe(sim::Simulation& simulation, std::string name)
      : Function(simulation, std::move(name), make_config()) {}

  pci::Completion dma_read(std::uint64_t address, std::span<std::byte> to) {
    return read(address, to);
  }
  pci::Completion dma_write(std::uint64_t address, std::span<const std::byte> from) {
    return write(address, from);
  }
  pci::Completion message(std::uint64_t address, std::uint32_t data) {
    return write(address, std::as_bytes(std::span(&data, 1)));
  }

  void memory_read(pci::BarHit hit, std::span<std::byte> to) override {
    last_hit = hit;
    std::ranges::fill(to, std::byte{0x5A});
  }
  void memory_write(pci::BarHit hit, std::span<const std::byte> from) override {
    last_hit = hit;
    written = from.size();
  }

  pci::BarHit last_hit;
  std::size_t written = 0;

 private:
  static pci::ConfigSpace make_config() {
    pci::ConfigSpace config =
        pci::ConfigSpace::type0({.vendor = 0x8086, .device = 0x0B25, .class_code = 0x088000});
    config.bar64(0, 0x1'0000, true);
    return config;
  }
};

struct Bench {
  explicit Bench(bool iommu = false) : machine(simulation, config(iommu)) {
    pci::Bus& bus = machine.fabric().add_root_bus(0, 0x6A, 0x6A);
    probe = static_cast<Probe*>(
        &machine.fabric().add(bus, 1, 0, std::make_unique<Probe>(simulation, "probe")));
    other = static_cast<Probe*>(
        &machine.fabric().add(bus, 2, 0, std::make_unique<Probe>(simulation, "other")));
    const auto finished = machine.finish_firmware();
    REQUIRE(finished.has_value());
  }

  static MachineConfig config(bool iommu) {
    MachineConfig result;
    result.memory = std::uint64_t{256} << 20;
    result.iommu = iommu;
    return result;
  }

  // Memory decode and bus master on.
  void enable(const Probe& function) {
    machine.fabric().config_write(function.location(), 0x04, 2, 0x0006);
  }

  sim::Simulation simulation{1};
  Machine machine;
  Probe* probe = nullptr;
  Probe* other = nullptr;
};

}  // namespace baton::host::test
