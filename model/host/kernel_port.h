// A kernel's only view of the hardware. The machine makes one port per generation and revokes it at
// the jump; any later use is a bug in baton (a destructor that still writes a register, say) and
// stops with BATON_CHECK. Death is not shutdown.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/host/firmware.h"
#include "model/host/guest_core.h"
#include "model/host/handoff.h"
#include "sim/actor.h"
#include "sim/address.h"
#include "sim/memory.h"
#include "sim/topic.h"

namespace baton::host {

class Machine;
struct ConfigAccess;

class KernelPort {
 public:
  KernelPort(Machine& machine, unsigned generation);
  ~KernelPort();
  KernelPort(const KernelPort&) = delete;
  KernelPort& operator=(const KernelPort&) = delete;

  unsigned generation() const { return generation_; }

  // The software of this generation; every coroutine of the kernel and its processes runs in it.
  sim::Context& context();
  sim::Simulation& simulation();
  sim::Time now();

  // RAM as the CPU sees it.
  sim::PhysicalMemory& ram();
  const MemoryMap& memory_map();
  // The host bridges of the ACPI namespace, in its order.
  std::vector<HostBridgeInfo> host_bridges();
  // How long the CPU stands still for one configuration access. The caller lets that time pass.
  sim::Duration config_access_time();

  // Configuration access through ECAM. `by` names the kernel function that makes it, a static text,
  // for the config-writes invariant and for reports.
  std::uint32_t config_read(Sbdf address, std::uint16_t offset, unsigned width, const char* by);
  void config_write(Sbdf address, std::uint16_t offset, unsigned width, std::uint32_t value,
                    const char* by);

  // Uncached access to anything that is not RAM: remapping units, BARs. 1, 2, 4, 8 bytes; reads of
  // nobody return all ones.
  std::uint64_t mmio_read(PhysAddr address, unsigned width);
  void mmio_write(PhysAddr address, unsigned width, std::uint64_t value);
  // MOVDIR64B: one 64-byte posted write.
  void mmio_write_64bytes(PhysAddr address, std::span<const std::byte> bytes);

  // CPUs that interrupts can be sent to, as MADT would say; their APIC ids count from 0.
  unsigned cpus();

  // The handler of all device interrupts of all CPUs. Without one, interrupts are orphans.
  using InterruptHandler = std::function<void(std::uint32_t cpu, Vector vector)>;
  void set_interrupt_handler(InterruptHandler handler);

  // A core of its own goes on running a guest, whatever becomes of this kernel, until a kernel
  // takes it back by the VM's name.
  void leave_core(GuestCoreLoop loop);
  void take_core(std::string_view vm);

  // Lines typed at the machine's console (the operator; the scenario's script). The handler runs in
  // phase software; lines without a handler wait for one, over kernels too.
  void set_console_handler(std::function<void(const std::string&)> handler);

  // The end of this kernel, each from the event loop once no frame of it runs. What the kernel asks
  // for first happens; later requests of the same instant are ignored.
  void request_jump(KexecImage image);
  // Boots kernel image `kernel`, as the boot loader's entry says.
  void request_cold_reboot(std::size_t kernel, std::string command_line);
  void halt(std::string reason);

  // By the machine, at the jump: all frames of this kernel are destroyed; every later use of the
  // port is a bug.
  void revoke();
  bool revoked() const { return revoked_; }

  // By the machine. False: no handler.
  bool interrupt(std::uint32_t cpu, Vector vector);
  bool console_line(const std::string& line);

 private:
  Machine& live();  // checks revocation

  Machine& machine_;
  unsigned generation_;
  bool revoked_ = false;
  std::unique_ptr<sim::Context> context_;
  sim::Topic<ConfigAccess>& config_accesses_;
  InterruptHandler interrupt_handler_;
  std::function<void(const std::string&)> console_handler_;
};

}  // namespace baton::host
