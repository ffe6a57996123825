// A machine that runs whole kernels, one user-space function per generation.
#pragma once

#include "model/devices/dsa/dsa.h"
#include "model/host/machine.h"
#include "model/host/observations.h"
#include "model/linux/base/observations.h"
#include "model/linux/kernel/kernel.h"
#include "model/linux/kernel/observations.h"
#include "model/linux/uapi/liveupdate.h"

namespace baton::linux::test {

// What user space tells the test; lives longer than the kernels.
struct Record {
  std::vector<std::string> lines;
  std::vector<std::string> phases;
  std::vector<std::string> failures;
  std::vector<std::string> steps;
  std::string halted;
};

using Program = std::function<Co<>(Kernel&, Record&)>;

inline Co<> idle(Kernel&, Record&) { co_return; }

struct Options {
  std::string command_line = "kho_scratch=16M,16M,16M";
  KernelConfig first{};
  KernelConfig next{};
  std::function<void(host::Machine&)> build{};  // adds functions before firmware finishes
};

class World {
 public:
  explicit World(std::vector<Program> programs, Options options = {})
      : programs_(std::move(programs)),
        options_(std::move(options)),
        machine_(simulation_, machine_config()) {
    pci::Bus& bus = machine_.fabric().add_root_bus(0, 0x6A, 0x6A);
    machine_.fabric().add(bus, 1, 0, devices::dsa::make_dsa(simulation_, {}));
    if (options_.build) options_.build(machine_);
    const auto finished = machine_.finish_firmware();
    REQUIRE(finished.has_value());
    observe();
    machine_.power_on([this](host::KernelPort& port, const host::BootHandoff& handoff,
                             std::size_t) { return make(port, handoff); },
                      options_.command_line);
  }

  Record record;

  sim::Simulation& simulation() { return simulation_; }
  host::Machine& machine() { return machine_; }
  void run() { simulation_.run(); }

 private:
  static host::MachineConfig machine_config() {
    host::MachineConfig config;
    config.memory = std::uint64_t{512} << 20;
    return config;
  }

  std::unique_ptr<host::Software> make(host::KernelPort& port, const host::BootHandoff& handoff) {
    const std::size_t n = std::min<std::size_t>(port.generation(), programs_.size() - 1);
    const Program& program = programs_[n];
    return std::make_unique<Kernel>(
        port, handoff, port.generation() == 0 ? options_.first : options_.next,
        [this, &program](Kernel& kernel) { return program(kernel, record); });
  }

  void observe() {
    simulation_.topic<PhaseEntered>().subscribe([this](const PhaseEntered& entered) {
      constexpr std::array kNames{"boot",  "run",      "preserve", "freeze",
                                  "kexec", "retrieve", "finish",   "end"};
      record.phases.push_back(fmt::format("{} {}", entered.generation,
                                          kNames[static_cast<std::size_t>(entered.phase)]));
    });
    simulation_.topic<BootStepEntered>().subscribe([this](const BootStepEntered& entered) {
      record.steps.push_back(fmt::format("{} {}", entered.generation, entered.step.name));
    });
    simulation_.topic<SystemCallFailed>().subscribe([this](const SystemCallFailed& call) {
      record.failures.push_back(
          fmt::format("{} {}: {}", call.process, call.call, name(call.error)));
    });
    simulation_.topic<host::KernelHalted>().subscribe(
        [this](const host::KernelHalted& halted) { record.halted = halted.reason; });
  }

  std::vector<Program> programs_;
  Options options_;
  sim::Simulation simulation_{1};
  host::Machine machine_;
};

}  // namespace baton::linux::test
