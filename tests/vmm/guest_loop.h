// The guest program on a bench of one device, without any kernel: flat RAM is the guest's memory,
// and this loop is its VMM.
#pragma once

#include <algorithm>

#include "model/vmm/guest_cpu.h"
#include "model/vmm/guest_layout.h"
#include "model/vmm/guest_program.h"

namespace baton::test {

inline constexpr std::uint32_t kVectorOfGuest = 0x41;  // MSI-X entry 1

// A vCPU's memory on a bench: guest physical is physical.
template <typename Bench, std::uint64_t kGuestMemory>
class FlatGuestCpu : public vmm::GuestCpu {
 public:
  explicit FlatGuestCpu(Bench& bench) : bench_(bench) {}

  bool read(GuestAddr address, std::span<std::byte> to) override {
    if (!inside(address, to.size())) return false;
    bench_.root.ram.read(PhysAddr(address.value()), to);
    return true;
  }
  bool write(GuestAddr address, std::span<const std::byte> from) override {
    if (!inside(address, from.size())) return false;
    bench_.root.ram.write(PhysAddr(address.value()), from);
    return true;
  }
  sim::Time now() const override { return bench_.simulation.now(); }

 protected:
  Bench& bench_;

 private:
  static bool inside(GuestAddr address, std::uint64_t length) {
    return length <= kGuestMemory && address.value() <= kGuestMemory - length;
  }
};

// Of a class that has the bench and the vCPU.
template <typename Bench>
class GuestLoop {
 public:
  GuestLoop(Bench& bench, vmm::GuestCpu& cpu) : loop_bench_(bench), loop_cpu_(cpu) {}

  vmm::GuestStatus status() {
    return loop_bench_.root.ram.template load<vmm::GuestStatus>(
        PhysAddr(vmm::kGuestStatusAddress.value()));
  }

  // New messages of the guest's vector become pending, unless they get lost.
  void take_interrupts() {
    const auto& interrupts = loop_bench_.root.interrupts;
    for (; taken < interrupts.size(); ++taken) {
      if (interrupts[taken] == kVectorOfGuest && deliver) {
        vmm::inject(registers, vmm::kCompletionVector);
      }
    }
  }

  vmm::GuestStep step() {
    take_interrupts();
    return vmm::step(loop_cpu_, registers);
  }

  void run(sim::Duration duration) {
    sim::Simulation& simulation = loop_bench_.simulation;
    const sim::Time end = simulation.now() + duration;
    while (simulation.now() < end) {
      const vmm::GuestStep did = step();
      const sim::Time wake = std::min(end, simulation.now() + did.cost);
      simulation.run_until(did.halt ? wake_on_interrupt(wake) : wake);
    }
  }

  vmm::VcpuRegisters registers;
  std::size_t taken = 0;
  bool deliver = true;

 private:
  // Runs events until an interrupt is pending or `wake` comes.
  sim::Time wake_on_interrupt(sim::Time wake) {
    sim::Simulation& simulation = loop_bench_.simulation;
    while (simulation.now() < wake) {
      take_interrupts();
      if (registers.pending_vectors != 0) return simulation.now();
      const sim::Duration slice = sim::Duration::microseconds(1);
      simulation.run_until(std::min(wake, simulation.now() + slice));
    }
    return wake;
  }

  Bench& loop_bench_;
  vmm::GuestCpu& loop_cpu_;
};

inline void check_clean(const vmm::GuestStatus& status) {
  CHECK(status.state == vmm::GuestState::kRunning);
  CHECK(status.failure == vmm::GuestFailure::kNone);
  CHECK(status.mismatches == 0);
  CHECK(status.member_errors == 0);
  CHECK(status.batch_errors == 0);
  CHECK(status.order_errors == 0);
  CHECK(status.batches_lost == 0);
  CHECK(status.driver_resets == 0);
}

}  // namespace baton::test
