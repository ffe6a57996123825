// How long a kernel takes for each part of a boot and of a kexec, in order, each with its source.
// With the machine's purgatory the default profile of a boot sums up to 1.0 s of simulated time.
#pragma once

#include <span>
#include <string_view>

#include "sim/time.h"

namespace baton::linux {

enum class BootStage {
  kEarlySetup,
  kMemory,
  kSmp,
  kEarlyInitcalls,
  kPciEnumeration,
  kFsInitcalls,
  kIommu,
  kIommuAttach,
  kDrivers,
  kLateInitcalls,
  kUserSpace,
};

struct BootStep {
  BootStage stage;
  std::string_view name;  // what runs
  sim::Duration duration;
  std::string_view source;
};

std::span<const BootStep> boot_profile();
const BootStep& boot_step(BootStage stage);
sim::Duration boot_profile_total();

// The way down, after user space has asked for it.
inline constexpr sim::Duration kDeviceShutdownTime = sim::Duration::milliseconds(20);  // assumed
inline constexpr sim::Duration kMachineShutdownTime = sim::Duration::milliseconds(5);  // assumed

}  // namespace baton::linux
