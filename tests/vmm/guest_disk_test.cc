// The guest program against an NVMe controller, without any kernel: flat RAM is the guest's memory.
#include <cstring>

#include "model/vmm/guest_disk_layout.h"
#include "tests/devices/nvme/bench.h"
#include "tests/vmm/guest_loop.h"

using namespace baton;
using test::check_clean;
using vmm::GuestFailure;
using vmm::GuestState;
using vmm::GuestStatus;
using vmm::VcpuRegisters;
using vmm::WorkloadConfig;
namespace nvme = baton::devices::nvme;

namespace {

constexpr std::uint64_t kGuestMemory = 32 << 20;

// BAR 0 where the layout puts it.
class DiskCpu final : public test::FlatGuestCpu<test::NvmeBench, kGuestMemory> {
 public:
  using FlatGuestCpu::FlatGuestCpu;

  std::uint64_t mmio_read(GuestAddr address, unsigned width) override {
    return bench_.reg(address - vmm::kDeviceBar0, width);
  }
  void mmio_write(GuestAddr address, unsigned width, std::uint64_t value) override {
    bench_.set_reg(address - vmm::kDeviceBar0, value, width);
  }
  void mmio_write_64bytes(GuestAddr, std::span<const std::byte>) override {
    FAIL("no NVMe driver does that");
  }
};

WorkloadConfig small() {
  WorkloadConfig workload;
  workload.size = 16384;
  workload.depth = 4;
  workload.batch_members = 16;
  workload.batches_in_flight = 3;
  workload.poll_interval_ns = 1'000'000;
  return workload;
}

nvme::NvmeConfig drive() {
  nvme::NvmeConfig config;
  config.bytes_per_second = 500'000'000;
  return config;
}

class DiskMachine : public test::GuestLoop<test::NvmeBench> {
 public:
  explicit DiskMachine(const WorkloadConfig& workload = small(),
                       const nvme::NvmeConfig& config = drive())
      : GuestLoop(bench, cpu), bench(config) {
    bench.enable_msix();
    vmm::BootInfo info;
    info.device = vmm::GuestDevice::kNvme;
    info.memory_bytes = kGuestMemory;
    info.workload = workload;
    bench.root.ram.store(PhysAddr(vmm::kBootInfoAddress.value()), info);
  }

  test::NvmeBench bench;
  DiskCpu cpu{bench};
};

}  // namespace

TEST_CASE("a guest sets its drive up, writes, reads back, and verifies every byte that it reads") {
  DiskMachine guest;
  guest.run(sim::Duration::milliseconds(30));
  const GuestStatus status = guest.status();
  check_clean(status);
  // 16 commands of 16 KiB at 500 MB/s: 0.52 ms a batch.
  CHECK(status.batches_done >= 40);
  CHECK(status.batches_submitted - status.batches_done <= 3);
  // All batches but the first of each slot have been read.
  CHECK(status.bytes_verified >= (status.batches_done - 3) * 4 * 16384);
  CHECK(status.found_by_poll == 0);
  CHECK(status.interrupts > 40);
  CHECK(status.interrupts_lost == 0);
}

TEST_CASE("a wrong word in what was read is a mismatch that names its address") {
  DiskMachine guest;
  guest.run(sim::Duration::milliseconds(10));
  REQUIRE(guest.status().batches_done > 6);
  const WorkloadConfig w = small();
  const PhysAddr spoilt(vmm::disk_slots(w) + vmm::disk_slot_destinations(w) + 40);
  for (int i = 0; i < 400 && guest.status().mismatches == 0; ++i) {
    guest.bench.root.ram.store(spoilt, std::uint64_t{0xDEAD});
    guest.run(sim::Duration::microseconds(10));
  }
  CHECK(guest.status().mismatches != 0);
  CHECK(guest.status().first_mismatch_address == spoilt.value());
  CHECK(guest.status().first_mismatch_seen == 0xDEAD);
}

TEST_CASE("a completion that comes twice is an error") {
  DiskMachine guest;
  guest.run(sim::Duration::milliseconds(10));
  const WorkloadConfig w = small();
  // The next completion again, behind itself.
  const PhysAddr queue(vmm::disk_completions(w));
  const std::uint64_t head = guest.registers.r[13];
  const auto before = (head + vmm::disk_queue_entries(w) - 1) % vmm::disk_queue_entries(w);
  auto entry = guest.bench.root.ram.load<test::CompletionEntry>(queue + before * 16);
  entry.status = static_cast<std::uint16_t>((entry.status & ~1U) | guest.registers.r[14]);
  guest.bench.root.ram.store(queue + head * 16, entry);
  vmm::inject(guest.registers, vmm::kCompletionVector);
  guest.run(sim::Duration::microseconds(2));
  CHECK(guest.status().member_errors == 1);
}

TEST_CASE("a guest with a disk continues from copies of its memory and its vCPU record") {
  const auto run = [](bool move) {
    DiskMachine guest;
    for (int i = 0; i < 40; ++i) {
      guest.run(sim::Duration::microseconds(333));
      if (!move) continue;
      std::array<std::byte, sizeof(VcpuRegisters)> bytes;
      std::memcpy(bytes.data(), &guest.registers, sizeof(VcpuRegisters));
      std::vector<std::byte> memory(kGuestMemory);
      guest.bench.root.ram.read(PhysAddr(0), memory);
      guest.registers = VcpuRegisters{};
      guest.bench.root.ram.write(PhysAddr(0), memory);
      std::memcpy(&guest.registers, bytes.data(), sizeof(VcpuRegisters));
    }
    return guest.status();
  };
  const GuestStatus still = run(false);
  const GuestStatus moved = run(true);
  check_clean(moved);
  CHECK(moved.batches_done > 10);
  CHECK(std::memcmp(&still, &moved, sizeof(GuestStatus)) == 0);
}

TEST_CASE(
    "the drive works through its whole queue while the guest is paused, and one interrupt tells") {
  DiskMachine guest;
  guest.run(sim::Duration::milliseconds(10));
  guest.deliver = false;
  const GuestStatus before = guest.status();
  guest.bench.run(sim::Duration::milliseconds(100));
  guest.take_interrupts();
  guest.deliver = true;
  vmm::inject(guest.registers, vmm::kCompletionVector);
  guest.run(sim::Duration::milliseconds(1));
  const GuestStatus after = guest.status();
  check_clean(after);
  CHECK(after.batches_done >= before.batches_done + 3);
  CHECK(after.found_by_poll == 0);
}

TEST_CASE("without interrupts the guest's timer finds the commands of its drive") {
  DiskMachine guest;
  guest.deliver = false;
  guest.run(sim::Duration::milliseconds(30));
  const GuestStatus status = guest.status();
  check_clean(status);
  CHECK(status.batches_done >= 15);
  CHECK(status.found_by_poll >= status.batches_done);
  CHECK(status.found_by_interrupt == 0);
}

TEST_CASE("a drive that was reset behind the guest's back is set up again and the loss counted") {
  DiskMachine guest;
  guest.run(sim::Duration::milliseconds(10));
  guest.bench.set_reg(nvme::offset::kCc, 0);
  guest.bench.run(sim::Duration::milliseconds(1));
  const GuestStatus before = guest.status();
  guest.run(sim::Duration::milliseconds(20));
  const GuestStatus after = guest.status();
  CHECK(after.state == GuestState::kRunning);
  CHECK(after.driver_resets == 1);
  CHECK(after.batches_lost >= 1);
  CHECK(after.batches_done > before.batches_done + 10);
  CHECK(after.mismatches == 0);
  CHECK(after.member_errors == 0);
}

TEST_CASE("a guest gives up on a drive that is gone, has failed, or is too small") {
  SECTION("gone") {
    DiskMachine guest;
    guest.run(sim::Duration::milliseconds(10));
    guest.bench.config_write(0x04, 2, 4);
    guest.run(sim::Duration::milliseconds(5));
    CHECK(guest.status().failure == GuestFailure::kDeviceMissing);
  }
  SECTION("failed") {
    DiskMachine guest;
    guest.run(sim::Duration::milliseconds(10));
    guest.bench.config_write(0x04, 2, 2);
    guest.run(sim::Duration::milliseconds(5));
    CHECK(guest.status().failure == GuestFailure::kDeviceHalted);
    CHECK((guest.status().failure_detail & 2) != 0);
  }
  SECTION("too small") {
    nvme::NvmeConfig config = drive();
    config.capacity = 3 * 2 * 4 * 16384 - 4096;
    DiskMachine guest(small(), config);
    guest.run(sim::Duration::milliseconds(10));
    CHECK(guest.status().failure == GuestFailure::kBadBootInfo);
  }
}

TEST_CASE("workloads that no queue or memory holds are refused before the first command") {
  struct Row {
    const char* what;
    std::uint64_t size;
    std::uint32_t depth;
    std::uint32_t members;
    std::uint32_t batches;
  };
  constexpr std::array kRows{Row{"half a page", 2048, 4, 16, 3},
                             Row{"no whole pages", 6144, 4, 16, 3},
                             Row{"beyond one command", std::uint64_t{4} << 20, 1, 2, 1},
                             Row{"fewer members than halves", 4096, 16, 16, 3},
                             Row{"more than a queue holds", 4096, 4, 1024, 4},
                             Row{"more than memory", std::uint64_t{2} << 20, 4, 16, 3}};
  for (const Row& row : kRows) {
    INFO(row.what);
    WorkloadConfig w = small();
    w.size = row.size;
    w.depth = row.depth;
    w.batch_members = row.members;
    w.batches_in_flight = row.batches;
    CHECK_FALSE(vmm::disk_workload_fits(w, kGuestMemory));
    DiskMachine guest(w);
    guest.run(sim::Duration::milliseconds(1));
    CHECK(guest.status().failure == GuestFailure::kBadBootInfo);
  }
  CHECK(vmm::disk_workload_fits(small(), kGuestMemory));
}

TEST_CASE("a guest that polls its drive, one that needs every edge, one that times out") {
  const auto with = [](vmm::GuestCompletions completions) {
    WorkloadConfig workload = small();
    workload.completions = completions;
    return workload;
  };
  {
    DiskMachine guest(with(vmm::GuestCompletions::kPolling));
    guest.run(sim::Duration::milliseconds(30));
    check_clean(guest.status());
    CHECK(guest.status().batches_done >= 20);
    CHECK(guest.status().interrupts == 0);
    CHECK(guest.status().interrupts_lost == 0);
  }
  {
    DiskMachine guest(with(vmm::GuestCompletions::kEveryEdge));
    guest.run(sim::Duration::milliseconds(10));
    guest.deliver = false;
    guest.run(sim::Duration::milliseconds(10));
    const std::uint64_t stalled = guest.status().batches_done;
    guest.run(sim::Duration::milliseconds(50));
    CHECK(guest.status().batches_done == stalled);
    CHECK(guest.status().timeouts == 0);
  }
  {
    DiskMachine guest(with(vmm::GuestCompletions::kTimeoutResets));
    guest.run(sim::Duration::milliseconds(10));
    CHECK(guest.status().timeouts == 0);
    guest.deliver = false;
    guest.run(sim::Duration::milliseconds(10));
    CHECK(guest.status().timeouts > 0);
    CHECK(guest.status().batches_lost > 0);
    guest.deliver = true;
    guest.run(sim::Duration::milliseconds(20));
    CHECK(guest.status().state == vmm::GuestState::kRunning);
    CHECK(guest.status().mismatches == 0);
  }
}
