// A kernel as far as KHO: what each generation begins with, whole or small. Small ones, that go on
// with one subsystem alone, run in conformance and in tests.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/host/machine.h"
#include "model/kho/kho.h"

namespace baton::kho {

// Where allocations before the page allocator may go: scratch when something was handed over, else
// all of RAM [linux mm/memblock.c, MEMBLOCK_KHO_SCRATCH].
std::vector<sim::PhysRange> boot_ranges(host::KernelPort& port,
                                        const std::optional<Handover>& handover);

class EarlyKernel : public host::Software {
 public:
  EarlyKernel(host::KernelPort& kernel_port, const host::BootHandoff& boot_handoff,
              const linux::KernelConfig& kernel_config);

  // mm_core_init(): preserved memory is reserved, the rest is free. A crash kernel lives in memory
  // set aside for it and frees nothing else. kho.init() is for later, after LUO's early part.
  void bring_up_memory();

  // kexec_file_load and the jump, without LUO. The caller never runs again.
  Co<> jump(std::string command_line);

  host::KernelPort& port;
  const host::BootHandoff handoff;

 private:
  const linux::KernelConfig config_;

 public:
  const std::optional<Handover> handover;
  linux::KernelServices services;
  Kho kho;
};

}  // namespace baton::kho
