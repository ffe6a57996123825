// What one kernel gives the next: physical addresses and a command line, nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/address.h"
#include "sim/memory.h"

namespace baton::host {

// The image that kexec_file_load prepared. The segments lie in simulated RAM; `setup_data` is the
// physical address of the first setup_data entry, 0 for none [linux arch/x86/include/uapi/asm/
// setup_data.h].
struct KexecImage {
  std::size_t kernel = 0;  // which of the scenario's kernels the loaded file is
  std::string command_line;
  std::vector<sim::PhysRange> segments;
  PhysAddr setup_data;
};

// What the new kernel finds. A cold boot has no segments and no setup_data.
struct BootHandoff {
  std::string command_line;
  std::vector<sim::PhysRange> segments;
  PhysAddr setup_data;
  bool cold = true;
};

}  // namespace baton::host
