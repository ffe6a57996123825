// The remapping unit as Linux's debugfs shows it [linux drivers/iommu/intel/debugfs.c].
#include "harness/show/dmar.h"
#include "model/iommu_vtd/profiles.h"

namespace {

using namespace baton;

constexpr std::uint64_t kMemory = 1 << 20;

struct Bench {
  explicit Bench(const iommu_vtd::Profile& profile)
      : unit(simulation, memory, "dmar0", PhysAddr(0xFED9'0000), profile,
             [](std::uint64_t, std::uint32_t) {}) {}

  void word(std::uint64_t at, std::uint64_t value) { memory.store(PhysAddr(at), value); }
  void turn_on(std::uint64_t rtaddr) {
    unit.mmio_write(0x20, 8, rtaddr);
    unit.mmio_write(0x18, 4, 0x4000'0000);
    unit.mmio_write(0x18, 4, 0x8000'0000);
  }

  sim::Simulation simulation{1};
  sim::PhysicalMemory memory{kMemory};
  iommu_vtd::RemappingUnit unit;
};

}  // namespace

TEST_CASE("a unit that is off says so") {
  Bench bench{{}};
  CHECK(harness::dmar_translation_struct(bench.unit, bench.memory) ==
        "DMA Remapping is not enabled on dmar0\n");
  CHECK(harness::ir_translation_struct(bench.unit, bench.memory) ==
        "Remapped Interrupt supported on IOMMU: dmar0\nInterrupt Remapping is not enabled\n\n");
}

TEST_CASE("legacy tables are shown with PASID -1") {
  Bench bench{{}};
  bench.word(0x10000 + 0x6A * 16, 0x11001);
  bench.word(0x11000 + 0x08 * 16, 0x12001);
  bench.word(0x11000 + 0x08 * 16 + 8, 0x203);
  bench.turn_on(0x10000);
  CHECK(harness::dmar_translation_struct(bench.unit, bench.memory) ==
        "IOMMU dmar0: Root Table Address: 0x10000\n"
        "B.D.F\tRoot_entry\t\t\t\tContext_entry\t\t\t\tPASID\tPASID_table_entry\n"
        "6a:01.0\t0x0000000000000000:0x0000000000011001\t0x0000000000000203:0x0000000000012001\t"
        "-1    \t0x0000000000000000:0x0000000000000000:0x0000000000000000\n\n");
}

TEST_CASE("scalable tables are shown with a line for each PASID") {
  Bench bench{iommu_vtd::sapphire_rapids()};
  bench.word(0x10000 + 8, 0x11001);  // bus 0, devices 16 and up
  bench.word(0x11000, 0x12001);      // 00:10.0
  bench.word(0x12000 + 8, 0x13001);  // PASIDs 64 to 127
  bench.word(0x13000 + 2 * 64, 0x145);
  bench.word(0x13000 + 2 * 64 + 8, 0x7);
  bench.word(0x13000 + 2 * 64 + 16, 0x15000);
  bench.turn_on(0x10400);
  const std::string text = harness::dmar_translation_struct(bench.unit, bench.memory);
  CHECK(text.find("00:10.0\t0x0000000000011001:0x0000000000000000\t"
                  "0x0000000000000000:0x0000000000012001\t66    \t"
                  "0x0000000000015000:0x0000000000000007:0x0000000000000145\n") !=
        std::string::npos);
  // Tables outside of memory lead nowhere.
  bench.word(0x12000 + 8, 0xFFFF'FFFF'F001);
  CHECK(harness::dmar_translation_struct(bench.unit, bench.memory).find("66") == std::string::npos);
}

TEST_CASE("interrupt entries are shown with source, destination and vector") {
  Bench bench{{}};
  bench.word(0x20000 + 3 * 16, 0x0000'0100'0021'0009);
  bench.word(0x20000 + 3 * 16 + 8, 0x4'6A08);
  bench.unit.mmio_write(0xB8, 8, 0x20007);
  bench.unit.mmio_write(0x18, 4, 0x0100'0000);
  bench.unit.mmio_write(0x18, 4, 0x0200'0000);
  CHECK(harness::ir_translation_struct(bench.unit, bench.memory) ==
        "Remapped Interrupt supported on IOMMU: dmar0\n IR table address:20000\n"
        " Entry SrcID   DstID    Vct IRTE_high\t\tIRTE_low\n"
        " 3     6a:01.0 00000100 21  0000000000046a08\t0000010000210009\n\n");
}

TEST_CASE("registers are shown by name, offset and content") {
  Bench bench{{}};
  const std::string text = harness::iommu_regset(bench.unit);
  CHECK(
      text.starts_with("IOMMU: dmar0 Register Base Address: fed90000\n"
                       "Name\t\t\tOffset\t\tContents\n"
                       "VER             \t0x00\t\t0x0000000000000060\n"));
  CHECK(text.find("FECTL           \t0x38\t\t0x0000000080000000\n") != std::string::npos);
}
