// A kernel whose interrupts are remapped, and a file that makes a freeze fail.
#pragma once

#include "model/iommu_vtd/profiles.h"
#include "tests/vfio/vfio_fixture.h"

namespace baton::test {

// With interrupt remapping, and its tables on the way to the next kernel.
struct RemappedKernel final : VfioKernel {
  using VfioKernel::VfioKernel;

  Co<> init_interrupt_remapping() override {
    intel.set_interrupts(irq);
    intel.set_live_update(luo);
    co_await intel.init_interrupt_remapping();
  }
  void vfio_ready() override { CHECK(intel.register_flb(vfio).has_value()); }
};

// Its file freezes last. Then the device says something, and the freeze fails.
class FailingHandler final : public luo::FileHandler {
 public:
  FailingHandler(LuoKernel& kernel, std::function<void()> meanwhile)
      : kernel_(kernel), meanwhile_(std::move(meanwhile)) {}

  std::string_view compatible() const override { return "failing-v1"; }
  bool can_preserve(linux::File& file) override {
    return dynamic_cast<TestFile*>(&file) != nullptr;
  }
  Co<linux::Result<>> preserve(luo::FileArgs& args) override {
    args.serialized_data = kernel_.kho.alloc_preserve(8, "test record")->value();
    co_return linux::Result<>();
  }
  Co<> unpreserve(luo::FileArgs& args) override {
    kernel_.kho.unpreserve_free(PhysAddr(args.serialized_data));
    co_return;
  }
  Co<linux::Result<>> freeze(luo::FileArgs&) override {
    meanwhile_();
    co_return linux::fail(Errno::kInval);
  }
  Co<linux::Result<linux::File*>> retrieve(luo::FileArgs&) override {
    co_return linux::fail(Errno::kInval);
  }
  Co<bool> can_finish(luo::FileArgs&) override { co_return true; }
  Co<> finish(luo::FileArgs&) override { co_return; }

 private:
  LuoKernel& kernel_;
  std::function<void()> meanwhile_;
};

// What `cancel` (a process of the first kernel: a handover that is called off) finds on a machine
// with interrupt remapping whose tables are handed over. The device at 6a:01.0 is what is watched.
template <class Outcome, class Cancel>
Outcome cancelled_handover(WorldConfig config, Cancel cancel) {
  config.kernels[0].policies.interrupt_table = linux::InterruptTablePolicy::kPreserve;
  VfioNotes notes;
  Outcome outcome;
  TwoKernels<RemappedKernel> world(
      {[&](RemappedKernel& kernel) { return cancel(kernel, notes, outcome); }}, config);
  notes.machine = &world.machine();
  world.simulation().topic<pci::ConfigWritten>().subscribe([&notes](const auto& write) {
    if (notes.watching && write.address == kDsa) notes.writes.emplace_back("write");
  });
  world.run();
  CHECK(world.panic() == "");
  CHECK(world.completed(0));
  return outcome;
}

}  // namespace baton::test
