// linux::Kernel: one generation, composed of its subsystems in boot order, each built with
// references to those below it. Constructed from the port, the handoff and its configuration alone.
//
// Boot order [linux init/main.c; initcall levels]: kho_populate in setup_arch, kho_memory_init and
// memblock_free_all in mm_core_init, LUO (early_initcall), PCI enumeration (subsys), kho_init (fs),
// IOMMU (rootfs), drivers (device), LUO, memfd, iommufd, vfio (late), init.
//
// A panic ends in Machine::halt(): the software stops for ever, the hardware goes on.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "model/host/machine.h"
#include "model/linux/base/config.h"
#include "model/linux/base/kernel_services.h"
#include "model/linux/base/process.h"
#include "model/linux/kernel/system_calls.h"

namespace baton::linux {

class Kernel;

// User space: what init starts once the kernel is up. The same files on disk for every generation.
using Init = std::function<Co<>(Kernel& kernel)>;

// What the kernel was built with in front of the loader's command line (CONFIG_CMDLINE, and
// CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT): live update is on where its pieces are, and the command
// line can switch it off, because the last word counts.
std::string effective_command_line(const KernelConfig& config, const std::string& command_line);

class Kernel final : public host::Software {
 public:
  Kernel(host::KernelPort& port, const host::BootHandoff& handoff, const KernelConfig& config,
         Init init);
  ~Kernel() override;

  void start() override;  // spawns boot()

  KernelServices& services();
  // A new process; it lives until it exits or the kernel dies.
  Process& create_process(std::string name);
  // Starts a thread: a Panic ends it and halts the machine's kernel.
  void spawn(Co<> thread) { services().spawn(std::move(thread)); }
  // Lines from the console, for init. Waits for one.
  Co<std::string> console_line();

  class State;

 private:
  friend class SystemCalls;
  std::unique_ptr<State> state_;
};

}  // namespace baton::linux
