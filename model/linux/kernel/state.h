// The subsystems of one kernel, in the order in which they are built: each has references to those
// above it here. Destruction runs the other way round and touches no hardware. Private to
// model/linux/kernel.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/iommufd/iommufd.h"
#include "model/kho/kho.h"
#include "model/linux/drivers/idxd.h"
#include "model/linux/drivers/nvme.h"
#include "model/linux/drivers/pci_lu_stub.h"
#include "model/linux/drivers/pci_pf_stub.h"
#include "model/linux/drivers/vmd.h"
#include "model/linux/intel_iommu/intel_iommu.h"
#include "model/linux/iommu/iommu.h"
#include "model/linux/irq/irq.h"
#include "model/linux/kernel/boot_profile.h"
#include "model/linux/kernel/kernel.h"
#include "model/linux/kernel/sysfs.h"
#include "model/linux/pci/bus_type.h"
#include "model/linux/pci/pci_core.h"
#include "model/linux/pci/pci_liveupdate.h"
#include "model/linux/pci/pcieport.h"
#include "model/luo/luo.h"
#include "model/luo/memfd/memfd.h"
#include "model/vfio/vfio_pci.h"

namespace baton::linux {

class Kernel::State {
 public:
  State(Kernel& kernel, host::KernelPort& port, const host::BootHandoff& handoff,
        const KernelConfig& config, Init init);

  Co<> boot();

  Result<> load_kexec_image(std::size_t kernel, std::string command_line);
  // kernel_kexec() and kernel_restart(). Both return only an error.
  Co<Result<>> kexec();
  Co<> restart(std::size_t kernel, std::string command_line);

  Kernel& kernel_;
  host::KernelPort& port_;
  const KernelConfig config_;
  const host::BootHandoff handoff_;  // with the effective command line
  const Init init_;

  const std::optional<kho::Handover> handover_;
  KernelServices services_;
  kho::Kho kho_;
  luo::Luo luo_;
  pci::PciCore pci_;
  pci::PciLiveUpdate pci_live_update_;
  irq::IrqCore irq_;
  iommu::IommuCore iommu_;
  intel_iommu::IntelIommu intel_iommu_;
  pci::PciBusType pci_bus_;
  pci::PciePort pcieport_;
  drivers::Vmd vmd_;
  drivers::PciPfStub pci_pf_stub_;
  drivers::Idxd idxd_;
  drivers::Nvme nvme_;
  drivers::PciLuStub pci_lu_stub_;
  drivers::PciLuStub pci_lu_stub_pf_;
  luo::MemfdSubsystem memfd_;
  iommufd::IommufdSubsystem iommufd_;
  vfio::VfioPci vfio_pci_;
  Sysfs sysfs_;

  // kexec_file_load's image; reboot in progress (the kexec lock).
  std::optional<host::KexecImage> image_;
  bool kexec_locked_ = false;

  std::vector<std::unique_ptr<Process>> processes_;
  std::deque<std::string> console_lines_;
  sim::WaitQueue console_waiters_;

 private:
  Co<> pass(BootStage stage);
  void enter(RunPhase phase);
  Co<> bring_up_memory();
  Co<> bring_up_pci();
  Co<> bring_up_iommu();
  Co<> bring_up_drivers();
  Co<> bring_up_late();
  Co<> add_virtual_function(pci::PciDev& dev);
  Co<> remove_virtual_function(pci::PciDev& dev);
  Co<> shut_down();
  Co<> never();
};

}  // namespace baton::linux
