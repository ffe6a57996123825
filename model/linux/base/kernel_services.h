// What every subsystem of one kernel generation may use: its port to the hardware, its memory, its
// open files, its configuration, its log. Built first, destroyed last.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "model/host/kernel_port.h"
#include "model/linux/base/config.h"
#include "model/linux/base/file.h"
#include "model/linux/base/page_alloc.h"

namespace baton::linux {

// Thrown by panic(): unwinds the actor that called it; the machine halts the kernel.
struct Panic {
  std::string reason;
};

class KernelServices {
 public:
  KernelServices(host::KernelPort& port, const KernelConfig& config,
                 std::vector<sim::PhysRange> boot_ranges);

  host::KernelPort& port() { return port_; }
  const KernelConfig& config() const { return config_; }
  bool has(Defect defect) const { return config_.defects.has(defect); }
  PageAllocator& pages() { return pages_; }
  FileTable& files() { return files_; }
  unsigned generation() const { return port_.generation(); }

  // printk: a line of the kernel's log, stamped with simulated time. `level` as sim::LogLevel.
  template <class... Args>
  void print(sim::LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
    port_.simulation().log().write(level, name_, format, std::forward<Args>(args)...);
  }

  // Lets `duration` of kernel time pass; nothing happens for a duration of 0.
  Co<> spend(sim::Duration duration);

  // Starts an actor of this kernel. A Panic ends the actor that raised it, and nothing else: the
  // machine halts the kernel from its event loop. An access to an address that is not memory is a
  // page fault, and a panic too: the address came out of a table that somebody overwrote.
  void spawn(Co<> body);

  // panic(): logs the reason, asks the machine to halt, and does not return.
  [[noreturn]] void panic(std::string reason);

 private:
  Co<> until_panic(Co<> body);
  void stop(const std::string& reason);

  host::KernelPort& port_;
  const KernelConfig& config_;
  std::string name_;  // "kernel0"
  PageAllocator pages_;
  FileTable files_;
};

}  // namespace baton::linux
