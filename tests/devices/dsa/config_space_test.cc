// Configuration space of the DSA [DSA 341204, PCI configuration tables].
#include "tests/devices/dsa/flat_machine.h"

using baton::test::FlatMachine;

TEST_CASE("a DSA shows the identity and the header that its specification lists") {
  FlatMachine machine;
  CHECK(machine.config_read(0x00, 4) == 0x0B258086);
  CHECK(machine.config_read(0x08, 4) >> 8 == 0x088000);
  CHECK(machine.config_read(0x06, 2) == 0x0010);
  CHECK(machine.config_read(0x34, 1) == 0x40);
  CHECK(machine.config_read(0x40, 4) == 0x00928010);
  CHECK(machine.config_read(0x44, 4) == 0x10008022);
  CHECK(machine.config_read(0x48, 2) == 0x2910);
  CHECK(machine.config_read(0x64, 4) == 0x10730810);
  CHECK(machine.config_read(0x80, 4) == 0x00089011);
  CHECK(machine.config_read(0x84, 4) == 0x2000);
  CHECK(machine.config_read(0x88, 4) == 0x3000);
  CHECK(machine.config_read(0x90, 4) == 0x00030001);
  CHECK(machine.config_read(0x94, 4) == 0x00000008);
}

TEST_CASE("a DSA links its extended capabilities as the specification does") {
  struct Row {
    std::uint16_t offset;
    std::uint32_t header;
  };
  constexpr std::array kRows{Row{0x100, 0x15020001}, Row{0x150, 0x16010018}, Row{0x160, 0x17010017},
                             Row{0x170, 0x20010002}, Row{0x200, 0x22010023}, Row{0x220, 0x2301000F},
                             Row{0x230, 0x2401001B}, Row{0x240, 0x00010013}};
  FlatMachine machine;
  for (const Row& row : kRows) CHECK(machine.config_read(row.offset, 4) == row.header);
  CHECK(machine.config_read(0x224, 4) == 0x00000060);
  CHECK(machine.config_read(0x234, 4) == 0x00001404);
  CHECK(machine.config_read(0x244, 4) == 0x81000000);
  CHECK(machine.config_read(0x248, 4) == 0x200);
}

TEST_CASE("only the command bits that a DSA implements stick") {
  FlatMachine machine;
  machine.config_write(0x04, 2, 0xFFFF);
  CHECK(machine.config_read(0x04, 2) == 0x0146);
}

TEST_CASE("both BARs are 64-bit, prefetchable and size as 64 KiB and 128 KiB") {
  FlatMachine machine;
  machine.config_write(0x04, 2, 0);
  for (const std::uint16_t bar : {std::uint16_t{0x10}, std::uint16_t{0x18}}) {
    machine.config_write(bar, 4, 0xFFFFFFFF);
    machine.config_write(static_cast<std::uint16_t>(bar + 4), 4, 0xFFFFFFFF);
    CHECK(machine.config_read(static_cast<std::uint16_t>(bar + 4), 4) == 0xFFFFFFFF);
  }
  CHECK(machine.config_read(0x10, 4) == 0xFFFF000C);
  CHECK(machine.config_read(0x18, 4) == 0xFFFE000C);
}
