// Resets of a whole bus [linux drivers/vfio/pci/vfio_pci_core.c:
// vfio_pci_ioctl_get_pci_hot_reset_info, vfio_pci_ioctl_pci_hot_reset].
//
// Not modelled: slots whose driver resets them.
#include <algorithm>
#include <cstring>

#include "model/linux/base/argument.h"
#include "model/linux/uapi/vfio.h"
#include "model/vfio/group.h"

namespace baton::vfio {

namespace {

using linux::Errno;
using linux::fail;
namespace uapi = linux::uapi;

}  // namespace

std::uint32_t CdevFile::dependent_id(const linux::pci::PciDev& dev, bool& owned) const {
  const Device* other = device.vfio.find(dev.address);
  if (via_group_ != nullptr) {
    return device.vfio.iommufds.iommu().group_number(dev).value_or(0);
  }
  if (other != nullptr && other->iommufd == device.iommufd) return other->iommufd_device;
  const auto group = device.vfio.iommufds.iommu().dma_owner(dev);
  if (group && group == device.vfio.iommufds.iommu().dma_owner(device.dev)) {
    return uapi::kVfioPciDevidOwned;  // not open, but in a group that this iommufd owns
  }
  owned = false;
  return uapi::kVfioPciDevidNotOwned;
}

CdevFile::Answer CdevFile::hot_reset_info(std::span<std::byte> argument) const {
  uapi::VfioPciHotResetInfo info;
  if (const auto taken = linux::take_argument(argument, info, sizeof(info)); !taken) {
    return fail(taken.error());
  }
  if (device.dev.bus->bridge == nullptr) return fail(Errno::kNoDev);
  const std::size_t room = std::min<std::size_t>(info.argsz, argument.size()) - sizeof(info);
  bool owned = true;
  std::vector<uapi::VfioPciDependentDevice> devices;
  for (const auto& member : device.dev.bus->devices) {
    const Sbdf address = member->address;
    devices.push_back({dependent_id(*member, owned), static_cast<std::uint16_t>(address.segment),
                       static_cast<std::uint8_t>(address.bdf.bus()),
                       static_cast<std::uint8_t>(address.bdf.devfn())});
  }
  info.count = static_cast<std::uint32_t>(devices.size());
  info.flags = via_group_ != nullptr ? 0 : uapi::kVfioPciHotResetFlagDevId;
  if (via_group_ == nullptr && owned) info.flags |= uapi::kVfioPciHotResetFlagDevIdOwned;
  linux::give_argument(argument, info);
  const std::size_t bytes = devices.size() * sizeof(devices[0]);
  if (bytes > room) return fail(Errno::kNoSpc);  // the count says how many there are
  std::memcpy(argument.data() + sizeof(info), devices.data(), bytes);
  return 0;
}

// Every function of the bus must be vfio-pci's, and the caller's: by its iommufd, or by the groups
// that it names.
linux::Result<> CdevFile::may_reset_bus(linux::Process& process,
                                        std::span<const std::byte> descriptors) {
  std::vector<const Group*> groups;
  for (std::size_t at = 0; at < descriptors.size(); at += sizeof(std::int32_t)) {
    std::int32_t descriptor = -1;
    std::memcpy(&descriptor, descriptors.data() + at, sizeof(descriptor));
    const auto file = process.file(descriptor);
    if (!file) return fail(file.error());
    auto* group = dynamic_cast<GroupFile*>(*file);
    if (group == nullptr) return fail(Errno::kInval);
    groups.push_back(&group->group());
  }
  for (const auto& member : device.dev.bus->devices) {
    const Device* other = device.vfio.find(member->address);
    if (other == nullptr) return fail(Errno::kNoDev);
    const bool owned = via_group_ == nullptr
                           ? other->iommufd == device.iommufd
                           : std::ranges::find(groups, other->group) != groups.end();
    if (!owned) return fail(Errno::kInval);
  }
  return {};
}

Co<linux::Result<>> CdevFile::hot_reset(linux::Process& process,
                                        std::span<const std::byte> argument) {
  uapi::VfioPciHotReset request;
  if (const auto taken = linux::take_argument(argument, request, sizeof(request)); !taken) {
    co_return fail(taken.error());
  }
  if (request.flags != 0) co_return fail(Errno::kInval);
  if (device.dev.bus->bridge == nullptr) co_return fail(Errno::kNoDev);
  // Groups are named by who came through one, and by nobody else.
  if ((request.count != 0) != (via_group_ != nullptr) ||
      request.count > device.dev.bus->devices.size()) {
    co_return fail(Errno::kInval);
  }
  const std::size_t bytes = request.count * sizeof(std::int32_t);
  if (argument.size() - sizeof(request) < bytes) co_return fail(Errno::kFault);
  const auto may = may_reset_bus(process, argument.subspan(sizeof(request), bytes));
  if (!may) co_return may;
  co_return co_await device.vfio.pci.reset_bus(device.dev);
}

}  // namespace baton::vfio
