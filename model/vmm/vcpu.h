// The thread that runs a guest: one step after another, asleep while the guest halts. The registers
// are live here; the VMM copies them into the preserved memfd while the vCPU is paused.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "model/vmm/guest_cpu.h"
#include "sim/actor.h"

namespace baton::vmm {

class Vcpu {
 public:
  // `took`: told which virtual vectors a step took into the guest's handlers.
  Vcpu(sim::Context& context, sim::ActorId actor, GuestCpu& cpu,
       std::function<void(std::uint64_t vectors)> took)
      : context_(context), cpu_(cpu), took_(std::move(took)), node_(context, actor, "vcpu") {}

  // The body of the thread; returns after stop().
  Co<> run();

  // Stops between two steps, and returns when it has. A vCPU starts paused.
  Co<> pause();
  void resume();
  // Ends the thread for good.
  Co<> stop();

  // A virtual interrupt (irqfd); taken at the next step, also over a pause.
  void inject(unsigned vector);
  // Called after each; for who has saved the registers of a paused vCPU.
  void set_recorder(std::function<void()> recorder) { recorder_ = std::move(recorder); }

  VcpuRegisters& registers() { return registers_; }
  bool paused() const { return paused_; }

 private:
  Co<> wait_parked();

  sim::Context& context_;
  GuestCpu& cpu_;
  std::function<void(std::uint64_t)> took_;
  std::function<void()> recorder_;
  sim::WaitNode node_;
  VcpuRegisters registers_;
  bool paused_ = true;
  bool stopping_ = false;
  bool running_ = false;  // the thread exists
  bool parked_ = true;    // and waits for resume(), or there is none
  bool halted_ = false;   // the guest waits for an interrupt or its timer
  sim::WaitQueue parked_waiters_;
};

}  // namespace baton::vmm
