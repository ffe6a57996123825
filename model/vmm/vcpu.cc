#include "model/vmm/vcpu.h"

#include "model/vmm/guest_program.h"
#include "sim/check.h"

namespace baton::vmm {

Co<> Vcpu::run() {
  BATON_CHECK(!running_, "a vCPU has one thread");
  running_ = true;
  while (!stopping_) {
    if (paused_) {
      parked_ = true;
      parked_waiters_.wake_all();
      co_await context_.wait(node_);
      parked_ = false;
      continue;
    }
    const std::uint64_t pending = registers_.pending_vectors;
    const GuestStep did = step(cpu_, registers_);
    if (const std::uint64_t took = pending & ~registers_.pending_vectors; took != 0) took_(took);
    halted_ = did.halt;
    co_await context_.sleep(node_, did.cost);
    halted_ = false;
  }
  running_ = false;
  parked_ = true;
  parked_waiters_.wake_all();
}

Co<> Vcpu::wait_parked() {
  sim::WaitNode node(context_, context_.actor(), "vcpu-stops");
  while (!parked_) {
    co_await parked_waiters_.wait(context_, node);
  }
}

Co<> Vcpu::pause() {
  paused_ = true;
  if (halted_) {
    context_.wake(node_);
  }
  co_await wait_parked();
}

void Vcpu::resume() {
  paused_ = false;
  if (parked_) {
    context_.wake(node_);
  }
}

Co<> Vcpu::stop() {
  stopping_ = true;
  if (running_ && (halted_ || parked_)) {
    parked_ = false;
    context_.wake(node_);
  }
  co_await wait_parked();
}

void Vcpu::inject(unsigned vector) {
  vmm::inject(registers_, vector);
  if (recorder_) recorder_();
  if (halted_) {
    context_.wake(node_);
  }
}

}  // namespace baton::vmm
