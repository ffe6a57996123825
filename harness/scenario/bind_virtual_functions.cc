#include "harness/scenario/bind_virtual_functions.h"

#include <fmt/format.h>

#include <algorithm>

namespace baton::harness {
namespace {

std::string virtual_name(const AddedDevice& physical, unsigned index) {
  return fmt::format("{}-vf{}", physical.name, index + 1);
}

}  // namespace

std::vector<std::string> assignable_devices(const MachineSpec& spec) {
  std::vector<std::string> result;
  for (const AddedDevice& device : spec.add) {
    if (device.physical) continue;
    result.push_back(device.name);
    for (unsigned i = 0; i < device.vfs; ++i) result.push_back(virtual_name(device, i));
  }
  return result;
}

void add_virtual_function(const std::string& name, MachineSpec& spec, Position at) {
  if (std::ranges::find(spec.add, name, &AddedDevice::name) != spec.add.end()) return;
  for (std::size_t physical = 0; physical < spec.add.size(); ++physical) {
    const AddedDevice& device = spec.add[physical];
    for (unsigned i = 0; i < device.vfs; ++i) {
      if (virtual_name(device, i) != name) continue;
      AddedDevice added;
      added.name = name;
      added.kind = device.kind;
      added.capacity = device.capacity;
      added.physical = physical;
      added.vf_index = i;
      added.at = at;
      spec.add.push_back(added);
      return;
    }
  }
}

void check_physical_functions(const Scenario& scenario, Diagnostics& diagnostics) {
  const auto& add = scenario.machine.add;
  for (const AddedDevice& device : add) {
    if (!device.physical) continue;
    for (const VmSpec& vm : scenario.vms) {
      if (std::ranges::count(vm.devices, *device.physical) == 0) continue;
      diagnostics.add(Problem::kConflict, device.at,
                      fmt::format("\"{}\" is {}'s, \"{}\" needs it in the host",
                                  add[*device.physical].name, vm.name, device.name),
                      "the driver of the physical function makes the virtual ones appear");
    }
  }
}

}  // namespace baton::harness
