// A fabric over flat RAM: what the tests of this layer stand on.
#pragma once

#include <cstring>
#include <fstream>
#include <sstream>

#include "model/pci/fabric.h"
#include "model/pci/observations.h"
#include "model/pci/topology.h"
#include "sim/memory.h"
#include "tests/support/source_dir.h"

namespace baton::pci::test {

class FlatRam final : public RootComplex {
 public:
  Completion request(const MemoryRequest& request, std::span<std::byte> data) override {
    requests.push_back(request);
    Completion completion;
    if (!memory.contains(PhysAddr(request.address), data.size())) {
      if (request.address >> 20 == 0xFEE) {
        completion.destination = Destination::kInterrupt;
        return completion;
      }
      completion.status = CompletionStatus::kUnsupportedRequest;
      completion.stopped_at = "hole";
      return completion;
    }
    completion.destination = Destination::kRam;
    completion.address = PhysAddr(request.address);
    if (request.write) {
      memory.write(PhysAddr(request.address), data);
    } else {
      memory.read(PhysAddr(request.address), data);
    }
    return completion;
  }

  sim::PhysicalMemory memory{16 << 20};
  std::vector<MemoryRequest> requests;
};

// A device whose registers are one page of bytes, and which sends what it is told to.
class Probe : public Function {
 public:
  using Function::Function;
  void memory_read(BarHit hit, std::span<std::byte> to) override {
    std::memcpy(to.data(), registers.data() + hit.offset, to.size());
  }
  void memory_write(BarHit hit, std::span<const std::byte> from) override {
    std::memcpy(registers.data() + hit.offset, from.data(), from.size());
  }
  void on_reset(ResetKind kind) override { resets.push_back(kind); }

  Completion send_write(std::uint64_t address, std::uint32_t value) {
    const auto bytes = std::bit_cast<std::array<std::byte, 4>>(value);
    return write(address, bytes);
  }
  Completion send_read(std::uint64_t address) {
    std::array<std::byte, 4> bytes{};
    return read(address, bytes);
  }
  Completion send_block(std::uint64_t address, bool write_it) {
    std::array<std::byte, 512> bytes{};
    return write_it ? write(address, bytes) : read(address, bytes);
  }
  Completion send_poisoned(std::uint64_t address) {
    std::array<std::byte, 4> bytes{};
    return write_poisoned(address, bytes);
  }

  std::array<std::byte, 4096> registers{};
  std::vector<ResetKind> resets;
};

inline ConfigSpace probe_config(bool flr = true) {
  ConfigSpace config = ConfigSpace::type0({.vendor = 0x1234, .device = 0x5678});
  config.bar64(0, 4096, true);
  config.add_capability(0x40, CapabilityId::kExpress,
                        {{2, 2, 0x0002}, {4, 4, flr ? 0x10008002U : 0x8002U}, {8, 2, 0x2810}});
  config.add_capability(0x80, CapabilityId::kMsix, {{2, 2, 2}, {4, 4, 0x800}, {8, 4, 0xC00}});
  config.add_capability(0x90, CapabilityId::kPowerManagement, {{2, 2, 3}, {4, 2, 8}});
  config.add_extended_capability(0x100, ExtendedCapabilityId::kAer, 2,
                                 {{0x0C, 4, 0x00462030}, {0x14, 4, 0x2000}});
  return config;
}

inline ConfigSpace port_config(PortType type) {
  ConfigSpace config = ConfigSpace::type1({.vendor = 0x8086, .device = 0x1});
  const bool slot = type == PortType::kRootPort || type == PortType::kDownstreamPort;
  const std::uint32_t flags = 2U | static_cast<std::uint32_t>(type) << 4 | (slot ? 0x100U : 0U);
  // Role-based error reporting, data link layer state reported; the slot has a power controller.
  config.add_capability(
      0x40, CapabilityId::kExpress,
      {{2, 2, flags}, {4, 4, 0x8001}, {8, 2, 0x2810}, {0x0C, 4, 1U << 20}, {0x14, 4, 0x42}});
  // Eight vectors, 64-bit addresses, a mask for each vector.
  config.add_capability(0x90, CapabilityId::kMsi, {{2, 2, 0x0186}});
  config.add_extended_capability(0x100, ExtendedCapabilityId::kAcs, 1, {{4, 2, 0x5F}});
  config.add_extended_capability(0x140, ExtendedCapabilityId::kAer, 2,
                                 {{0x0C, 4, 0x00462030}, {0x14, 4, 0x2000}, {0x30, 4, 2U << 27}});
  if (slot) config.add_extended_capability(0x200, ExtendedCapabilityId::kDpc, 1, {{4, 2, 0x83}});
  return config;
}

// Root bus 0: root port 00:01.0 to bus 1: upstream port 01:00.0, bus 2: downstream ports 02:00.0
// and 02:01.0 to buses 3 and 4, each with a probe whose BAR is in the port's prefetchable window.
struct Switch {
  sim::Simulation simulation{1};
  FlatRam ram;
  Fabric fabric{simulation, ram,
                FabricTiming{sim::Duration::nanoseconds(100), sim::Duration::nanoseconds(10)}};
  Bridge* root;
  Bridge* up;
  Bridge* down[2];
  Probe* probe[2];

  static constexpr std::uint64_t kBar[2] = {0x10'0010'0000, 0x10'0020'0000};

  Bridge* add_bridge(Bus& bus, unsigned device, PortType type, const char* name) {
    auto owned = std::make_unique<Bridge>(simulation, name, port_config(type));
    return static_cast<Bridge*>(&fabric.add(bus, device, 0, std::move(owned)));
  }
  void write(Bdf bdf, std::uint16_t offset, unsigned width, std::uint32_t value) {
    fabric.config_write({0, bdf}, offset, width, value);
  }
  std::uint32_t read(Bdf bdf, std::uint16_t offset, unsigned width) {
    return fabric.config_read({0, bdf}, offset, width);
  }
  void number(Bdf bdf, std::uint32_t primary, std::uint32_t secondary, std::uint32_t subordinate) {
    write(bdf, 0x18, 4, primary | secondary << 8 | subordinate << 16);
  }
  void window(Bdf bdf, std::uint32_t first_mib, std::uint32_t last_mib) {
    write(bdf, 0x24, 4, first_mib << 4 | last_mib << 20);
    write(bdf, 0x28, 4, 0x10);
    write(bdf, 0x2C, 4, 0x10);
    write(bdf, 0x20, 4, 0x0000FFF0);
    write(bdf, 0x04, 2, 6);
  }

  Switch() {
    Bus& bus = fabric.add_root_bus(0, 0, 0xFF);
    root = add_bridge(bus, 1, PortType::kRootPort, "root");
    up = add_bridge(root->secondary_bus(), 0, PortType::kUpstreamPort, "up");
    for (unsigned i = 0; i < 2; ++i) {
      down[i] =
          add_bridge(up->secondary_bus(), i, PortType::kDownstreamPort, i == 0 ? "down0" : "down1");
      auto owned =
          std::make_unique<Probe>(simulation, i == 0 ? "probe0" : "probe1", probe_config());
      probe[i] = owned.get();
      fabric.add(down[i]->secondary_bus(), 0, 0, std::move(owned));
      down[i]->show_slot();
    }
    number(Bdf(0, 1, 0), 0, 1, 4);
    number(Bdf(1, 0, 0), 1, 2, 4);
    number(Bdf(2, 0, 0), 2, 3, 3);
    number(Bdf(2, 1, 0), 2, 4, 4);
    window(Bdf(0, 1, 0), 1, 2);
    window(Bdf(1, 0, 0), 1, 2);
    window(Bdf(2, 0, 0), 1, 1);
    window(Bdf(2, 1, 0), 2, 2);
    for (unsigned i = 0; i < 2; ++i) {
      const Bdf bdf(3 + i, 0, 0);
      write(bdf, 0x10, 4, static_cast<std::uint32_t>(kBar[i]));
      write(bdf, 0x14, 4, static_cast<std::uint32_t>(kBar[i] >> 32));
      write(bdf, 0x04, 2, 6);
    }
  }
};

inline std::string file_text(const std::string& name) {
  std::ifstream file(testing::source_dir() + "/tests/pci/data/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace baton::pci::test
