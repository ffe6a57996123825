#include "harness/conform/iommu_boot.h"

#include "model/host/machine.h"
#include "model/host/observations.h"
#include "model/kho/early_kernel.h"
#include "model/linux/intel_iommu/intel_iommu.h"
#include "model/linux/iommu/iommu.h"
#include "model/linux/irq/irq.h"
#include "model/luo/luo.h"
#include "sim/simulation.h"

namespace baton::harness {

namespace {

constexpr const char* kCommandLine = "kho=on kho_scratch=16M,16M,16M liveupdate=on";
constexpr std::uint64_t kMemory = std::uint64_t{256} << 20;

// What both kernels tell the caller.
struct Story {
  const IommuBootConfig* config = nullptr;
  IommuBoots boots;
  std::vector<RegisterWrite>* now = nullptr;
  std::string failure;
};

class IommuKernel final : public kho::EarlyKernel {
 public:
  IommuKernel(host::KernelPort& kernel_port, const host::BootHandoff& boot_handoff, Story& story)
      : EarlyKernel(kernel_port, boot_handoff, kernel_config(story, kernel_port.generation())),
        story_(story),
        luo_(services, kho, handoff.command_line),
        irq_(services),
        core_(services, kho, luo_),
        driver_(services, kho, core_) {
    bus_.number = 0;
    dev_.address = {0, Bdf(0, 4, 0)};
    dev_.bus = &bus_;
    dev_.pcie_cap = 0x40;
  }

  void start() override { port.context().spawn(run()); }

 private:
  static linux::KernelConfig kernel_config(const Story& story, unsigned generation) {
    linux::KernelConfig result;
    result.iommu_scalable = story.config->scalable;
    result.crash_kernel = story.config->crash && generation != 0;
    return result;
  }

  Co<> run() {
    try {
      co_await boot();
      if (port.generation() == 0) {
        co_await leave();
      }
    } catch (const linux::Panic& panic) {
      story_.failure = panic.reason;
    }
  }

  Co<> boot() {
    story_.now = port.generation() == 0 ? &story_.boots.cold : &story_.boots.next;
    bring_up_memory();
    static_cast<void>(kho.init());
    irq_.init();
    driver_.set_interrupts(irq_);
    co_await driver_.init_interrupt_remapping();
    co_await driver_.init();
    const linux::Result<> probed = co_await core_.probe_device(dev_);
    if (!probed) {
      story_.failure = "no remapping unit came up";
    }
    co_await driver_.enable_translation();
  }

  // kernel_kexec(), or panic() with a crash kernel loaded.
  Co<> leave() {
    story_.now = &story_.boots.shutdown;
    if (!story_.config->crash) {
      co_await driver_.shutdown();
    }
    co_await jump(kCommandLine);
  }

  Story& story_;
  luo::Luo luo_;
  linux::irq::IrqCore irq_;
  linux::iommu::IommuCore core_;
  linux::intel_iommu::IntelIommu driver_;
  linux::pci::PciBus bus_;
  linux::pci::PciDev dev_;
};

}  // namespace

std::expected<IommuBoots, std::string> run_iommu_boots(const IommuBootConfig& config) {
  Story story;
  story.config = &config;
  sim::Simulation simulation(1);
  simulation.topic<host::UnitRegisterWritten>().subscribe(
      [&story](const host::UnitRegisterWritten& seen) {
        story.now->push_back({seen.offset, seen.bytes, seen.value});
      });
  host::MachineConfig machine_config;
  machine_config.memory = kMemory;
  machine_config.iommu_profile = config.unit;
  machine_config.interrupt_remapping = config.interrupt_remapping;
  host::Machine machine(simulation, machine_config);
  if (const auto ready = machine.finish_firmware(); !ready) {
    return std::unexpected(ready.error());
  }
  machine.power_on(
      [&story](host::KernelPort& port, const host::BootHandoff& handoff,
               std::size_t) -> std::unique_ptr<host::Software> {
        return std::make_unique<IommuKernel>(port, handoff, story);
      },
      kCommandLine);
  simulation.run();
  if (!story.failure.empty()) {
    return std::unexpected(story.failure);
  }
  return std::move(story.boots);
}

}  // namespace baton::harness
