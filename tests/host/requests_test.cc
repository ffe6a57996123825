// Where requests of devices and of the CPU end.
#include "tests/host/probe.h"

namespace baton::host::test {

TEST_CASE("Firmware assigns the 64-bit BARs of a function without addresses, and enables nothing") {
  Bench bench;
  const pci::ConfigSpace& first = bench.probe->config();
  const pci::ConfigSpace& second = bench.other->config();
  CHECK(first.bar_address(0) == kHighMmioBase.value());
  CHECK(second.bar_address(0) == kHighMmioBase.value() + 0x1'0000);
  CHECK(first.get(0x04, 2) == 0);
  CHECK(bench.probe->requester_id() == Bdf(0x6A, 1, 0));
}

TEST_CASE("Without an IOMMU a DMA address is a host physical address") {
  Bench bench;
  bench.enable(*bench.probe);
  const std::array<std::byte, 4> data{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  const pci::Completion done = bench.probe->dma_write(0x20'0000, data);
  CHECK(done.arrived());
  CHECK(done.destination == pci::Destination::kRam);
  CHECK(done.address == PhysAddr(0x20'0000));
  CHECK(bench.machine.memory().load<std::uint32_t>(PhysAddr(0x20'0000)) == 0x04030201);
  CHECK(done.latency >= bench.machine.timing().ram_access);
}

TEST_CASE("A DMA to an address that nobody claims is Unsupported Request for a read") {
  Bench bench;
  bench.enable(*bench.probe);
  std::array<std::byte, 4> data{};
  const pci::Completion read = bench.probe->dma_read(0xA'0000, data);
  CHECK(read.status == pci::CompletionStatus::kUnsupportedRequest);
  CHECK_FALSE(read.arrived());
  const pci::Completion write = bench.probe->dma_write(0xA'0000, data);
  CHECK(write.status == pci::CompletionStatus::kSuccess);  // posted
  CHECK_FALSE(write.arrived());
}

TEST_CASE("A DMA to another function's BAR arrives there") {
  Bench bench;
  bench.enable(*bench.probe);
  bench.enable(*bench.other);
  const std::array<std::byte, 4> data{};
  const pci::Completion done =
      bench.probe->dma_write(bench.other->config().bar_address(0) + 0x40, data);
  CHECK(done.destination == pci::Destination::kFunction);
  CHECK(bench.other->last_hit.offset == 0x40);
  CHECK(bench.other->written == 4);
}

TEST_CASE("The CPU reaches BARs, configuration space and RAM; reads of nobody are all ones") {
  Bench bench;
  bench.enable(*bench.probe);
  const PhysAddr bar(bench.probe->config().bar_address(0));
  CHECK(bench.machine.cpu_read(bar + 8, 8) == 0x5A5A'5A5A'5A5A'5A5A);
  bench.machine.cpu_write(bar + 16, 4, 7);
  CHECK(bench.probe->last_hit.offset == 16);
  const PhysAddr ecam = bench.machine.memory_map().ecam_base;
  CHECK(bench.machine.cpu_read(ecam + (0x6A08U << 12), 4) == 0x0B25'8086);
  CHECK(bench.machine.cpu_read(ecam + (0x6A18U << 12), 2) == 0xFFFF);
  CHECK(bench.machine.cpu_read(PhysAddr(0xF000'0000), 4) == 0xFFFF'FFFF);
  bench.machine.cpu_write(PhysAddr(0x30'0000), 8, 0x1122'3344'5566'7788);
  CHECK(bench.machine.memory().load<std::uint64_t>(PhysAddr(0x30'0000)) == 0x1122'3344'5566'7788);
}

TEST_CASE("Configuration accesses of any width and alignment are split as the hardware does it") {
  Bench bench;
  const PhysAddr ecam = bench.machine.memory_map().ecam_base + (0x6A08U << 12);
  CHECK(bench.machine.cpu_read(ecam + 1, 4) == bench.machine.cpu_read(ecam + 1, 1) +
                                                   (bench.machine.cpu_read(ecam + 2, 2) << 8) +
                                                   (bench.machine.cpu_read(ecam + 4, 1) << 24));
  const std::uint64_t ids = bench.machine.cpu_read(ecam, 8);
  CHECK((ids & 0xFFFF'FFFF) == 0x0B25'8086);
  CHECK(ids >> 32 == bench.machine.cpu_read(ecam + 4, 4));
  // Across the end of the function.
  CHECK(bench.machine.cpu_read(ecam + 0xFFE, 4) >> 16 == 0xFFFF);
  // The line register and what is read only around it.
  bench.machine.cpu_write(ecam + 0x3B, 4, 0xAABB'CCDD);
  CHECK(bench.machine.cpu_read(ecam + 0x3C, 1) == 0xCC);
}

TEST_CASE("The ports CF8 and CFC reach the first 256 bytes of a function") {
  Bench bench;
  CHECK(bench.machine.port_read(0xCFC, 4) == 0xFFFF'FFFF);  // not enabled
  bench.machine.port_write(0xCF8, 4, 0x8000'0000 | 0x6A08U << 8);
  CHECK(bench.machine.port_read(0xCF8, 4) == (0x8000'0000 | 0x6A08U << 8));
  CHECK(bench.machine.port_read(0xCFC, 4) == 0x0B25'8086);
  CHECK(bench.machine.port_read(0xCFE, 2) == 0x0B25);
  CHECK(bench.machine.port_read(0xCFD, 1) == 0x80);
  CHECK(bench.machine.port_read(0xCFE, 4) == 0xFFFF'0B25);  // beyond the data port: nobody
  bench.machine.port_write(0xCF8, 4, 0x8000'003C | 0x6A08U << 8);
  bench.machine.port_write(0xCFC, 1, 0x5A);
  CHECK(bench.machine.port_read(0xCFC, 1) == 0x5A);
  bench.machine.port_write(0xCF8, 2, 0);  // a narrow access is no selection
  CHECK(bench.machine.port_read(0xCFC, 1) == 0x5A);
  bench.machine.port_write(0xCF8, 4, 0x3C | 0x6A08U << 8);
  bench.machine.port_write(0xCFC, 1, 0x11);
  CHECK(bench.machine.port_read(0xCFC, 1) == 0xFF);
}

TEST_CASE("With a remapping unit whose translation is off a DMA passes unmodified") {
  Bench bench(true);
  REQUIRE(bench.machine.iommu_of(*bench.probe) != nullptr);
  bench.enable(*bench.probe);
  const std::array<std::byte, 4> data{std::byte{9}};
  const pci::Completion done = bench.probe->dma_write(0x20'0000, data);
  CHECK(done.destination == pci::Destination::kRam);
  CHECK(bench.machine.memory().load<std::uint8_t>(PhysAddr(0x20'0000)) == 9);
  // Its version register is where DMAR says.
  CHECK(bench.machine.cpu_read(kRemappingUnitBase, 4) == 0x60);
}

TEST_CASE("A read of the interrupt range and a write of another size are refused") {
  Bench bench;
  bench.enable(*bench.probe);
  std::array<std::byte, 8> data{};
  CHECK_FALSE(bench.probe->dma_read(0xFEE0'0000, std::span(data).first(4)).arrived());
  CHECK_FALSE(bench.probe->dma_write(0xFEE0'0000, data).arrived());
}

TEST_CASE("With interrupt remapping off the unit passes compatibility messages") {
  Bench bench(true);
  bench.enable(*bench.probe);
  std::vector<InterruptDelivered> seen;
  bench.simulation.topic<InterruptDelivered>().subscribe(
      [&seen](const InterruptDelivered& delivered) { seen.push_back(delivered); });
  CHECK(bench.probe->message(0xFEE0'0000, 0x41).arrived());
  bench.simulation.run();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].vector == Vector(0x41));
}

TEST_CASE("An interrupt message that no kernel handles is an orphan") {
  Bench bench;
  bench.enable(*bench.probe);
  std::vector<InterruptSent> sent;
  bench.simulation.topic<InterruptSent>().subscribe(
      [&sent](const InterruptSent& message) { sent.push_back(message); });
  std::vector<InterruptDelivered> seen;
  bench.simulation.topic<InterruptDelivered>().subscribe(
      [&seen](const InterruptDelivered& delivered) { seen.push_back(delivered); });
  CHECK(bench.probe->message(0xFEE0'0000, 0x55).destination == pci::Destination::kInterrupt);
  bench.simulation.run();
  CHECK(bench.machine.orphan_interrupts() == 1);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].source == Bdf(0x6A, 1, 0));
  CHECK(seen[0].vector == Vector(0x55));
  CHECK_FALSE(seen[0].taken);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].id == seen[0].id);
  CHECK(sent[0].vector == Vector(0x55));
}

}  // namespace baton::host::test
