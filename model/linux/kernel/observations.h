// What the composition of a kernel lets observers see.
#pragma once

#include "model/linux/kernel/boot_profile.h"

namespace baton::linux {

// A part of the boot begins; it takes step.duration, then does what it does.
struct BootStepEntered {
  unsigned generation;
  const BootStep& step;
};

}  // namespace baton::linux
