// What firmware leaves: the memory map, the ACPI tables.
#include "model/host/firmware.h"

namespace baton::host {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

std::uint64_t number(sim::PhysicalMemory& memory, PhysAddr address, unsigned width) {
  std::uint64_t value = 0;
  memory.read(address, std::as_writable_bytes(std::span(&value, 1)).first(width));
  return value;
}

std::string text(sim::PhysicalMemory& memory, PhysAddr address, std::size_t length) {
  std::string result(length, '\0');
  memory.read(address, std::as_writable_bytes(std::span(result)));
  return result;
}

unsigned sum(sim::PhysicalMemory& memory, PhysAddr address, std::uint64_t length) {
  std::uint64_t total = 0;
  for (std::uint64_t i = 0; i < length; ++i) {
    total += number(memory, address + i, 1);
  }
  return total & 0xFF;
}

// The XSDT's table of this signature, as an operating system looks for it.
std::optional<PhysAddr> find_table(sim::PhysicalMemory& memory, PhysAddr rsdp,
                                   const std::string& signature) {
  const PhysAddr xsdt(number(memory, rsdp + 24, 8));
  const std::uint64_t length = number(memory, xsdt + 4, 4);
  for (std::uint64_t offset = 36; offset < length; offset += 8) {
    const PhysAddr table(number(memory, xsdt + offset, 8));
    if (text(memory, table, 4) == signature) {
      return table;
    }
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("RAM is laid around the legacy hole and the hole below 4 GiB") {
  const auto map = lay_out_memory(8 * kGiB, 16 * kGiB, {});
  REQUIRE(map.has_value());
  CHECK(map->ram_end() == 10 * kGiB);
  CHECK(map->is_ram(PhysAddr(0x9'F000)));
  CHECK_FALSE(map->is_ram(PhysAddr(0xA'0000)));
  CHECK(map->is_ram(PhysAddr(0x10'0000)));
  CHECK_FALSE(map->is_ram(map->rsdp));
  CHECK_FALSE(map->is_ram(PhysAddr(0x9000'0000)));
  CHECK(map->is_ram(PhysAddr(4 * kGiB)));
  CHECK_FALSE(map->is_ram(PhysAddr(10 * kGiB)));
  for (std::size_t i = 1; i < map->entries.size(); ++i) {
    CHECK(map->entries[i - 1].range.end() <= map->entries[i].range.start);
  }
  // 384 KiB of legacy hole and 1 MiB of ACPI tables are no RAM.
  CHECK(map->ram_bytes() == 8 * kGiB - 0x6'0000 - 0x10'0000);
}

TEST_CASE("A small machine has all its RAM below 2 GiB") {
  const auto map = lay_out_memory(256 << 20, 16 * kGiB, {});
  REQUIRE(map.has_value());
  CHECK(map->ram_end() == (255 << 20));
}

TEST_CASE("RAM makes room for what devices claim, below and above 4 GiB") {
  const std::vector<sim::PhysRange> devices{{PhysAddr(0x7000'0000), 0x1000},
                                            {PhysAddr(8 * kGiB + 0x10'0000), 0x4000}};
  const auto map = lay_out_memory(8 * kGiB, 64 * kGiB, devices);
  REQUIRE(map.has_value());
  CHECK_FALSE(map->is_ram(PhysAddr(0x7000'0000)));
  CHECK(map->is_ram(PhysAddr(0x6F00'0000)));
  CHECK(map->is_ram(PhysAddr(8 * kGiB - 1)));
  CHECK_FALSE(map->is_ram(PhysAddr(8 * kGiB)));
  CHECK(map->is_ram(PhysAddr(9 * kGiB)));
  CHECK(map->ram_bytes() == 8 * kGiB - 0x6'0000 - 0x10'0000);
}

TEST_CASE("Configuration space moves away from addresses that devices claim") {
  const std::vector<sim::PhysRange> devices{{PhysAddr(0x8030'0000), 0x1000}};
  const auto map = lay_out_memory(kGiB, 64 * kGiB, devices);
  REQUIRE(map.has_value());
  CHECK(map->ecam_base == PhysAddr(0x9000'0000));
}

TEST_CASE("RAM that finds no room between devices is refused with a sentence") {
  const std::vector<sim::PhysRange> devices{{PhysAddr(4 * kGiB), 60 * kGiB}};
  const auto map = lay_out_memory(8 * kGiB, 64 * kGiB, devices);
  REQUIRE_FALSE(map.has_value());
  CHECK(map.error().find("no room for RAM") != std::string::npos);
}

TEST_CASE("The DMAR table names each remapping unit as the unit of its whole segment [VT-d 8.3]") {
  sim::PhysicalMemory memory(kGiB);
  const auto map = lay_out_memory(256 << 20, kGiB, {});
  REQUIRE(map.has_value());
  const FirmwareInfo info{.host_address_width = 52,
                          .interrupt_remapping = true,
                          .units = {{0, PhysAddr(0xFED9'0000)}, {1, PhysAddr(0xFED9'2000)}},
                          .host_bridges = {{0, PhysAddr(0x8000'0000), 0, 0x69}}};
  write_acpi_tables(memory, *map, info);

  CHECK(text(memory, map->rsdp, 8) == "RSD PTR ");
  CHECK(sum(memory, map->rsdp, 20) == 0);
  CHECK(sum(memory, map->rsdp, 36) == 0);
  const auto dmar = find_table(memory, map->rsdp, "DMAR");
  REQUIRE(dmar.has_value());
  const std::uint64_t length = number(memory, *dmar + 4, 4);
  CHECK(length == 48 + 2 * 16);
  CHECK(sum(memory, *dmar, length) == 0);
  CHECK(number(memory, *dmar + 36, 1) == 51);
  CHECK(number(memory, *dmar + 37, 1) == 1);
  CHECK(number(memory, *dmar + 48, 2) == 0);   // DRHD
  CHECK(number(memory, *dmar + 50, 2) == 16);  // its length
  CHECK(number(memory, *dmar + 52, 1) == 1);   // INCLUDE_PCI_ALL
  CHECK(number(memory, *dmar + 54, 2) == 0);   // segment
  CHECK(number(memory, *dmar + 56, 8) == 0xFED9'0000);
  CHECK(number(memory, *dmar + 64 + 6, 2) == 1);
  CHECK(number(memory, *dmar + 64 + 8, 8) == 0xFED9'2000);
}

TEST_CASE("The MCFG table has one allocation per host bridge [PCI Firmware 3.3, 4.1.2]") {
  sim::PhysicalMemory memory(kGiB);
  const auto map = lay_out_memory(256 << 20, kGiB, {});
  REQUIRE(map.has_value());
  const FirmwareInfo info{.host_address_width = 46,
                          .interrupt_remapping = false,
                          .units = {},
                          .host_bridges = {{0, PhysAddr(0x8000'0000), 0, 0x69},
                                           {0, PhysAddr(0x8000'0000), 0x6A, 0x6A}}};
  write_acpi_tables(memory, *map, info);
  CHECK_FALSE(find_table(memory, map->rsdp, "DMAR").has_value());
  const auto mcfg = find_table(memory, map->rsdp, "MCFG");
  REQUIRE(mcfg.has_value());
  CHECK(number(memory, *mcfg + 4, 4) == 44 + 2 * 16);
  CHECK(sum(memory, *mcfg, 76) == 0);
  CHECK(number(memory, *mcfg + 60, 8) == 0x8000'0000);
  CHECK(number(memory, *mcfg + 70, 1) == 0x6A);
  CHECK(number(memory, *mcfg + 71, 1) == 0x6A);
}

}  // namespace baton::host
