// What the composition of a kernel lets observers see.
#pragma once

#include <optional>
#include <string_view>

#include "model/linux/base/errno.h"
#include "model/linux/kernel/boot_profile.h"

namespace baton::linux {

// A part of the boot begins; it takes step.duration, then does what it does.
struct BootStepEntered {
  unsigned generation;
  const BootStep& step;
};

// A process calls the kernel, and has its answer: open, ioctl, writes to sysfs, reboot. A call that
// never returns is made and not answered.
struct SystemCallMade {
  unsigned generation;
  std::string_view process;
  std::string_view call;  // "ioctl IOMMU_HWPT_ALLOC"
  bool answered;
  std::optional<Errno> error;
};

}  // namespace baton::linux
