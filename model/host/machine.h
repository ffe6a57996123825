// The machine: RAM, the PCI fabric with its devices, remapping units, CPUs as interrupt receivers,
// firmware tables, and the one kernel that runs on it. It lives from power-on to the end; kernels
// come and go through kexec.
//
//   Machine machine(simulation, config);
//   ... add root buses and functions to machine.fabric() ...
//   machine.finish_firmware();
//   machine.power_on(factory, "console=ttyS0");
//   simulation.run_until(...);
//
// Not modelled: local APIC state (an interrupt reaches its handler or is an orphan at once; nothing
// stays latched over a jump), I/O APIC and legacy interrupts, ports.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/host/firmware.h"
#include "model/host/handoff.h"
#include "model/host/kernel_port.h"
#include "model/host/timing.h"
#include "model/iommu_vtd/remapping_unit.h"
#include "model/pci/fabric.h"
#include "sim/memory.h"
#include "sim/simulation.h"

namespace baton::host {

// A kernel as the machine sees it: something that is started once and destroyed at kexec. All its
// actors run in the port's Context.
class Software {
 public:
  virtual ~Software() = default;
  // First instruction of the new kernel; spawns its boot actor and returns.
  virtual void start() = 0;
};

// Builds generation n from exactly three things: the hardware's interfaces (the port), the handoff,
// and which kernel image it is (handoff carries the command line).
using SoftwareFactory = std::function<std::unique_ptr<Software>(
    KernelPort& port, const BootHandoff& handoff, std::size_t kernel)>;

// A remapping unit for the functions of one root bus, beside the one that takes what is left of the
// segment.
struct UnitConfig {
  std::uint16_t segment = 0;
  std::uint8_t root_bus = 0;
};

// Memory that firmware reserves for DMA of some functions (RMRR); whole pages, at an address that
// firmware chooses.
struct ReservedRegionConfig {
  std::uint64_t bytes = 0;
  std::uint16_t segment = 0;
  std::vector<Bdf> functions;
};

struct MachineConfig {
  std::uint64_t memory = 0;  // bytes of RAM, a multiple of 2 MiB, at least 16 MiB
  Timing timing{};
  bool iommu = true;
  bool interrupt_remapping = false;  // as the DMAR table tells software
  iommu_vtd::Profile iommu_profile{};
  std::vector<UnitConfig> own_units{};
  std::vector<ReservedRegionConfig> reserved_regions{};
  unsigned cpus = 1;
};

class Machine final : public pci::RootComplex {
 public:
  Machine(sim::Simulation& simulation, const MachineConfig& config);
  ~Machine() override;

  sim::Simulation& simulation();
  sim::PhysicalMemory& memory();
  pci::Fabric& fabric();
  const MemoryMap& memory_map() const;  // E820
  std::vector<ReservedRegionInfo> reserved_regions() const;
  const Timing& timing() const;
  unsigned cpus() const;  // interrupt receivers; their APIC ids count from 0
  std::span<const std::unique_ptr<iommu_vtd::RemappingUnit>> iommus() const;
  // The unit that translates this function's requests; null without IOMMU.
  iommu_vtd::RemappingUnit* iommu_of(const pci::Function& function);

  // Called once, after the topology has been built and before power_on(). As firmware leaves a
  // machine: RAM laid around what devices claim, one remapping unit per segment, tables in RAM,
  // 64-bit BARs of functions without any address assigned, every function's id captured. Enables
  // nothing. The error is a sentence for the scenario's author.
  std::expected<void, std::string> finish_firmware();

  // Cold boot of kernel 0.
  void power_on(SoftwareFactory factory, std::string command_line);

  // Schedules the jump: the running kernel dies at this instant, in phase software after all
  // frames have returned, and the image's kernel starts. Called through the kernel's port.
  void request_jump(KexecImage image);
  // Platform reset and cold boot of kernel `kernel`: devices are reset, memory is lost.
  void request_cold_reboot(std::size_t kernel, std::string command_line);
  // The running kernel panics: all its software stops for ever; devices go on.
  void halt(std::string reason);

  // Called at each jump, when the old kernel is gone and the new one has not run: what happens to
  // the hardware meanwhile.
  void set_between_kernels(std::function<void(unsigned next_generation)> call);
  // Firmware numbers two PCI segments the other way round, and describes that in its tables.
  void swap_segments(std::uint32_t one, std::uint32_t other);

  unsigned generation() const;  // 0 for the first kernel
  bool halted() const;
  KernelPort* port();  // of the running kernel; null between kernels and after a halt

  // Cores that stay in guest mode (guest_core.h). A platform reset ends them.
  void leave_core(GuestCoreLoop loop);
  void take_core(std::string_view vm);

  // The operator types a line at the console. Not from phase check: the kernel hears it now.
  void type(std::string line);
  // By the port: a handler was set.
  void offer_console_lines();

  // Uncached CPU access of 1, 2, 4 or 8 bytes: remapping units, ECAM, RAM, BARs.
  std::uint64_t cpu_read(PhysAddr address, unsigned width);
  void cpu_write(PhysAddr address, unsigned width, std::uint64_t value);
  // I/O ports, of which CF8h and CFCh are there; 1, 2 or 4 bytes.
  std::uint32_t port_read(std::uint16_t port, unsigned width);
  void port_write(std::uint16_t port, unsigned width, std::uint32_t value);

  // Interrupt messages that no kernel took (no handler installed) are counted here.
  std::uint64_t orphan_interrupts() const;

  // pci::RootComplex
  pci::Completion request(const pci::MemoryRequest& request, std::span<std::byte> data) override;
  void page_request(const pci::PageRequest& request) override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::host
