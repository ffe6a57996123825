// A machine that runs two or more small kernels after one another: each generation is what a real
// kernel has up to KHO (KhoKernel) or LUO (LuoKernel), brought up in boot order, and then a body
// of the test, an actor of that generation.
//
//   Co<> first(test::LuoKernel& kernel) { ...; co_await kernel.kexec(); }
//   Co<> second(test::LuoKernel& kernel) { ...; co_return; }
//   test::TwoKernels<test::LuoKernel> world({first, second});
//   world.run();
//
// What crosses is what crosses on a real host: RAM, hardware, the handoff. Objects that a body
// needs beyond the kernel's (memfd, PCI core, ...) are locals of the body and die with its kernel.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/host/machine.h"
#include "model/kho/early_kernel.h"
#include "model/linux/base/process.h"
#include "model/luo/luo.h"
#include "sim/simulation.h"

namespace baton::test {

// KHO and LUO on; the scratch areas fit a machine of 256 MiB.
inline constexpr const char* kCommandLine = "kho=on kho_scratch=16M,16M,16M liveupdate=on";

struct WorldConfig {
  std::uint64_t memory = std::uint64_t{256} << 20;
  std::uint64_t seed = 1;
  std::vector<linux::KernelConfig> kernels{linux::KernelConfig{}};  // the last one repeats
  std::vector<std::string> command_lines{kCommandLine};             // the last one repeats
  bool iommu = true;
  iommu_vtd::Profile iommu_profile{};
  bool interrupt_remapping = false;  // as firmware tells
  std::vector<host::ReservedRegionConfig> reserved_regions{};
  std::function<void(host::Machine&)> build;  // adds functions before power-on
};

// What tells the test how the kernels fared; lives longer than they do.
struct WorldState {
  const WorldConfig* config = nullptr;
  std::string panic;                 // of the last kernel that panicked
  std::vector<bool> body_completed;  // by generation
};

// One generation up to KHO.
class KhoKernel : public kho::EarlyKernel {
 public:
  KhoKernel(host::KernelPort& kernel_port, const host::BootHandoff& boot_handoff,
            const linux::KernelConfig& kernel_config, WorldState& world_state)
      : EarlyKernel(kernel_port, boot_handoff, kernel_config), state(world_state) {}

  // The rest of the boot; called at start().
  virtual Co<> bring_up() {
    bring_up_memory();
    static_cast<void>(kho.init());
    co_return;
  }

  using EarlyKernel::jump;
  Co<> jump() { return jump(next_command_line()); }

  std::string next_command_line() const {
    const auto& lines = state.config->command_lines;
    return lines[std::min<std::size_t>(port.generation() + 1, lines.size() - 1)];
  }

  WorldState& state;
  std::function<void()> started;  // set by TwoKernels: spawns the boot actor

  void start() override { started(); }
};

// One generation up to LUO, with one process.
class LuoKernel : public KhoKernel {
 public:
  LuoKernel(host::KernelPort& kernel_port, const host::BootHandoff& boot_handoff,
            const linux::KernelConfig& config, WorldState& world_state)
      : KhoKernel(kernel_port, boot_handoff, config, world_state),
        luo(services, kho, handoff.command_line),
        process(port, services.pages(), services.files(), "test") {}

  Co<> bring_up() override {
    bring_up_memory();
    luo.early_init();
    static_cast<void>(kho.init());
    co_await luo.late_init();
  }

  // kexec_file_load, then reboot(LINUX_REBOOT_CMD_KEXEC): returns only an error.
  Co<linux::Result<>> kexec() {
    auto image = kho.load_image(port.generation() + 1, next_command_line());
    if (!image) {
      co_return linux::fail(image.error());
    }
    auto frozen = co_await luo.reboot();
    if (!frozen) {
      co_return frozen;
    }
    port.request_jump(*image);
    sim::WaitNode node(port.context(), port.context().actor(), "jumping");
    co_await port.context().wait(node);
    co_return linux::Result<>{};
  }

  luo::Luo luo;
  linux::Process process;
};

template <class Kernel>
class TwoKernels {
 public:
  using Body = std::function<Co<>(Kernel&)>;

  // One body per generation.
  explicit TwoKernels(std::vector<Body> bodies, WorldConfig config = {})
      : bodies_(std::move(bodies)), config_(std::move(config)), simulation_(config_.seed) {
    host::MachineConfig machine_config;
    machine_config.memory = config_.memory;
    machine_config.iommu = config_.iommu;
    machine_config.iommu_profile = config_.iommu_profile;
    machine_config.interrupt_remapping = config_.interrupt_remapping;
    machine_config.reserved_regions = config_.reserved_regions;
    machine_ = std::make_unique<host::Machine>(simulation_, machine_config);
    if (config_.build) {
      config_.build(*machine_);
    }
    machine_->finish_firmware();
    state_.config = &config_;
    state_.body_completed.resize(bodies_.size());
  }

  // Powers on and runs until nothing is left to do.
  void run() {
    machine_->power_on([this](host::KernelPort& port, const host::BootHandoff& handoff,
                              std::size_t) { return make(port, handoff); },
                       config_.command_lines.front());
    simulation_.run();
  }

  host::Machine& machine() { return *machine_; }
  sim::Simulation& simulation() { return simulation_; }
  const std::string& panic() const { return state_.panic; }
  bool completed(unsigned generation) const { return state_.body_completed.at(generation); }

 private:
  std::unique_ptr<host::Software> make(host::KernelPort& port, const host::BootHandoff& handoff) {
    const auto& configs = config_.kernels;
    const auto& config = configs[std::min<std::size_t>(port.generation(), configs.size() - 1)];
    auto kernel = std::make_unique<Kernel>(port, handoff, config, state_);
    Kernel& reference = *kernel;
    kernel->started = [this, &reference] { reference.port.context().spawn(boot(reference)); };
    return kernel;
  }

  Co<> boot(Kernel& kernel) {
    try {
      co_await kernel.bring_up();
      if (kernel.port.generation() < bodies_.size()) {
        Co<> body = bodies_[kernel.port.generation()](kernel);
        co_await std::move(body);
        state_.body_completed[kernel.port.generation()] = true;
      }
    } catch (const linux::Panic& panic) {
      state_.panic = panic.reason;
    }
  }

  std::vector<Body> bodies_;
  WorldConfig config_;
  sim::Simulation simulation_;
  WorldState state_;
  std::unique_ptr<host::Machine> machine_;
};

}  // namespace baton::test
