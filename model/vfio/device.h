// A function bound to vfio-pci, and the open files of its character device. Private to model/vfio.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/iommufd/iommufd.h"
#include "model/linux/base/dma_buf.h"
#include "model/luo/lock.h"
#include "model/vfio/config_view.h"
#include "model/vfio/device_state_flb.h"
#include "model/vfio/interrupts.h"
#include "model/vfio/notices.h"
#include "model/vfio/state_machine.h"
#include "model/vfio/vfio_pci.h"

namespace baton::vfio {

class CdevFile;
class Group;
class GroupFile;

// struct vfio_pci_core_device.
class Device final : private linux::DmaBuf::Exporter {
 public:
  Device(VfioPci::State& owner, linux::pci::PciDev& pci_dev, unsigned cdev_index);

  // vfio_pci_core_enable and vfio_pci_core_disable. `inherited`: the state that the previous
  // kernel's owner left, for a device that has been running ever since.
  Co<linux::Result<>> enable(const std::optional<DeviceState>& inherited);
  Co<> disable();
  // VFIO_DEVICE_RESET: EINVAL when nothing works, EAGAIN while the driver is to let go of it.
  Co<linux::Result<>> reset();
  // vfio_pci_core_try_reset: as before the first open, reset if that works.
  Co<> try_reset(const char* by);
  // dma_bufs.cc: a buffer over one of its BARs was given out. Nobody reaches the BAR through one
  // any more.
  void exported(linux::DmaBuf& buffer);
  Co<> revoke_dma_bufs();
  // Live update, generation v5: stops the device and resets it.
  Co<> freeze_by_reset();
  // power.cc: vfio_pci_set_power_state. EBUSY: it has virtual functions.
  Co<linux::Result<>> set_power_state(linux::pci::PowerState state);
  Co<> wake();
  void adopt_sleep(const std::optional<DeviceState>& sleep);
  void adopt(const DeviceState& inherited);

  // Whether a BAR can be mapped: memory, a page or more.
  bool mappable(std::uint32_t index) const;
  std::uint64_t region_size(std::uint32_t index) const;
  // The MSI-X table's place in this BAR: reads are all ones, writes are dropped.
  bool in_msix_table(std::uint32_t index, std::uint64_t offset) const;
  // Handed over and not finished: nobody opens it but through its session [posted vfio v5].
  bool refused_by_handover() const {
    return !dev.from_previous.check(linux::pci::IncomingEvent::kOpen).has_value();
  }
  bool accessible() const {
    return stage.check(DeviceEvent::kTouch).has_value() && view.memory_enabled();
  }
  // What a request to the open device is answered.
  linux::Result<> answer(DeviceEvent event) const;

  DeviceState state() const;
  // What the function had before D3hot, for baton-vfio-v1; nullopt when it keeps all itself.
  std::optional<DeviceState> sleeping_state() const;

  VfioPci::State& vfio;
  linux::pci::PciDev& dev;
  unsigned index;
  luo::Mutex lock;  // of the device set
  ConfigView view;
  Interrupts interrupts;
  Notices notices;
  bool reset_works = false;
  linux::pci::PciCore::SavedState saved;
  std::optional<linux::pci::PciCore::SavedState> pm_save;  // while in D3hot
  std::optional<std::uint32_t> msix_bar;
  std::uint32_t msix_offset = 0;
  std::uint32_t msix_size = 0;

  Group* group = nullptr;    // its IOMMU group; null without an IOMMU
  unsigned group_opens = 0;  // files that the group has given out
  // While bound to an iommufd, as a character device or behind its group.
  iommufd::Iommufd* iommufd = nullptr;
  std::uint32_t iommufd_device = 0;

  unsigned open_files = 0;  // registration references
  sim::WaitQueue closed;
  bool unregistering = false;
  linux::StateOf<DeviceStage, DeviceEvent> stage{device_table(), DeviceStage::kClosed};
  // Of a preserved one: together with its attachment; vectors in use then.
  bool preserved_iommu = false;
  std::size_t preserved_vectors = 0;

 private:
  void on_released(linux::DmaBuf& buffer) override;
  std::vector<linux::DmaBuf*> dma_bufs_;  // in the order in which they were given out
};

// /dev/vfio/devices/vfioN, the anonymous file that a retrieve makes, or the one that a group gives
// out, which is open from the start.
class CdevFile final : public linux::File {
 public:
  CdevFile(Device& opened, bool from_live_update);
  CdevFile(Device& opened, GroupFile& group);

  std::string name() const override;
  Co<linux::Result<std::int64_t>> ioctl(linux::Process& process, std::uint32_t command,
                                        std::span<std::byte> argument) override;
  Co<linux::Result<std::size_t>> pread(linux::Process& process, std::span<std::byte> to,
                                       std::uint64_t offset) override;
  Co<linux::Result<std::size_t>> pwrite(linux::Process& process, std::span<const std::byte> from,
                                        std::uint64_t offset) override;
  linux::Result<> map(std::uint64_t offset, std::uint64_t length, bool writable) override;
  linux::Result<linux::MappedPage> fault(std::uint64_t offset, bool write) override;
  Co<> release() override;

  const linux::StateOf<FileState, FileEvent>& state() const { return state_; }
  bool is_of_group() const { return via_group_ != nullptr; }

  Device& device;

 private:
  using Answer = linux::Result<std::int64_t>;
  // EINVAL before BIND, EIO once frozen.
  linux::Result<> usable() const;
  // EBUSY: the device is preserved, and policy prepared_lockdown keeps it as it is.
  linux::Result<> may_change() const;
  linux::Result<> may_set_irqs(std::span<const std::byte> argument) const;

  Co<Answer> bind(linux::Process& process, std::span<std::byte> argument);
  void taken(const linux::Process& process, linux::DeviceHolder kind);
  Co<linux::Result<>> open_device();
  Co<> unbind();
  Co<> leave_group();
  Co<Answer> change_page_table(std::uint32_t command, std::span<std::byte> argument);
  Co<Answer> set_irqs(linux::Process& process, std::span<const std::byte> argument);
  Co<> carry_out(const ConfigRequest& request);
  Answer attach(std::span<std::byte> argument);
  Answer detach(std::span<std::byte> argument);
  Answer get_info(std::span<std::byte> argument);
  Answer get_region_info(std::span<std::byte> argument);
  Answer get_irq_info(std::span<std::byte> argument);
  // hot_reset.cc
  std::uint32_t dependent_id(const linux::pci::PciDev& dev, bool& owned) const;
  Answer hot_reset_info(std::span<std::byte> argument) const;
  linux::Result<> may_reset_bus(linux::Process& process, std::span<const std::byte> descriptors);
  Co<linux::Result<>> hot_reset(linux::Process& process, std::span<const std::byte> argument);
  // feature.cc
  Answer feature(linux::Process& process, std::span<std::byte> argument);
  Answer export_dma_buf(linux::Process& process, std::span<const std::byte> argument);
  linux::Result<std::size_t> read_bar(std::uint32_t bar, std::uint64_t at, std::span<std::byte> to);
  linux::Result<std::size_t> write_bar(std::uint32_t bar, std::uint64_t at,
                                       std::span<const std::byte> from);

  CdevFile(Device& opened, FileState initial);

  bool from_live_update_;
  GroupFile* via_group_ = nullptr;
  linux::StateOf<FileState, FileEvent> state_;
};

class VfioPci::State {
 public:
  State(linux::KernelServices& kernel_services, kho::Kho& handover, luo::Luo& orchestrator,
        linux::pci::PciCore& pci_core, linux::pci::PciLiveUpdate& pci_liveupdate,
        linux::irq::IrqCore& irq_core, iommufd::IommufdSubsystem& iommufd_subsystem);
  ~State();

  // Generation "running": devices are not stopped for the jump, and their state is handed over.
  bool runs() const { return services.config().pieces.vfio == linux::VfioLiveUpdate::kRunning; }

  Device* find(Sbdf address) const;
  // The one that records of the previous kernel know under this address.
  Device* find_recorded(Sbdf key) const;
  // The previous kernel's state of an incoming device; nullopt when that kernel kept none. The
  // error of the FLB, or EINVAL when it does not know the device.
  Co<linux::Result<std::optional<DeviceState>>> inherited_state(const Device& device);
  // power.cc: what a device that came over in D3hot had before.
  Co<std::optional<DeviceState>> inherited_sleep(const Device& device);

  linux::KernelServices& services;
  kho::Kho& kho;
  luo::Luo& luo;
  linux::pci::PciCore& pci;
  linux::pci::PciLiveUpdate& pci_live_update;
  linux::irq::IrqCore& irqs;
  iommufd::IommufdSubsystem& iommufds;
  DeviceStateFlb states;
  std::vector<std::unique_ptr<Device>> devices;  // in order of probe
  std::map<unsigned, std::unique_ptr<Group>> groups;
};

}  // namespace baton::vfio
