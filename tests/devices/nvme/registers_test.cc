// Configuration space, registers, enabling, resets [NVMe 1.4, 3.1, 7.3, 7.6].
#include "tests/devices/nvme/bench.h"

using namespace baton;
using namespace baton::test;
namespace at = baton::devices::nvme::offset;

TEST_CASE("the controller's configuration space is that of an NVMe endpoint") {
  NvmeBench bench;
  CHECK(bench.config_read(0x00, 4) == 0x00101B36);
  CHECK(bench.config_read(0x08, 4) == 0x01080202);  // class 01.08.02
  CHECK(bench.config_read(0x0E, 1) == 0);
  CHECK(bench.config_read(0x3D, 1) == 1);
  CHECK(bench.config_read(0x40, 4) == 0x00035001);  // PM, then MSI-X, then PCI Express
  CHECK(bench.config_read(0x50, 4) == 0x00046011);
  CHECK(bench.config_read(0x54, 4) == 0x2000);
  CHECK(bench.config_read(0x58, 4) == 0x3000);
  CHECK(bench.config_read(0x60, 4) == 0x00020010);        // version 2 endpoint
  CHECK((bench.config_read(0x64, 4) & 0x10000000) != 0);  // FLR
  CHECK(bench.config_read(0x100, 4) == 0x14820001);       // AER
  CHECK(bench.config_read(0x148, 4) == 0x00010003);       // serial number
  bench.config_write(0x10, 4, 0xFFFFFFFF);
  CHECK(bench.config_read(0x10, 4) == 0xFFFFC004);  // 16 KiB, 64 bit, not prefetchable
}

TEST_CASE("only the command bits that the controller implements stick") {
  NvmeBench bench;
  bench.config_write(0x04, 2, 0xFFFF);
  CHECK(bench.config_read(0x04, 2) == 0x0546);
}

TEST_CASE("CAP and VS tell the limits") {
  NvmeBench bench;
  const std::uint64_t cap = bench.reg(at::kCap, 8);
  CHECK((cap & 0xFFFF) == 4095);    // MQES
  CHECK((cap >> 16 & 1) == 1);      // CQR
  CHECK((cap >> 24 & 0xFF) == 20);  // TO
  CHECK((cap >> 32 & 0xF) == 0);    // DSTRD
  CHECK((cap >> 37 & 0xFF) == 1);   // CSS: NVM
  CHECK((cap >> 48 & 0xFF) == 0);   // MPSMIN, MPSMAX: 4 KiB
  CHECK(bench.reg(at::kVs) == 0x00010400);
  CHECK(bench.reg(at::kIntms) == 0);
}

TEST_CASE("read only and reserved bits of registers ignore writes") {
  struct Row {
    std::uint32_t offset;
    std::uint32_t kept;
  };
  NvmeBench bench;
  constexpr std::array kRows{Row{at::kCap, 0},
                             Row{at::kVs, 0},
                             Row{at::kIntms, 0},
                             Row{at::kCsts, 0},
                             Row{at::kAqa, 0x0FFF0FFF},
                             Row{at::kAsq, 0xFFFFF000},
                             Row{at::kAcq, 0xFFFFF000},
                             Row{0x20, 0},
                             Row{0x38, 0}};
  for (const Row& row : kRows) {
    INFO(row.offset);
    const std::uint64_t before = bench.reg(row.offset);
    bench.set_reg(row.offset, 0xFFFFFFFF);
    CHECK(bench.reg(row.offset) == (before | row.kept));
  }
}

TEST_CASE("an access that is no dword changes nothing") {
  NvmeBench bench;
  bench.set_reg(at::kAqa, 0x0001, 2);
  CHECK(bench.reg(at::kAqa) == 0);
}

TEST_CASE("CC.EN brings CSTS.RDY after a while, and takes it back") {
  NvmeBench bench;
  bench.set_reg(at::kAqa, 0x000F000F);
  bench.set_reg(at::kCc, 1);
  CHECK_FALSE(bench.ready());
  bench.run(sim::Duration::milliseconds(3));
  CHECK(bench.ready());
  bench.set_reg(at::kCc, 0);
  CHECK(bench.ready());  // until the reset is done
  bench.run(sim::Duration::milliseconds(1));
  CHECK_FALSE(bench.ready());
  CHECK(bench.reg(at::kAqa) == 0x000F000F);  // a controller reset keeps the admin queue registers
}

TEST_CASE("a configuration that the controller does not support is fatal") {
  struct Row {
    std::uint32_t configuration;
    std::uint32_t queues;
  };
  constexpr std::array kRows{
      Row{0x00460011, 0x000F000F},   // a command set that CAP does not offer
      Row{0x00460081, 0x000F000F},   // pages of 8 KiB
      Row{0x00460801, 0x000F000F},   // weighted arbitration
      Row{0x00460001, 0x000F0000},   // an admin submission queue of one entry
      Row{0x00460001, 0x0000000F}};  // an admin completion queue of one entry
  for (const Row& row : kRows) {
    INFO(row.configuration << " " << row.queues);
    NvmeBench bench;
    bench.set_reg(at::kAqa, row.queues);
    bench.set_reg(at::kCc, row.configuration);
    bench.run(sim::Duration::milliseconds(3));
    CHECK_FALSE(bench.ready());
    CHECK(bench.fatal());
    CHECK(bench.failures == 1);
    bench.set_reg(at::kCc, 0);
    bench.run(sim::Duration::milliseconds(1));
    CHECK_FALSE(bench.fatal());  // a controller reset heals it
  }
}

TEST_CASE("a shutdown is reported as occurring, then complete, and doorbells are dead after it") {
  NvmeBench bench;
  bench.bring_up();
  bench.set_reg(at::kCc, 0x00464001);  // SHN: normal
  CHECK((bench.reg(at::kCsts) >> 2 & 3) == 1);
  bench.run(sim::Duration::milliseconds(2));
  CHECK((bench.reg(at::kCsts) >> 2 & 3) == 2);
  const std::size_t before = bench.done.size();
  bench.send(1, NvmeBench::transfer(Opcode::kFlush, 0, 1, 0));
  bench.run(sim::Duration::milliseconds(1));
  CHECK(bench.done.size() == before);
}

TEST_CASE("a function level reset leaves nothing but the disk") {
  NvmeBench bench;
  bench.bring_up();
  bench.fill(NvmeBench::kBuffer, 4096, 7);
  REQUIRE(bench.io(NvmeBench::transfer(Opcode::kWrite, 8, 8, NvmeBench::kBuffer)) ==
          Status::kSuccess);
  bench.config_write(0x68, 2, 0x8000);
  bench.config_write(0x10, 4, NvmeBench::kBar);
  bench.config_write(0x04, 2, 0x0006);
  CHECK(bench.reg(at::kCc) == 0);
  CHECK(bench.reg(at::kAqa) == 0);
  CHECK_FALSE(bench.ready());
  bench.root.ram.write(PhysAddr(NvmeBench::kAdminCq), std::array<std::byte, 4096>{});
  bench.root.ram.write(PhysAddr(NvmeBench::kIoCq), std::array<std::byte, 4096>{});
  bench.bring_up();
  CHECK(bench.io(NvmeBench::transfer(Opcode::kRead, 8, 8, NvmeBench::kBuffer + 4096)) ==
        Status::kSuccess);
  CHECK(bench.equal(NvmeBench::kBuffer, NvmeBench::kBuffer + 4096, 4096));
}

TEST_CASE("a controller reset drops what is queued and says how much") {
  NvmeBench bench;
  bench.bring_up();
  for (unsigned i = 0; i < 3; ++i) {
    SubmissionEntry entry = NvmeBench::transfer(Opcode::kRead, 0, 8, NvmeBench::kBuffer);
    entry.command_id = static_cast<std::uint16_t>(i);
    bench.send(1, entry);
  }
  bench.set_reg(at::kCc, 0);
  bench.run(sim::Duration::milliseconds(5));
  CHECK(bench.dropped == 3);
}
