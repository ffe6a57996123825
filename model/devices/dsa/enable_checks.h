// What Enable Device and Enable WQ demand of the configuration, in a state of the device that
// allows them [DSA 341204, chapters 3 and 9; command descriptions]. The order of the checks is the
// specification's list; which failure a part reports first is its own choice.
#pragma once

#include <cstdint>

#include "model/devices/dsa/register_file.h"

namespace baton::devices::dsa {

// What the PCI side contributes.
struct PciEnables {
  bool bus_master = false;
  bool pasid = false;
  bool privileged = false;
  bool page_requests = false;
};

CommandError check_enable_device(const RegisterFile& registers, const PciEnables& pci);
CommandError check_enable_wq(const RegisterFile& registers, const PciEnables& pci,
                             std::uint32_t wq);

}  // namespace baton::devices::dsa
