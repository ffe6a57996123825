// Virtual functions of a controller: each works alone, with a disk of its own, and stops when it
// vanishes [PCIe 9].
#include "tests/devices/nvme/bench.h"

using namespace baton;
using namespace baton::test;

namespace {

constexpr std::uint64_t kVfBars = 0xFE81'0000;
constexpr std::uint64_t kVfBarBytes = 0x4000;
constexpr std::uint16_t kSriov = 0x180;

struct Bench : NvmeBench {
  Bench() : NvmeBench(nvme::NvmeConfig{.vfs = 2}) {
    config_write(kSriov + 0x24, 4, kVfBars);
    config_write(kSriov + 0x10, 2, 2);
    config_write(kSriov + 0x08, 2, 9);
  }
  void drive(unsigned number) {
    target = {0, Bdf(1, 0, number)};
    bar = kVfBars + (number - 1) * kVfBarBytes;
    config_write(0x04, 2, 4);
    const std::vector<std::byte> empty(0x4000);  // all queues
    root.ram.write(PhysAddr(kAdminSq), empty);
  }
};

}  // namespace

TEST_CASE("a controller without virtual functions has no SR-IOV capability") {
  NvmeBench bench;
  CHECK(bench.device->config().find(pci::ExtendedCapabilityId::kSriov) == 0);
}

TEST_CASE("a virtual function is a controller with a disk of its own") {
  Bench bench;
  CHECK(bench.config_read(kSriov + 0x0E, 2) == 2);
  bench.fill(NvmeBench::kBuffer, 4096, 7);
  for (const unsigned number : {1U, 2U}) {
    bench.drive(number);
    CHECK(bench.config_read(0x00, 4) == 0xFFFFFFFF);
    bench.bring_up();
    REQUIRE(bench.ready());
    const std::uint64_t read_to = NvmeBench::kBuffer + 0x10000 * number;
    bench.root.ram.store(PhysAddr(read_to), std::uint64_t{1});
    CHECK(bench.io(NvmeBench::transfer(Opcode::kRead, 0, 8, read_to)) == Status::kSuccess);
    CHECK(bench.root.ram.load<std::uint64_t>(PhysAddr(read_to)) == 0);  // not the other's data
    CHECK(bench.io(NvmeBench::transfer(Opcode::kWrite, 0, 8, NvmeBench::kBuffer)) ==
          Status::kSuccess);
    CHECK(bench.io(NvmeBench::transfer(Opcode::kRead, 0, 8, read_to)) == Status::kSuccess);
    CHECK(bench.equal(read_to, NvmeBench::kBuffer, 4096));
  }
  CHECK_FALSE(bench.failures);
}

TEST_CASE("a virtual function that vanishes drops what it was doing") {
  Bench bench;
  bench.drive(1);
  bench.bring_up();
  for (unsigned i = 0; i < 4; ++i) {
    SubmissionEntry entry = NvmeBench::transfer(Opcode::kRead, 0, 8, NvmeBench::kBuffer);
    entry.command_id = static_cast<std::uint16_t>(i);
    bench.send(1, entry);
  }
  bench.run(sim::Duration::microseconds(5));
  const std::size_t done = bench.done.size();
  bench.target = NvmeBench::kDevice;
  bench.config_write(kSriov + 0x08, 2, 0);
  CHECK(bench.dropped == 4);
  bench.run(sim::Duration::milliseconds(1));
  CHECK(bench.done.size() == done);
  CHECK(bench.reg(nvme::offset::kCsts) == 0xFFFFFFFF);
}

TEST_CASE("a virtual function interrupts by its own MSI-X") {
  Bench bench;
  bench.drive(2);
  for (unsigned i = 0; i < 5; ++i) {
    bench.set_reg(0x2000 + 16 * i, 0xFEE00000);
    bench.set_reg(0x2000 + 16 * i + 8, 0x60 + i);
    bench.set_reg(0x2000 + 16 * i + 12, 0);
  }
  bench.config_write(0x82, 2, 0x8000);
  bench.bring_up();
  CHECK(bench.io(NvmeBench::transfer(Opcode::kRead, 0, 8, NvmeBench::kBuffer)) == Status::kSuccess);
  REQUIRE_FALSE(bench.root.interrupts.empty());
  CHECK(bench.root.interrupts.back() == 0x61);
}
