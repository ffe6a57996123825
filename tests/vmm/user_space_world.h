// A machine with one DSA, whole kernels and the real user space; the operator types lines.
#pragma once

#include "model/devices/dsa/dsa.h"
#include "model/host/machine.h"
#include "model/host/observations.h"
#include "model/linux/base/observations.h"
#include "model/linux/kernel/kernel.h"
#include "model/vmm/guest_layout.h"
#include "model/vmm/observations.h"
#include "model/vmm/user_space.h"

namespace baton::test {

inline constexpr std::uint64_t kMiB = 1 << 20;
inline constexpr Sbdf kDsa{0, Bdf(0x6A, 1, 0)};

struct Options {
  vmm::UserConfig user;
  linux::KernelConfig first = kernel();
  linux::KernelConfig next = kernel();

  static linux::KernelConfig kernel() {
    linux::KernelConfig config;
    config.vfio_disable_denylist = true;
    return config;
  }
};

// A small guest with a slow device, so that seconds of simulated time cost little.
inline vmm::VmConfig small_vm(std::string name, std::vector<Sbdf> devices) {
  vmm::VmConfig vm;
  vm.name = std::move(name);
  vm.memory = 4 * kMiB;
  vm.devices = std::move(devices);
  vm.workload.size = 16384;
  vm.workload.depth = 8;
  vm.workload.batch_members = 64;
  vm.workload.batches_in_flight = 4;
  return vm;
}

class UserWorld {
 public:
  explicit UserWorld(Options options)
      : options_(std::move(options)), machine_(simulation_, config()) {
    pci::Bus& bus = machine_.fabric().add_root_bus(0, 0x6A, 0x6A);
    devices::dsa::DsaConfig dsa;
    dsa.bytes_per_second = 20'000'000;
    machine_.fabric().add(bus, 1, 0, devices::dsa::make_dsa(simulation_, dsa));
    REQUIRE(machine_.finish_firmware().has_value());
    observe();
    machine_.power_on(
        [this](host::KernelPort& port, const host::BootHandoff& handoff, std::size_t) {
          return std::make_unique<linux::Kernel>(
              port, handoff, port.generation() == 0 ? options_.first : options_.next,
              vmm::make_init(options_.user));
        },
        kCommandLine);
  }

  // Runs for so many milliseconds, then the line is typed.
  void type_after(std::int64_t ms, std::string line) {
    run_for(ms);
    machine_.type(std::move(line));
  }
  void run_for(std::int64_t ms) {
    simulation_.run_until(simulation_.now() + sim::Duration::milliseconds(ms));
  }

  vmm::GuestStatus status() {
    vmm::GuestStatus status;
    machine_.memory().read(status_page, std::as_writable_bytes(std::span(&status, 1)));
    return status;
  }

  static constexpr const char* kCommandLine = "kho_scratch=16M,16M,16M";

  std::vector<std::string> story;  // what happened to guests and commands
  PhysAddr status_page;            // of the guest that spoke last
  sim::Time paused;
  sim::Time resumed;
  std::string halted;

  host::Machine& machine() { return machine_; }

 private:
  static host::MachineConfig config() {
    host::MachineConfig config;
    config.memory = 512 * kMiB;
    return config;
  }

  template <class... Args>
  void tell(fmt::format_string<Args...> format, Args&&... args) {
    story.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  void observe() {
    simulation_.topic<vmm::GuestStarted>().subscribe([this](const vmm::GuestStarted& seen) {
      status_page = seen.status;
      tell("{} {} started", seen.generation, seen.vm);
    });
    simulation_.topic<vmm::GuestPaused>().subscribe([this](const vmm::GuestPaused& seen) {
      paused = simulation_.now();
      tell("{} {} paused", seen.generation, seen.vm);
    });
    simulation_.topic<vmm::GuestResumed>().subscribe([this](const vmm::GuestResumed& seen) {
      status_page = seen.status;
      resumed = simulation_.now();
      tell("{} {} resumed", seen.generation, seen.vm);
    });
    simulation_.topic<vmm::GuestStopped>().subscribe(
        [this](const vmm::GuestStopped& seen) { tell("{} {} stopped", seen.generation, seen.vm); });
    simulation_.topic<vmm::UserStepFailed>().subscribe([this](const vmm::UserStepFailed& seen) {
      tell("{} {}: {}: {}", seen.generation, seen.who, seen.step, linux::name(seen.error));
    });
    simulation_.topic<vmm::OperatorAnswered>().subscribe([this](const vmm::OperatorAnswered& seen) {
      tell("{} {}: {}", seen.generation, seen.command, seen.done ? "done" : "not done");
    });
    simulation_.topic<host::KernelHalted>().subscribe(
        [this](const host::KernelHalted& seen) { halted = seen.reason; });
  }

  Options options_;
  sim::Simulation simulation_{1};
  host::Machine machine_;
};

}  // namespace baton::test
