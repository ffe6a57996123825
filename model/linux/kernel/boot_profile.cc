#include "model/linux/kernel/boot_profile.h"

#include <array>

namespace baton::linux {

namespace {

using sim::Duration;

// Total and the share of SMP bring-up: figures reported for a kexec boot after tuning, 1 s with 60
// ms of SMP, machine unknown. How the rest is shared out is assumed.
constexpr std::string_view kReported = "reported for a tuned kexec boot";
constexpr std::string_view kAssumed = "assumed";

constexpr std::array<BootStep, 11> kProfile{{
    {BootStage::kEarlySetup, "setup_arch", Duration::milliseconds(120), kAssumed},
    {BootStage::kMemory, "mm_core_init", Duration::milliseconds(80), kAssumed},
    {BootStage::kSmp, "smp_init", Duration::milliseconds(60), kReported},
    {BootStage::kEarlyInitcalls, "early_initcall", Duration::milliseconds(10), kAssumed},
    {BootStage::kPciEnumeration, "subsys_initcall: acpi_pci_root_add", Duration::milliseconds(120),
     kAssumed},
    {BootStage::kFsInitcalls, "fs_initcall", Duration::milliseconds(20), kAssumed},
    {BootStage::kIommu, "rootfs_initcall: intel_iommu_init", Duration::milliseconds(60), kAssumed},
    {BootStage::kIommuAttach, "rootfs_initcall: iommu_device_register", Duration::milliseconds(20),
     kAssumed},
    {BootStage::kDrivers, "device_initcall", Duration::milliseconds(250), kAssumed},
    {BootStage::kLateInitcalls, "late_initcall", Duration::milliseconds(40), kAssumed},
    {BootStage::kUserSpace, "run_init_process", Duration::milliseconds(200), kAssumed},
}};

constexpr Duration total() {
  Duration sum;
  for (const BootStep& step : kProfile) {
    sum += step.duration;
  }
  return sum;
}

constexpr bool in_order() {
  for (std::size_t i = 0; i < kProfile.size(); ++i) {
    if (static_cast<std::size_t>(kProfile[i].stage) != i) {
      return false;
    }
  }
  return true;
}
static_assert(in_order());

}  // namespace

std::span<const BootStep> boot_profile() { return kProfile; }

const BootStep& boot_step(BootStage stage) { return kProfile[static_cast<std::size_t>(stage)]; }

sim::Duration boot_profile_total() { return total(); }

}  // namespace baton::linux
