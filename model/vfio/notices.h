// Two interrupts that are not the device's: its owner is told of an error, and asked to give it up
// [linux drivers/vfio/pci/vfio_pci_intrs.c: vfio_pci_set_err_trigger, vfio_pci_set_req_trigger].
//
// Not modelled: what raises the error notice (error recovery of the PCI core); only the owner's own
// DATA_NONE and DATA_BOOL do.
#pragma once

#include <cstdint>
#include <span>

#include "model/linux/base/eventfd.h"
#include "model/linux/base/kernel_services.h"
#include "model/linux/base/process.h"

namespace baton::vfio {

class Notices {
 public:
  Notices(linux::KernelServices& services, bool express) : services_(services), express_(express) {}

  // VFIO_PCI_ERR_IRQ_INDEX and VFIO_PCI_REQ_IRQ_INDEX are here.
  static bool has(std::uint32_t index);
  // 0: the function is not PCI Express and cannot report errors.
  std::uint32_t count(std::uint32_t index) const;
  // VFIO_DEVICE_SET_IRQS of one of the two. EINVAL, ENOTTY, EBADF, EFAULT.
  Co<linux::Result<>> set(linux::Process& process, std::span<const std::byte> argument);
  // The owner shall give the device up. False: nobody listens.
  bool request();
  // Last close.
  Co<> disable();

 private:
  Co<> put(linux::EventFd*& trigger, linux::EventFd* instead);

  linux::KernelServices& services_;
  bool express_;
  linux::EventFd* error_ = nullptr;
  linux::EventFd* request_ = nullptr;
};

}  // namespace baton::vfio
