// A host with many BARs behind root ports, and requests that go down to them or up to RAM.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <vector>

#include "bench/bare_walk.h"
#include "model/pci/fabric.h"
#include "sim/memory.h"

namespace baton::bench {

inline constexpr Word kBars = Word{1} << 36;
inline constexpr Word kBarBytes = 0x10'0000;

class Ram final : public pci::RootComplex {
 public:
  pci::Completion request(const pci::MemoryRequest& request, std::span<std::byte> data) override {
    pci::Completion completion;
    completion.destination = pci::Destination::kRam;
    completion.address = PhysAddr(request.address);
    if (request.write) memory.write(PhysAddr(request.address), data);
    return completion;
  }
  sim::PhysicalMemory memory{16 << 20};
};

class Endpoint final : public pci::Function {
 public:
  using Function::Function;
  void memory_read(pci::BarHit hit, std::span<std::byte>) override { reached += hit.offset; }
  Word store(Word address, std::span<const std::byte> data) {
    const pci::Completion completion = write(address, data);
    if (!completion.arrived()) std::abort();
    return completion.address.value();
  }
  Word reached = 0;
};

// Root ports, four on a root bus of its own, with one endpoint each.
class Machine {
 public:
  explicit Machine(unsigned ports) {
    pci::Bus* root = nullptr;
    unsigned number = 0;
    for (unsigned i = 0; i < ports; ++i) {
      const auto segment = i / 64;
      if (i % 4 == 0) {
        number = i % 64 / 4 * 8;
        root = &fabric_.add_root_bus(segment, static_cast<std::uint8_t>(number),
                                     static_cast<std::uint8_t>(number + 7));
      }
      add(*root, segment, i, number);
    }
  }
  Word read(Word port, Word offset) {
    std::array<std::byte, 8> data{};
    return fabric_.cpu_read(PhysAddr(kBars + port * kBarBytes + offset), data).address.value();
  }
  Word dma(Word port, Word address, std::span<const std::byte> data) {
    return endpoints_[port]->store(address, data);
  }

 private:
  void add(pci::Bus& root, unsigned segment, unsigned i, unsigned number) {
    const auto below = number + 1 + i % 4;
    pci::ConfigSpace port = pci::ConfigSpace::type1({.vendor = 0x8086, .device = 1});
    port.add_capability(0x40, pci::CapabilityId::kExpress, {{2, 2, 0x42}, {8, 2, 0x2810}});
    auto& bridge = static_cast<pci::Bridge&>(fabric_.add(
        root, i % 4, 0,
        std::make_unique<pci::Bridge>(simulation_, fmt::format("port{}", i), std::move(port))));
    pci::ConfigSpace config = pci::ConfigSpace::type0({.vendor = 0x1234, .device = 2});
    config.bar64(0, kBarBytes, true);
    endpoints_.push_back(static_cast<Endpoint*>(&fabric_.add(
        bridge.secondary_bus(), 0, 0,
        std::make_unique<Endpoint>(simulation_, fmt::format("end{}", i), std::move(config)))));
    const Sbdf up{segment, Bdf(number, i % 4, 0)};
    const Sbdf down{segment, Bdf(below, 0, 0)};
    const Word base = kBars + i * kBarBytes;
    const auto set = [this](Sbdf at, std::uint16_t offset, Word value) {
      fabric_.config_write(at, offset, 4, static_cast<std::uint32_t>(value));
    };
    set(up, 0x18, number | below << 8 | below << 16);
    set(up, 0x20, 0xFFF0);  // no memory below but the prefetchable one
    set(up, 0x24, (base >> 16 & 0xFFF0) | (base & 0xFFF0'0000));
    set(up, 0x28, base >> 32);
    set(up, 0x2C, base >> 32);
    set(up, 0x04, 6);
    set(down, 0x10, base);
    set(down, 0x14, base >> 32);
    set(down, 0x04, 6);
  }

  sim::Simulation simulation_{1};
  Ram ram_;
  pci::Fabric fabric_{simulation_, ram_, pci::FabricTiming{}};
  std::vector<Endpoint*> endpoints_;
};

// A power of two of ports, all in turn or one alone; each request depends on the one before.
inline Word read_bars(Machine& machine, Word ports, bool one, Word count) {
  Random random;
  Word sum = 0;
  Word dependence = 0;  // always 0
  for (Word i = 0; i < count; ++i) {
    const Word port = one ? 5 : random.next() & (ports - 1);
    const Word result = machine.read(port, i % 64 * 64 + dependence);
    sum += result;
    dependence = result >> 63;
  }
  return sum;
}

}  // namespace baton::bench
