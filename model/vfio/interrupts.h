// MSI and MSI-X of a device as eventfds [linux drivers/vfio/pci/vfio_pci_intrs.c].
//
// All vectors are allocated when the first eventfds are set; their number is then fixed (NORESIZE,
// as without dynamic MSI-X allocation). One kind at a time.
//
// Not modelled: INTx. No device of the fabric asserts a pin, so none is offered (vdev->nointx): its
// count is 0, and whatever is asked of it is out of range, EINVAL.
//
// Live update, policies interrupts, msi_at_boot: what happens to the interrupts of a device from
// the freeze on, and what its next kernel does with those that came (interrupts_gap.cc).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/linux/base/eventfd.h"
#include "model/linux/base/observations.h"
#include "model/linux/base/process.h"
#include "model/linux/irq/irq.h"
#include "model/linux/pci/pci_core.h"
#include "model/linux/uapi/vfio.h"

namespace baton::vfio {

// Whether the function is gone and cannot be handed over, which the log then says: `gone` is what
// the caller has seen of it, beside what the PCI core knows.
bool refuses_gone(linux::KernelServices& services, const linux::pci::PciDev& dev,
                  bool gone = false);

class Interrupts {
 public:
  Interrupts(linux::KernelServices& services, linux::pci::PciCore& core, linux::irq::IrqCore& irqs,
             linux::pci::PciDev& dev)
      : services_(services), core_(core), irqs_(irqs), dev_(dev) {}

  // Vectors that an interrupt index can have.
  std::uint32_t count(std::uint32_t index) const;
  // Vectors in use; 0 while nothing is configured.
  std::size_t enabled() const { return vectors_.size(); }

  // VFIO_DEVICE_SET_IRQS; `argument` is the caller's struct with its data.
  // A positive number: there are only so many vectors, and none is set up.
  Co<linux::Result<std::int64_t>> set(linux::Process& process, std::span<const std::byte> argument);
  // Takes down whatever is configured.
  Co<> disable();

  // Live update: so many vectors were configured when the previous kernel's owner froze the device.
  void inherit(std::size_t vectors) { inherited_ = vectors; }
  // While something is configured. EOPNOTSUPP: remapping entries cannot do it; ENOSPC;
  // ENODEV: the function is gone.
  linux::Result<> freeze();
  void unfreeze();

 private:
  struct VectorState {
    linux::CpuVector vector;
    linux::EventFd* trigger = nullptr;
    // Of an interrupt that came before this kernel's owner was there.
    std::optional<linux::InterruptOrigin> missed;
  };
  bool is_msi() const { return index_ == linux::uapi::kVfioPciMsiIrqIndex; }
  // Whether the device has interrupts of that kind configured.
  bool is_on(std::uint32_t index) const { return !vectors_.empty() && index_ == index; }
  linux::Result<std::int64_t> enable(std::uint32_t index, std::size_t count);
  linux::Result<> enable_msix(std::size_t count);
  linux::Result<> enable_msi(std::size_t count);
  void trigger(std::uint32_t start, std::uint32_t count, std::span<const std::byte> flags);
  std::function<void()> handler_of(VectorState& state, unsigned index);
  void signal(VectorState& state, unsigned index, linux::InterruptOrigin origin);
  // interrupts_gap.cc
  bool inherits() const;
  linux::Result<> adopt(std::size_t count);
  void find_missed(std::span<const linux::pci::PciCore::MsiMessage> before);
  void signal_missed();
  void told_of(std::size_t count);
  linux::Result<> silence(std::size_t index);
  Co<linux::Result<std::int64_t>> set_eventfds(linux::Process& process, std::uint32_t index,
                                               std::uint32_t start,
                                               std::span<const std::int32_t> descriptors);
  Co<linux::Result<>> set_triggers(linux::Process& process, std::uint32_t start,
                                   std::span<const std::int32_t> descriptors);
  Co<> set_trigger(VectorState& state, linux::EventFd* trigger);
  linux::Result<> write_enable(bool on, const char* by);

  linux::KernelServices& services_;
  linux::pci::PciCore& core_;
  linux::irq::IrqCore& irqs_;
  linux::pci::PciDev& dev_;
  std::uint32_t index_ = linux::uapi::kVfioPciMsixIrqIndex;  // of what is configured
  std::vector<std::unique_ptr<VectorState>> vectors_;
  std::size_t inherited_ = 0;
};

}  // namespace baton::vfio
