#include "model/vfio/group.h"

#include <algorithm>
#include <cstring>

namespace baton::vfio {

namespace {

using linux::Errno;
using linux::fail;
namespace uapi = linux::uapi;

// A group owns its DMA under an address of its own, as upstream's struct vfio_group does (assumed:
// one that no iommufd has).
constexpr std::uint64_t kGroupAddresses = 0xFFFF'8882'0000'0000;

}  // namespace

const std::vector<linux::pci::PciDev*> Group::members() const {
  return vfio.iommufds.iommu().group_devices(number);
}

std::uint64_t Group::owner_number() const { return kGroupAddresses + 0x400 * (number + 1U); }

// vfio_group_detach_container(), or the reference to the iommufd.
Co<> Group::unset_container() {
  linux::FileTable& files = vfio.services.files();
  if (Container* old = std::exchange(container, nullptr); old != nullptr) {
    co_await old->remove_group(*this);
    if (!vfio.services.has(linux::Defect::kVfioGroupKeepsOwner)) {
      vfio.iommufds.iommu().release_dma_owner(*members().front());
    }
    co_await files.put(*old);
  }
  if (iommufd::Iommufd* old = std::exchange(iommufd, nullptr); old != nullptr) {
    co_await files.put(*old);
  }
}

Co<linux::Result<std::int64_t>> GroupFile::ioctl(linux::Process& process, std::uint32_t command,
                                                 std::span<std::byte> argument) {
  switch (command) {
    case uapi::kVfioGroupGetStatus:
      co_return get_status(argument);
    case uapi::kVfioGroupSetContainer:
      co_return co_await set_container(process, argument);
    case uapi::kVfioGroupUnsetContainer:
      break;
    case uapi::kVfioGroupGetDeviceFd:
      co_return co_await get_device(process, argument);
    default:
      co_return fail(Errno::kNoTty);
  }
  if (!group_.has_iommu()) {
    co_return fail(Errno::kInval);
  }
  if (group_.container_users > 0) {
    co_return fail(Errno::kBusy);
  }
  co_await group_.unset_container();
  co_return 0;
}

// Viable: no driver of the host is in the group's way.
GroupFile::Answer GroupFile::get_status(std::span<std::byte> argument) const {
  uapi::VfioGroupStatus status;
  if (const auto taken = linux::take_argument(argument, status, sizeof(status)); !taken) {
    return fail(taken.error());
  }
  status.flags = 0;
  if (group_.has_iommu()) {
    status.flags = uapi::kVfioGroupFlagsContainerSet | uapi::kVfioGroupFlagsViable;
  } else if (!group_.vfio.iommufds.iommu().dma_claimed(*group_.members().front())) {
    status.flags = uapi::kVfioGroupFlagsViable;
  }
  linux::give_argument(argument, status);
  return 0;
}

// A container, or an iommufd that stands in for one [drivers/iommu/iommufd/vfio_compat.c].
Co<GroupFile::Answer> GroupFile::set_container(linux::Process& process,
                                               std::span<std::byte> argument) {
  const auto descriptor = linux::plain_argument<std::int32_t>(argument);
  if (!descriptor) {
    co_return fail(descriptor.error());
  }
  if (*descriptor < 0 || group_.has_iommu()) {
    co_return fail(Errno::kInval);
  }
  const auto file = process.file(*descriptor);
  if (!file) {
    co_return fail(file.error());
  }
  VfioPci::State& vfio = group_.vfio;
  if (iommufd::Iommufd* iommufd = vfio.iommufds.from_file(**file); iommufd != nullptr) {
    const auto done = set_iommufd(*iommufd);
    co_return done ? Answer(0) : fail(done.error());
  }
  auto* container = dynamic_cast<Container*>(*file);
  if (container == nullptr) {
    co_return fail(Errno::kBadFd);
  }
  linux::iommu::IommuCore& iommu = vfio.iommufds.iommu();
  linux::pci::PciDev& dev = *group_.members().front();
  if (iommu.dma_claimed(dev)) {
    co_return fail(Errno::kPerm);
  }
  linux::Result<> done = iommu.claim_dma_owner(dev, group_.owner_number());
  if (!done) {
    co_return fail(done.error());
  }
  done = container->add_group(group_);
  if (!done) {
    iommu.release_dma_owner(dev);
    co_return fail(done.error());
  }
  co_await iommu.settle();
  vfio.services.files().get(*container);
  group_.container = container;
  co_return 0;
}

linux::Result<> GroupFile::set_iommufd(iommufd::Iommufd& iommufd) {
  iommufd.create_compat_ioas();
  group_.vfio.services.files().get(iommufd);
  group_.iommufd = &iommufd;
  return {};
}

// The name ends at its NUL, or with the argument.
Device* GroupFile::named(std::span<const std::byte> argument) const {
  std::string name;
  for (const std::byte byte : argument) {
    if (byte == std::byte{0}) break;
    name.push_back(static_cast<char>(byte));
  }
  for (const auto& device : group_.vfio.devices) {
    if (device->group == &group_ && to_string(device->dev.address) == name) {
      return device.get();
    }
  }
  return nullptr;
}

// vfio_group_ioctl_get_device_fd(). The check for devices that were handed over is that of the
// posted series vfio v5.
Co<GroupFile::Answer> GroupFile::get_device(linux::Process& process,
                                            std::span<const std::byte> argument) {
  Device* device = named(argument);
  if (device == nullptr || device->unregistering) {
    co_return fail(Errno::kNoDev);
  }
  if (device->refused_by_handover() &&
      !group_.vfio.services.has(linux::Defect::kVfioGroupOpensIncoming)) {
    co_return fail(Errno::kBusy);
  }
  if (!process.has_free_descriptor()) {
    co_return fail(Errno::kMFile);
  }
  linux::KernelServices& services = group_.vfio.services;
  const auto guard = co_await device->lock.lock(services.port().context());
  if (const auto may = device->stage.check(DeviceEvent::kOpenByGroup); !may) {
    co_return fail(may.error());
  }
  if (device->group_opens == 0) {
    const auto opened = co_await open_device(*device);
    if (!opened) {
      co_return fail(opened.error());
    }
  }
  device->stage.commit(DeviceEvent::kOpenByGroup);
  ++device->group_opens;
  services.files().get(*this);
  const auto fd = process.install(services.files().add(std::make_unique<CdevFile>(*device, *this)));
  co_return fd ? Answer(*fd) : fail(fd.error());
}

// vfio_df_group_open(), first user: DMA, then the device.
Co<linux::Result<>> GroupFile::open_device(Device& device) {
  const std::optional<DeviceState> nothing;
  if (group_.iommufd == nullptr) {
    if (group_.container == nullptr || !group_.container->has_driver()) {
      co_return fail(Errno::kInval);
    }
    const auto enabled = co_await device.enable(nothing);
    if (enabled) {
      ++group_.container_users;
    }
    co_return enabled;
  }
  const auto ioas = group_.iommufd->compat_ioas();
  if (!ioas) {
    co_return fail(ioas.error());
  }
  const auto id = group_.iommufd->bind(device.dev);
  if (!id) {
    co_return fail(id.error());
  }
  linux::Result<> done = co_await device.enable(nothing);
  std::uint32_t page_table = *ioas;
  if (done) {
    done = group_.iommufd->attach(*id, page_table);
    if (!done) {
      co_await device.disable();
    }
  }
  if (!done) {
    group_.iommufd->unbind(*id);
    co_await group_.iommufd->settle();
    co_return done;
  }
  co_await group_.iommufd->settle();
  device.iommufd = group_.iommufd;
  device.iommufd_device = *id;
  co_return linux::Result<>();
}

// Device files hold a reference to this one: none is left.
Co<> GroupFile::release() {
  co_await group_.unset_container();
  group_.opened = nullptr;
}

}  // namespace baton::vfio
