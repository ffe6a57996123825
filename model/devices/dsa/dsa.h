// A Data Streaming Accelerator: a PCI function (root complex integrated endpoint) that copies
// memory by descriptors [Intel DSA Architecture Specification 341204].
//
// It lives from power-on to the end; a kexec does not touch it: queued work goes on, completion
// records land where they were told to, interrupts go to the old message addresses.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/pci/function.h"
#include "sim/simulation.h"
#include "sim/time.h"

namespace baton::devices::dsa {

struct DsaConfig {
  std::string name = "dsa0";
  // Data moved per second, all engines together. [Kuper et al., ASPLOS 2024: about 30 GB/s at
  // saturation; not re-measured]
  std::uint64_t bytes_per_second = 30'000'000'000;
  // Fixed work per descriptor in an engine. Assumed: "hundreds of ns" with submission and record.
  sim::Duration per_descriptor = sim::Duration::nanoseconds(100);
  // From a write of CMD to its completion, without the wait for work to drain. Assumed.
  sim::Duration per_command = sim::Duration::microseconds(1);
};

std::unique_ptr<pci::Function> make_dsa(sim::Simulation& simulation, const DsaConfig& config);

}  // namespace baton::devices::dsa
