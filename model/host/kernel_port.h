// A kernel's only view of the hardware. The machine makes one port per generation and revokes it at
// the jump; any later use is a bug in baton (a destructor that still writes a register, say) and
// stops with BATON_CHECK. Death is not shutdown.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "model/host/firmware.h"
#include "model/host/handoff.h"
#include "sim/actor.h"
#include "sim/address.h"
#include "sim/memory.h"

namespace baton::host {

class Machine;

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

  // The handler of all device interrupts of the boot CPU. Without one, interrupts are orphans.
  void set_interrupt_handler(std::function<void(Vector)> handler);

  // Lines typed at the machine's console (the operator; the scenario's script). The handler runs in
  // phase software; lines without a handler wait for one.
  void set_console_handler(std::function<void(const std::string&)> handler);

  // The end of this kernel, each from the event loop once no frame of it runs.
  void request_jump(KexecImage image);
  void request_cold_reboot(std::string command_line);
  void halt(std::string reason);

  // By the machine, at the jump.
  void revoke();
  bool revoked() const { return revoked_; }

 private:
  Machine& live();  // checks revocation

  Machine& machine_;
  unsigned generation_;
  bool revoked_ = false;
  std::unique_ptr<sim::Context> context_;
};

}  // namespace baton::host
