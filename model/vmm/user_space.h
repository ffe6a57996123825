// User space of the simulated host: init, luod and one VMM per virtual machine. The same program
// and the same configuration on disk for every kernel; whether this boot carries something over, it
// learns from /dev/liveupdate alone.
//
// Lines of the console, each answered by OperatorAnswered:
//   live-update [on_refusal=stop|go-on-without|shut-down-vm]   all of the steps below
//   create-session, preserve, kexec   its single steps; kexec loads the image if none is loaded,
//                   pauses the guests and reboots; when that is refused the guests go on, with an
//                   interrupt that stands for what their devices said meanwhile (reinject). As part
//                   of live-update the sessions are then closed too: nobody says who refused
//   cancel          closes the sessions: everything is as before they were created
//   retrieve, finish   in the next kernel, with auto_restore off
//   cold-reboot     platform reset
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/linux/base/config.h"
#include "model/linux/kernel/kernel.h"
#include "model/vmm/guest_layout.h"
#include "model/vmm/script.h"
#include "sim/address.h"

namespace baton::vmm {

struct VmConfig {
  std::string name;                        // also the name of its LUO session: 1 to 63 characters
  std::uint64_t memory = 0;                // bytes, whole pages
  std::vector<Sbdf> devices;               // all are assigned; the guest program drives the first
  GuestDevice device = GuestDevice::kDsa;  // what the first one is
  WorkloadConfig workload;
  // A second vCPU on a core of its own, that uses the device's buffer (BAR 2) this often for as
  // long as the guest's own vCPU is paused for a live update; 0: none.
  sim::Duration core_period;
  bool carried = true;  // false: luod leaves it out of live updates, and it starts anew
  // False: its VMM leaves the interrupts of its devices configured, whatever the kernel demands.
  bool releases_interrupts = true;
  // From the last instruction of the guest until its VMM has the vCPU's registers, and from there
  // to the next one.
  sim::Duration vcpu_exit;
  sim::Duration vcpu_entry;
  // Its kernels may find interrupts that came in a gap [policies posted-capture, remember].
  bool kernel_finds_interrupts = false;
};

// A physical function whose virtual functions init makes appear, with pci-pf-stub as its driver.
struct PhysicalFunction {
  Sbdf address;
  unsigned virtual_functions = 0;
};

// A kernel on disk, for kexec_file_load.
struct KernelFile {
  std::size_t index = 0;  // of the scenario's kernels
  std::string command_line;
};

// What luod does when a VM's preservation is refused.
enum class OnRefusal : std::uint8_t {
  kStop,         // the live update ends, everything goes on
  kGoOnWithout,  // it goes on without what is refused of this VM, or without this VM
  kShutDownVm,   // this VM ends first
};

struct UserConfig {
  std::vector<VmConfig> vms;
  std::vector<PhysicalFunction> physical_functions;
  // The kernel that generation n loads is next_kernels[n], the last for all later ones.
  std::vector<KernelFile> next_kernels;
  // What a VMM of generation n injects when it takes over, or goes on after a refused reboot; the
  // last for all later ones.
  std::vector<linux::ReinjectPolicy> reinject{linux::ReinjectPolicy::kSpurious};
  // What kernel n demands of the interrupts of devices before the reboot, the last for all later
  // ones.
  std::vector<linux::InterruptPolicy> interrupts{linux::InterruptPolicy::kDisableInFreeze};
  OnRefusal on_refusal = OnRefusal::kStop;
  bool auto_restore = true;  // retrieve and finish at boot, without being asked
  // Processes whose calls the scenario writes down. Where there are no VMs beside them, luod leaves
  // /dev/liveupdate, which has one opener, to them.
  std::vector<ScriptProcess> processes;
};

linux::Init make_init(const UserConfig& config);

}  // namespace baton::vmm
