// Several remapping units and reserved memory: what DMAR says, and whose requests go where
// [VT-d 8.3, 8.4].
#include <cstring>

#include "tests/host/probe.h"

namespace baton::host::test {
namespace {

struct Two {
  explicit Two(std::vector<UnitConfig> own, std::vector<ReservedRegionConfig> regions = {})
      : machine(simulation, config(std::move(own), std::move(regions))) {
    for (const std::uint8_t number : std::array<std::uint8_t, 2>{0x6A, 0xE7}) {
      pci::Bus& bus = machine.fabric().add_root_bus(0, number, number);
      probes.push_back(static_cast<Probe*>(
          &machine.fabric().add(bus, 1, 0, std::make_unique<Probe>(simulation, "probe"))));
    }
    finished = machine.finish_firmware();
  }
  static MachineConfig config(std::vector<UnitConfig> own,
                              std::vector<ReservedRegionConfig> regions) {
    MachineConfig result;
    result.memory = std::uint64_t{256} << 20;
    result.own_units = std::move(own);
    result.reserved_regions = std::move(regions);
    return result;
  }
  // The DMAR table after its header.
  std::vector<std::uint8_t> dmar() {
    const PhysAddr table = machine.memory_map().rsdp + 0x1000;
    std::vector<std::uint8_t> bytes(machine.memory().load<std::uint32_t>(table + 4));
    machine.memory().read(table, std::as_writable_bytes(std::span(bytes)));
    REQUIRE(std::memcmp(bytes.data(), "DMAR", 4) == 0);
    bytes.erase(bytes.begin(), bytes.begin() + 48);
    return bytes;
  }

  sim::Simulation simulation{1};
  Machine machine;
  std::vector<Probe*> probes;
  std::expected<void, std::string> finished;
};

}  // namespace

TEST_CASE("One unit takes a whole segment unless others are configured") {
  Two host({});
  REQUIRE(host.finished.has_value());
  CHECK(host.machine.iommus().size() == 1);
  CHECK(host.machine.iommu_of(*host.probes[0]) == host.machine.iommu_of(*host.probes[1]));
  CHECK(host.dmar() ==
        std::vector<std::uint8_t>{0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0xD9, 0xFE, 0, 0, 0, 0});
}

TEST_CASE("A unit of a root bus is in DMAR with its functions, before the one for the rest") {
  Two host({{.segment = 0, .root_bus = 0x6A}});
  REQUIRE(host.finished.has_value());
  CHECK(host.machine.iommus().size() == 2);
  const std::vector<std::uint8_t> expected{
      0, 0, 24, 0, 0, 0,    0, 0, 0, 0x20, 0xD9, 0xFE, 0, 0, 0, 0,  // FED9'2000
      1, 8, 0,  0, 0, 0x6A, 1, 0,                                   // endpoint 6a:01.0
      0, 0, 16, 0, 1, 0,    0, 0, 0, 0,    0xD9, 0xFE, 0, 0, 0, 0,  // the rest
  };
  CHECK(host.dmar() == expected);
}

TEST_CASE("Requests go to the unit of their root bus: one translates, the other does not") {
  Two host({{.segment = 0, .root_bus = 0x6A}});
  REQUIRE(host.finished.has_value());
  CHECK(host.machine.iommu_of(*host.probes[0]) == host.machine.iommus()[1].get());
  CHECK(host.machine.iommu_of(*host.probes[1]) == host.machine.iommus()[0].get());
  for (Probe* probe : host.probes) {
    host.machine.fabric().config_write(probe->location(), 0x04, 2, 0x0006);
  }
  const PhysAddr base = host.machine.iommus()[1]->base();
  host.machine.cpu_write(base + 0x20, 8, 0x30'0000);  // an empty root table
  host.machine.cpu_write(base + 0x18, 4, 1U << 30);
  host.machine.cpu_write(base + 0x18, 4, 1U << 31);
  std::array<std::byte, 4> data{};
  CHECK(host.probes[0]->dma_read(0x20'0000, data).stopped_at == "iommu-fault");
  CHECK(host.probes[1]->dma_read(0x20'0000, data).arrived());
}

TEST_CASE("Reserved memory is RAM that E820 does not offer, and DMAR names who uses it") {
  Two host({}, {{.bytes = 0x2000, .segment = 0, .functions = {Bdf(0x6A, 1, 0)}},
                {.bytes = 0x1000, .segment = 0, .functions = {Bdf(0xE7, 1, 0)}}});
  REQUIRE(host.finished.has_value());
  const std::vector<ReservedRegionInfo> regions = host.machine.reserved_regions();
  REQUIRE(regions.size() == 2);
  const sim::PhysRange first = regions[0].range;
  CHECK(first.length == 0x2000);
  CHECK(regions[1].range.start == first.end());
  CHECK_FALSE(host.machine.memory_map().is_ram(first.start));
  CHECK(host.machine.memory_map().ram_bytes() < (256U << 20));
  host.machine.fabric().config_write(host.probes[0]->location(), 0x04, 2, 0x0006);
  const std::array<std::byte, 4> data{std::byte{7}};
  CHECK(host.probes[0]->dma_write(first.start.value(), data).arrived());
  const std::vector<std::uint8_t> dmar = host.dmar();
  REQUIRE(dmar.size() == 16 + 2 * 32);
  CHECK(dmar[16] == 1);  // RMRR
  CHECK(dmar[18] == 32);
  std::uint64_t start = 0;
  std::uint64_t last = 0;
  std::memcpy(&start, &dmar[24], 8);
  std::memcpy(&last, &dmar[32], 8);
  CHECK(start == first.start.value());
  CHECK(last == first.end().value() - 1);
  CHECK(std::vector(dmar.begin() + 40, dmar.begin() + 48) ==
        std::vector<std::uint8_t>{1, 8, 0, 0, 0, 0x6A, 1, 0});
}

TEST_CASE("A unit for a root bus, or memory for a function, that is not there is an error") {
  CHECK(Two({{.segment = 0, .root_bus = 0x6B}}).finished.error() ==
        "a remapping unit for root bus 0000:6b, which the machine does not have");
  CHECK(
      Two({}, {{.bytes = 0x1000, .segment = 0, .functions = {Bdf(0x6A, 9, 0)}}}).finished.error() ==
      "memory reserved for 0000:6a:09.0, where there is no function");
}

}  // namespace baton::host::test
