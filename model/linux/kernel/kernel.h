// linux::Kernel: one generation, composed of its subsystems in boot order, each built with
// references to those below it. Constructed from the port, the handoff and its configuration alone.
#pragma once

#include <functional>
#include <memory>

#include "model/host/machine.h"
#include "model/linux/base/config.h"
#include "model/linux/base/kernel_services.h"
#include "model/linux/base/process.h"
#include "model/linux/kernel/system_calls.h"

namespace baton::linux {

// User space: what init starts once the kernel is up. The same files on disk for every generation.
using Init = std::function<Co<>(Kernel& kernel)>;

class Kernel final : public host::Software {
 public:
  Kernel(host::KernelPort& port, host::BootHandoff handoff, const KernelConfig& config, Init init);
  ~Kernel() override;

  void start() override;  // spawns boot()

  KernelServices& services();
  // A new process; it lives until it exits or the kernel dies.
  Process& create_process(std::string name);
  // Lines from the console, for init.
  Co<std::string> console_line();

 private:
  friend class SystemCalls;
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::linux
