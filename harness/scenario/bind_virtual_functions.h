// Virtual functions that VMs own: "nvme0-vf1" is the first of those that `vfs` of nvme0 allows.
// They appear when user space asks for them, which it does for every device of which a VM owns one.
#pragma once

#include <string>
#include <vector>

#include "harness/scenario/scenario.h"

namespace baton::harness {

// What a VM can own: the devices and their virtual functions, by name.
std::vector<std::string> assignable_devices(const MachineSpec& spec);

// Adds the virtual function of this name to spec.add, if that is what it names. Names of devices
// come first.
void add_virtual_function(const std::string& name, MachineSpec& spec, Position at);

// A device that has a virtual function in a VM stays with the host.
void check_physical_functions(const Scenario& scenario, Diagnostics& diagnostics);

}  // namespace baton::harness
