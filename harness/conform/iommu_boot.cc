#include "harness/conform/iommu_boot.h"

#include "model/host/machine.h"
#include "model/host/observations.h"
#include "model/kho/kho.h"
#include "model/linux/base/kernel_services.h"
#include "model/linux/intel_iommu/intel_iommu.h"
#include "model/linux/iommu/iommu.h"
#include "model/linux/irq/irq.h"
#include "model/luo/luo.h"
#include "sim/check.h"
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

class IommuKernel final : public host::Software {
 public:
  IommuKernel(host::KernelPort& port, const host::BootHandoff& handoff, Story& story)
      : port_(port),
        handoff_(handoff),
        story_(story),
        config_(kernel_config(story, port.generation())),
        handover_(kho::populate(port, handoff)),
        services_(port, config_, boot_ranges()),
        kho_(services_, handoff, handover_),
        luo_(services_, kho_, handoff.command_line),
        irq_(services_),
        core_(services_, kho_, luo_),
        driver_(services_, kho_, core_) {
    bus_.number = 0;
    dev_.address = {0, Bdf(0, 4, 0)};
    dev_.bus = &bus_;
    dev_.pcie_cap = 0x40;
  }

  void start() override { port_.context().spawn(run()); }

 private:
  static linux::KernelConfig kernel_config(const Story& story, unsigned generation) {
    linux::KernelConfig config;
    config.iommu_scalable = story.config->scalable;
    config.crash_kernel = story.config->crash && generation != 0;
    return config;
  }

  std::vector<sim::PhysRange> boot_ranges() const {
    if (handover_) {
      return handover_->scratch;
    }
    std::vector<sim::PhysRange> ranges;
    for (const host::MemoryMapEntry& entry : port_.memory_map().entries) {
      if (entry.type == host::MemoryType::kRam) {
        ranges.push_back(entry.range);
      }
    }
    return ranges;
  }

  Co<> run() {
    try {
      co_await boot();
      if (port_.generation() == 0) {
        co_await leave();
      }
    } catch (const linux::Panic& panic) {
      story_.failure = panic.reason;
    }
  }

  Co<> boot() {
    story_.now = port_.generation() == 0 ? &story_.boots.cold : &story_.boots.next;
    kho_.memory_init();
    // A crash kernel lives in the memory set aside for it: all else stays as it was.
    if (!config_.crash_kernel) {
      services_.pages().release_all(!handoff_.cold);
    }
    static_cast<void>(kho_.init());
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
    const auto image = kho_.load_image(1, kCommandLine);
    BATON_CHECK(image.has_value(), "the next kernel does not fit into scratch");
    port_.request_jump(*image);
    sim::WaitNode node(port_.context(), port_.context().actor(), "leaving");
    co_await port_.context().wait(node);
  }

  host::KernelPort& port_;
  const host::BootHandoff handoff_;
  Story& story_;
  const linux::KernelConfig config_;
  const std::optional<kho::Handover> handover_;
  linux::KernelServices services_;
  kho::Kho kho_;
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
