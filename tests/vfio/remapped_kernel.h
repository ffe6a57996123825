// A kernel whose interrupts are remapped, and a file that makes a freeze fail.
#pragma once

#include "model/iommu_vtd/profiles.h"
#include "tests/vfio/vfio_fixture.h"

namespace baton::test {

// With interrupt remapping, and its tables on the way to the next kernel.
struct RemappedKernel final : VfioKernel {
  using VfioKernel::VfioKernel;

  Co<> bring_up() override {
    kho.memory_init();
    services.pages().release_all(!handoff.cold);
    irq.init();
    intel.set_interrupts(irq);
    luo.early_init();
    intel.set_live_update(luo);
    co_await intel.init_interrupt_remapping();
    pci.set_live_update(&pci_live_update);
    co_await pci_live_update.begin_enumeration();
    co_await pci.enumerate();
    static_cast<void>(kho.init());
    co_await iommu.begin_boot();
    co_await intel.init();
    for (linux::pci::PciDev* dev : pci.devices()) {
      static_cast<void>(co_await iommu.probe_device(*dev));
    }
    co_await intel.enable_translation();
    co_await luo.late_init();
    memfd.init();
    iommufd.init();
    vfio.init();
    CHECK(intel.register_flb(vfio).has_value());
    static_cast<void>(co_await bus.register_driver(vfio));
  }
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

}  // namespace baton::test
