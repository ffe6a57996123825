// What init does before the VMMs start, for each physical function that it is told of: its driver
// is pci-pf-stub, and as many virtual functions are there as were asked for. Those that outlived
// the last kernel are left alone.
#pragma once

#include "model/linux/kernel/system_calls.h"
#include "model/vmm/environment.h"
#include "model/vmm/user_space.h"

namespace baton::vmm {

// Says on the console what was refused.
Co<linux::Result<>> enable_virtual_functions(Environment& environment, linux::SystemCalls& calls,
                                             PhysicalFunction function);

}  // namespace baton::vmm
