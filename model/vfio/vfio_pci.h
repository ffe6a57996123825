// vfio-pci with character devices, and its live update: generations "v5" (as posted) and "running"
// (design target) [linux drivers/vfio/pci/; posted series v5].
#pragma once

#include <memory>
#include <optional>

#include "model/iommufd/iommufd.h"
#include "model/linux/driver_core/driver.h"
#include "model/linux/irq/irq.h"
#include "model/linux/pci/pci_core.h"
#include "model/linux/pci/pci_liveupdate.h"
#include "model/luo/luo.h"

namespace baton::vfio {

// The driver, its cdevs /dev/vfio/devices/vfioN, and the LUO handler "vfio-pci-v1".
class VfioPci final : public linux::pci::Driver, public luo::FileHandler {
 public:
  VfioPci(linux::KernelServices& services, kho::Kho& kho, luo::Luo& luo, linux::pci::PciCore& pci,
          linux::pci::PciLiveUpdate& pci_live_update, linux::irq::IrqCore& irq,
          iommufd::IommufdSubsystem& iommufd);
  ~VfioPci() override;

  // module init: LUO handler, PCI FLB, own FLB baton-vfio-v1.
  void init();

  // Module parameter enable_sriov: user space may enable VFs of a function of this driver.
  void allow_sriov() { sriov_allowed_ = true; }

  // Opens /dev/vfio/devices/vfio<index>: ENOENT, EBUSY (incoming), ENODEV.
  linux::Result<linux::File*> open_cdev(unsigned index);
  // Opens /dev/vfio/<number>: ENOENT, EBUSY (open already, or a cdev of it is bound). Opens
  // /dev/vfio/vfio.
  linux::Result<linux::File*> open_group(unsigned number);
  linux::Result<linux::File*> open_container();
  // The cdev number of a bound function, as /sys/bus/pci/devices/<sbdf>/vfio-dev/vfioN shows it.
  std::optional<unsigned> cdev_of(Sbdf address) const;

  // linux::pci::Driver
  std::string_view name() const override;
  bool matches(const linux::pci::PciDev& dev) const override;
  bool driver_managed_dma() const override { return true; }
  linux::pci::DataFormat data_format() const override;
  Co<linux::Result<>> probe(linux::pci::PciDev& dev) override;
  Co<> remove(linux::pci::PciDev& dev) override;
  Co<linux::Result<>> sriov_configure(linux::pci::PciDev& dev, unsigned count) override;

  // luo::FileHandler
  std::string_view compatible() const override;
  bool can_preserve(linux::File& file) override;
  Co<linux::Result<>> preserve(luo::FileArgs& args) override;
  Co<> unpreserve(luo::FileArgs& args) override;
  Co<linux::Result<>> freeze(luo::FileArgs& args) override;
  Co<> unfreeze(luo::FileArgs& args) override;
  Co<linux::Result<linux::File*>> retrieve(luo::FileArgs& args) override;
  Co<bool> can_finish(luo::FileArgs& args) override;
  Co<> finish(luo::FileArgs& args) override;

  class State;

 private:
  std::unique_ptr<State> state_;
  bool sriov_allowed_ = false;
};

}  // namespace baton::vfio
