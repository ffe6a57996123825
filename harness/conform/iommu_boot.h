// What Linux writes to a remapping unit's registers over two boots: a cold boot, then a kexec or a
// crash into a second kernel. Only the IOMMU part of a kernel runs, on a machine without devices
// beyond the one whose tables it makes.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "model/iommu_vtd/profile.h"

namespace baton::harness {

struct RegisterWrite {
  std::uint64_t offset = 0;
  unsigned bytes = 0;
  std::uint64_t value = 0;
};

struct IommuBootConfig {
  iommu_vtd::Profile unit;
  bool interrupt_remapping = true;
  bool scalable = false;  // intel_iommu=sm_on
  bool crash = false;     // the first kernel stops dead; the second one boots as kdump's does
};

struct IommuBoots {
  std::vector<RegisterWrite> cold;
  std::vector<RegisterWrite> shutdown;
  std::vector<RegisterWrite> next;
};

// The error is what made a kernel stop.
std::expected<IommuBoots, std::string> run_iommu_boots(const IommuBootConfig& config);

}  // namespace baton::harness
