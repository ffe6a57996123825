// The guest program against a DSA, without any kernel: flat RAM is the guest's memory.
#include "tests/vmm/guest_loop.h"

#include <cstring>

#include "tests/devices/dsa/flat_machine.h"

using namespace baton;
using test::check_clean;
using vmm::GuestFailure;
using vmm::GuestState;
using vmm::GuestStatus;
using vmm::VcpuRegisters;
using vmm::WorkloadConfig;

namespace {

constexpr std::uint64_t kGuestMemory = 64 << 20;

// BARs where the layout puts them.
class FlatCpu final : public test::FlatGuestCpu<test::FlatMachine, kGuestMemory> {
 public:
  using FlatGuestCpu::FlatGuestCpu;

  std::uint64_t mmio_read(GuestAddr address, unsigned width) override {
    return bench_.mmio_read(host(address), width);
  }
  void mmio_write(GuestAddr address, unsigned width, std::uint64_t value) override {
    bench_.mmio_write(host(address), width, value);
  }
  void mmio_write_64bytes(GuestAddr address, std::span<const std::byte> bytes) override {
    bench_.fabric.cpu_write(PhysAddr(host(address)), bytes);
  }

 private:
  static std::uint64_t host(GuestAddr address) {
    if (address >= vmm::kDeviceBar2) {
      return test::FlatMachine::kBar2 + (address - vmm::kDeviceBar2);
    }
    return test::FlatMachine::kBar0 + (address - vmm::kDeviceBar0);
  }
};

constexpr WorkloadConfig kSmall{.size = 8192,
                                .depth = 4,
                                .batch_members = 64,
                                .batches_in_flight = 3,
                                .verify_every = 1,
                                .poll_interval_ns = 1'000'000};

// A machine with a guest on it, and the vCPU loop that a VMM runs.
class GuestMachine : public test::GuestLoop<test::FlatMachine> {
 public:
  explicit GuestMachine(const WorkloadConfig& workload = kSmall) : GuestLoop(machine, cpu) {
    machine.enable_msix();
    vmm::BootInfo info;
    info.memory_bytes = kGuestMemory;
    info.workload = workload;
    machine.root.ram.store(PhysAddr(vmm::kBootInfoAddress.value()), info);
  }

  void boot() {
    while (status().state != GuestState::kRunning) {
      REQUIRE(status().state != GuestState::kFailed);
      machine.simulation.run_until(machine.simulation.now() + step().cost);
    }
  }

  test::FlatMachine machine{{.bytes_per_second = 1'000'000'000}};
  FlatCpu cpu{machine};
};

}  // namespace

TEST_CASE("a guest sets its DSA up and keeps copying, every byte verified") {
  GuestMachine guest;
  guest.run(sim::Duration::milliseconds(20));
  const GuestStatus status = guest.status();
  check_clean(status);
  // 64 members of 8 KiB at 1 GB/s: 0.52 ms a batch.
  CHECK(status.batches_done >= 30);
  CHECK(status.members_done == status.batches_done * 64 + status.members_done % 64);
  CHECK(status.bytes_verified >= status.batches_done * 4 * 8192);
  CHECK(status.batches_submitted - status.batches_done <= 3);
  CHECK(status.found_by_interrupt >= status.batches_done);
  CHECK(status.found_by_poll == 0);
  CHECK(status.interrupts_lost == 0);
  CHECK(status.longest_stall_ps == 0);
}

TEST_CASE("the device is always busy while the guest verifies") {
  GuestMachine guest;
  guest.boot();
  guest.run(sim::Duration::milliseconds(2));
  const std::uint64_t writes = guest.machine.root.writes;
  guest.run(sim::Duration::milliseconds(10));
  // 10 ms at 1 GB/s in pages of 4 KiB.
  CHECK(guest.machine.root.writes - writes >= 2441);
}

TEST_CASE("a corrupted byte in a destination is a mismatch that names the word") {
  GuestMachine guest;
  guest.boot();
  const std::uint64_t destination =
      vmm::kSlotsAddress.value() + vmm::slot_destinations(kSmall) + 8192 + 24;
  // The batch of slot 0 copies buffer 1 several times; spoil it when its record appears.
  const PhysAddr record(vmm::kSlotsAddress.value());
  while (guest.machine.root.ram.load<std::uint8_t>(record) == 0) {
    guest.machine.simulation.run_until(guest.machine.simulation.now() + guest.step().cost);
  }
  const auto byte = guest.machine.root.ram.load<std::uint8_t>(PhysAddr(destination));
  guest.machine.root.ram.store(PhysAddr(destination), static_cast<std::uint8_t>(byte ^ 0x80));
  guest.run(sim::Duration::milliseconds(2));
  const GuestStatus status = guest.status();
  CHECK(status.mismatches == 1);
  CHECK(status.first_mismatch_address == destination);
  CHECK((status.first_mismatch_expected ^ status.first_mismatch_seen) == 0x80);
  CHECK(status.first_mismatch_sequence == 1);
}

TEST_CASE("a lost source page is noticed although the copy equals the source") {
  GuestMachine guest;
  guest.boot();
  while (guest.status().batches_submitted < 3) {
    guest.machine.simulation.run_until(guest.machine.simulation.now() + guest.step().cost);
  }
  const std::uint64_t source =
      vmm::kSlotsAddress.value() + 2 * vmm::slot_bytes(kSmall) + vmm::slot_sources(kSmall);
  guest.machine.root.ram.zero_pages({PhysAddr(source), 4096});
  guest.run(sim::Duration::milliseconds(4));
  CHECK(guest.status().mismatches == 512);
  CHECK(guest.status().first_mismatch_sequence == 3);
}

TEST_CASE("a member whose completion record never came is an error") {
  GuestMachine guest;
  guest.boot();
  const std::uint64_t records = vmm::kSlotsAddress.value() + vmm::slot_records(kSmall);
  guest.machine.root.refused_pages.insert(records >> 12);
  guest.run(sim::Duration::milliseconds(1));
  CHECK(guest.status().member_errors == 64);
  CHECK(guest.status().batch_errors == 0);
}

TEST_CASE("a guest continues from copies of its memory and its vCPU record") {
  // The same machine with and without a vCPU that moves: the second vCPU gets bytes only.
  const auto run = [](bool move) {
    GuestMachine guest;
    for (int i = 0; i < 40; ++i) {
      guest.run(sim::Duration::microseconds(333));
      if (!move) continue;
      std::array<std::byte, sizeof(VcpuRegisters)> bytes;
      std::memcpy(bytes.data(), &guest.registers, sizeof(VcpuRegisters));
      std::vector<std::byte> memory = guest.machine.bytes(0, 8 << 20);
      guest.registers = VcpuRegisters{};
      guest.machine.root.ram.write(PhysAddr(0), memory);
      std::memcpy(&guest.registers, bytes.data(), sizeof(VcpuRegisters));
      REQUIRE(guest.registers.valid());
    }
    return guest.status();
  };
  const GuestStatus still = run(false);
  const GuestStatus moved = run(true);
  check_clean(moved);
  CHECK(moved.batches_done > 20);
  CHECK(std::memcmp(&still, &moved, sizeof(GuestStatus)) == 0);
}

TEST_CASE("after a pause one interrupt is enough to find all that completed in it") {
  GuestMachine guest;
  guest.run(sim::Duration::milliseconds(5));
  guest.deliver = false;
  const GuestStatus before = guest.status();
  guest.machine.simulation.run_until(guest.machine.simulation.now() +
                                     sim::Duration::milliseconds(500));
  guest.take_interrupts();
  guest.deliver = true;
  vmm::inject(guest.registers, vmm::kCompletionVector);
  guest.run(sim::Duration::milliseconds(1));
  const GuestStatus after = guest.status();
  check_clean(after);
  CHECK(after.batches_done >= before.batches_done + 3);
  CHECK(after.found_by_poll == 0);
  CHECK(after.longest_stall_ps >= 498'000'000'000);
  CHECK(after.longest_stall_ps <= 500'000'000'000);
}

TEST_CASE("without interrupts the guest's timer finds the work and counts them lost") {
  GuestMachine guest;
  guest.deliver = false;
  guest.run(sim::Duration::milliseconds(20));
  const GuestStatus status = guest.status();
  check_clean(status);
  CHECK(status.batches_done >= 15);
  CHECK(status.found_by_poll >= status.batches_done);
  CHECK(status.found_by_interrupt == 0);
}

TEST_CASE("an interrupt that announces nothing is spurious and harmless") {
  GuestMachine guest;
  guest.run(sim::Duration::milliseconds(5));
  while (guest.registers.pending_vectors != 0 || !guest.step().halt) {
    guest.machine.simulation.run_until(guest.machine.simulation.now() +
                                       sim::Duration::nanoseconds(100));
  }
  const GuestStatus before = guest.status();
  vmm::inject(guest.registers, vmm::kCompletionVector);
  guest.step();
  CHECK(guest.status().interrupts_spurious == before.interrupts_spurious + 1);
  guest.run(sim::Duration::milliseconds(5));
  check_clean(guest.status());
}

TEST_CASE("a device that was reset behind the guest's back is set up again and the loss counted") {
  GuestMachine guest;
  guest.run(sim::Duration::milliseconds(5));
  guest.machine.config_write(0x48, 2, 0x8000);
  guest.machine.config_write(0x10, 4, static_cast<std::uint32_t>(test::FlatMachine::kBar0));
  guest.machine.config_write(0x14, 4, test::FlatMachine::kBar0 >> 32);
  guest.machine.config_write(0x18, 4, static_cast<std::uint32_t>(test::FlatMachine::kBar2));
  guest.machine.config_write(0x1C, 4, test::FlatMachine::kBar2 >> 32);
  guest.machine.config_write(0x04, 2, 6);
  guest.machine.enable_msix();
  const GuestStatus before = guest.status();
  guest.run(sim::Duration::milliseconds(10));
  const GuestStatus after = guest.status();
  CHECK(after.state == GuestState::kRunning);
  CHECK(after.driver_resets == 1);
  CHECK(after.batches_lost >= 1);
  CHECK(after.batches_done > before.batches_done + 10);
  CHECK(after.mismatches == 0);
}

TEST_CASE("a guest gives up on a device that is halted, gone, or refuses a command") {
  GuestMachine guest;
  SECTION("halted") {
    guest.run(sim::Duration::milliseconds(2));
    guest.machine.config_write(0x04, 2, 2);
    guest.run(sim::Duration::milliseconds(5));
    CHECK(guest.status().failure == GuestFailure::kDeviceHalted);
    CHECK(guest.status().failure_detail == 7);
  }
  SECTION("halted before it boots") {
    guest.machine.enable();
    guest.machine.config_write(0x04, 2, 2);
    guest.run(sim::Duration::milliseconds(1));
    CHECK(guest.status().failure == GuestFailure::kDeviceHalted);
  }
  SECTION("gone") {
    guest.run(sim::Duration::milliseconds(2));
    guest.machine.config_write(0x04, 2, 4);
    guest.run(sim::Duration::milliseconds(5));
    CHECK(guest.status().failure == GuestFailure::kDeviceMissing);
  }
  SECTION("bus master off: Enable Device is refused") {
    guest.machine.config_write(0x04, 2, 2);
    guest.run(sim::Duration::milliseconds(1));
    CHECK(guest.status().failure == GuestFailure::kCommandFailed);
    CHECK(guest.status().failure_detail == 0x12);
  }
  CHECK(guest.status().state == GuestState::kFailed);
  const GuestStatus before = guest.status();
  CHECK(guest.step().halt);
  CHECK(guest.status().failure == before.failure);
}

TEST_CASE("a workload that does not fit, or a boot page that was lost, is refused") {
  SECTION("too big for the memory") {
    WorkloadConfig big = kSmall;
    big.depth = 64;
    big.size = 1 << 20;
    GuestMachine guest(big);
    guest.run(sim::Duration::microseconds(10));
    CHECK(guest.status().failure == GuestFailure::kBadBootInfo);
  }
  SECTION("lost") {
    GuestMachine guest;
    guest.run(sim::Duration::milliseconds(2));
    guest.machine.root.ram.zero_pages({PhysAddr(vmm::kBootInfoAddress.value()), 4096});
    guest.run(sim::Duration::milliseconds(1));
    CHECK(guest.status().failure == GuestFailure::kBadBootInfo);
    CHECK(guest.status().state == GuestState::kFailed);
  }
}

TEST_CASE("a sampled guest verifies every n-th buffer, a different one each batch") {
  WorkloadConfig sampled = kSmall;
  sampled.verify_every = 4;
  GuestMachine guest(sampled);
  guest.run(sim::Duration::milliseconds(10));
  const GuestStatus status = guest.status();
  check_clean(status);
  CHECK(status.bytes_verified >= status.batches_done * 8192);
  CHECK(status.bytes_verified <= (status.batches_done + 1) * 8192);
}

TEST_CASE("memory of 2.75 GiB and more has a hole below 4 GiB, and slots lie above it first") {
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
  CHECK(vmm::low_memory_bytes(0xAFFF'F000) == 0xAFFF'F000);
  CHECK(vmm::high_memory_bytes(0xAFFF'F000) == 0);
  CHECK(vmm::low_memory_bytes(0xB000'0000) == 2 * kGiB);
  CHECK(vmm::high_memory_bytes(0xB000'0000) == 0xB000'0000 - 2 * kGiB);
  CHECK(vmm::low_memory_bytes(16 * kGiB) == 2 * kGiB);
  const vmm::SlotPlaces large{0x10000, kGiB - 0x10000, 4 * kGiB};
  CHECK(large.at(0) == GuestAddr(4 * kGiB));
  CHECK(large.at(1) == GuestAddr(5 * kGiB - 0x10000));
  CHECK(large.at(2) == GuestAddr(0x10000));
  CHECK(large.at(3) == GuestAddr(kGiB));
  CHECK(large.hold(4));
  CHECK_FALSE(large.hold(5));
  const vmm::SlotPlaces small{0x10000, 0x1000, 0x12000};
  CHECK(small.at(1) == GuestAddr(0x11000));
  CHECK(small.hold(2));
  CHECK_FALSE(small.hold(3));
  CHECK_FALSE(vmm::SlotPlaces{0x10000, 0x1000, 0xF000}.hold(0));
}

TEST_CASE("workloads are checked against the limits of the device and of the memory") {
  constexpr std::uint64_t kMemory = 256 << 20;
  CHECK(vmm::workload_fits({}, kMemory));
  CHECK(vmm::memory_needed({}) <= 36 << 20);
  const auto refused = [](auto change) {
    WorkloadConfig w;
    change(w);
    return !vmm::workload_fits(w, kMemory);
  };
  CHECK(refused([](WorkloadConfig& w) { w.size = 0; }));
  CHECK(refused([](WorkloadConfig& w) { w.size = 100; }));
  CHECK(refused([](WorkloadConfig& w) { w.size = std::uint64_t{1} << 32; }));
  CHECK(refused([](WorkloadConfig& w) { w.depth = 0; }));
  CHECK(refused([](WorkloadConfig& w) { w.depth = 2000; }));
  CHECK(refused([](WorkloadConfig& w) { w.batch_members = 1; }));
  CHECK(refused([](WorkloadConfig& w) { w.batch_members = 1025; }));
  CHECK(refused([](WorkloadConfig& w) { w.batches_in_flight = 0; }));
  CHECK(refused([](WorkloadConfig& w) { w.batches_in_flight = 129; }));
  CHECK(refused([](WorkloadConfig& w) { w.verify_every = 0; }));
  CHECK(vmm::batches_for_gap({}, 200'000'000, 2500) == 9);
}

namespace {

WorkloadConfig with_completions(WorkloadConfig workload, vmm::GuestCompletions completions) {
  workload.completions = completions;
  return workload;
}

}  // namespace

TEST_CASE("a guest that polls asks for no interrupts and finds all of its work") {
  GuestMachine guest(with_completions(kSmall, vmm::GuestCompletions::kPolling));
  guest.run(sim::Duration::milliseconds(20));
  const GuestStatus status = guest.status();
  check_clean(status);
  CHECK(status.batches_done >= 15);
  CHECK(status.found_by_poll >= status.batches_done);
  CHECK(status.interrupts == 0);
  CHECK(status.interrupts_lost == 0);  // nobody was to announce anything
  CHECK(guest.taken == 0);
}

TEST_CASE("a guest that needs every edge waits for ever for one that is lost") {
  GuestMachine guest(with_completions(kSmall, vmm::GuestCompletions::kEveryEdge));
  guest.run(sim::Duration::milliseconds(10));
  const std::uint64_t done = guest.status().batches_done;
  CHECK(done >= 10);
  guest.deliver = false;
  guest.run(sim::Duration::milliseconds(50));
  const std::uint64_t stalled = guest.status().batches_done;
  CHECK(stalled <= done + 3);
  guest.deliver = true;
  vmm::inject(guest.registers, vmm::kCompletionVector);  // any one will do
  guest.run(sim::Duration::milliseconds(10));
  CHECK(guest.status().batches_done >= stalled + 10);
  check_clean(guest.status());
}

TEST_CASE("a driver that times out resets its device, and what was in flight is lost") {
  GuestMachine guest(with_completions(kSmall, vmm::GuestCompletions::kTimeoutResets));
  guest.run(sim::Duration::milliseconds(10));
  CHECK(guest.status().timeouts == 0);
  guest.deliver = false;
  guest.run(sim::Duration::milliseconds(5));
  CHECK(guest.status().timeouts > 0);
  CHECK(guest.status().driver_resets == guest.status().timeouts);
  CHECK(guest.status().batches_lost >= 3 * guest.status().timeouts - 3);
  guest.deliver = true;
  guest.run(sim::Duration::milliseconds(10));
  const GuestStatus status = guest.status();
  CHECK(status.state == GuestState::kRunning);
  CHECK(status.mismatches == 0);
  CHECK(status.batches_done >= 20);
}

TEST_CASE("a guest refuses a way of learning that it does not know") {
  GuestMachine guest(with_completions(kSmall, static_cast<vmm::GuestCompletions>(4)));
  guest.run(sim::Duration::milliseconds(1));
  CHECK(guest.status().failure == GuestFailure::kBadBootInfo);
}
