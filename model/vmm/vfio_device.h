// One PCI function that a VMM owns: vfio-pci bound, character device open, interrupts arriving as
// eventfds [linux Documentation/driver-api/vfio.rst; the order of calls is that of the kernel's
// vfio selftests].
//
// Not modelled in user space: emulation of the guest's view of configuration space. The VMM acts
// as the guest's firmware: it enables memory and bus master of a new guest's device.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/linux/kernel/system_calls.h"
#include "model/vmm/environment.h"
#include "model/vmm/mapped_cpu.h"
#include "model/vmm/vcpu.h"

namespace baton::vmm {

class VfioDevice {
 public:
  VfioDevice(Environment& environment, linux::SystemCalls& calls, std::string_view vm,
             Sbdf address);

  // What the kernel calls the function; after a handover what the previous kernel did, until
  // find_again() has asked.
  Sbdf address() const { return address_; }
  void set_address(Sbdf address) { address_ = address; }
  Co<linux::Result<>> find_again();
  // Makes vfio-pci the driver, by driver_override and bind.
  // Takes it from the driver that has it.
  Co<linux::Result<>> bind_driver();
  // Opens the character device.
  Co<linux::Result<>> open();
  // The character device came out of a session.
  void adopt(int cdev) { cdev_ = cdev; }
  int cdev() const { return cdev_; }

  Co<linux::Result<>> bind_iommufd(int iommufd);
  std::uint32_t device_id() const { return device_id_; }
  Co<linux::Result<>> attach(std::uint32_t page_table);

  // A new guest's device: memory space and bus master on.
  Co<linux::Result<>> enable();
  // Maps BARs 0 and 2, those that there are, where the guest expects them.
  Co<linux::Result<>> map_bars(MappedCpu& cpu);
  // A BAR of this device becomes reachable for the devices of an IOAS: a dma-buf, mapped.
  Co<linux::Result<>> share_bar(int iommufd, std::uint32_t ioas, unsigned index, GuestAddr guest);
  // MSI-X entry n becomes virtual vector n of `vcpu`, which outlives the device; entry 0 has none.
  Co<linux::Result<>> connect_interrupts(Vcpu& vcpu);
  // Takes them down, and up again with the eventfds that there are.
  Co<linux::Result<>> release_interrupts();
  Co<linux::Result<>> set_interrupts();
  // What arrives from now on, or no longer, is read and not passed on.
  void discard_interrupts(bool discard) { discarding_ = discard; }
  // Ends the threads that wait for interrupts.
  Co<> stop();
  // Every call is answered by EIO: frozen by a live update that was given up.
  Co<bool> is_dead();
  // Unmaps and closes all of it.
  Co<> give_up();

 private:
  Co<linux::Result<bool>> unbind_other_driver();
  Co<> deliver(int eventfd, unsigned vector, Vcpu& vcpu);
  Co<linux::Result<>> map_bar(MappedCpu& cpu, unsigned index, GuestAddr guest);
  std::string sysfs(std::string_view file) const;
  std::unexpected<linux::Errno> failed(std::string_view step, linux::Errno error);

  Environment& environment_;
  linux::SystemCalls& calls_;
  std::string_view vm_;
  Sbdf address_;
  int cdev_ = -1;
  std::uint32_t device_id_ = 0;
  std::vector<int> eventfds_;
  struct Mapping {
    UserAddr start;
    std::uint64_t bytes;
  };
  std::vector<Mapping> mapped_;
  unsigned threads_ = 0;
  bool stopping_ = false;
  bool discarding_ = false;
  sim::WaitQueue threads_ended_;
};

}  // namespace baton::vmm
