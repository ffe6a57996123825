// The calls on a device's character device [linux drivers/vfio/device_cdev.c, vfio_main.c,
// pci/vfio_pci_core.c, pci/vfio_pci_rdwr.c].
//
// Not modelled: VF tokens, ioeventfd (ENOTTY), the ROM and VGA regions (size 0).
#include <algorithm>
#include <cstring>

#include "model/linux/base/argument.h"
#include "model/linux/base/observations.h"
#include "model/linux/uapi/vfio.h"
#include "model/vfio/group.h"

namespace baton::vfio {

namespace {

using linux::Errno;
namespace uapi = linux::uapi;

constexpr std::uint64_t kRegionMask = (std::uint64_t{1} << uapi::kVfioPciOffsetShift) - 1;

using linux::give_argument;
using linux::take_argument;

// The widest access, of at most `widest` bytes, that is aligned and fits.
unsigned access_width(std::uint64_t at, std::size_t left, unsigned widest) {
  unsigned width = widest;
  while (at % width != 0 || width > left) {
    width /= 2;
  }
  return width;
}

}  // namespace

CdevFile::CdevFile(Device& opened, FileState initial)
    : device(opened),
      from_live_update_(initial == FileState::kRetrieved),
      state_(file_table(), initial) {
  ++device.open_files;
}

CdevFile::CdevFile(Device& opened, bool from_live_update)
    : CdevFile(opened, from_live_update ? FileState::kRetrieved : FileState::kOpened) {}

CdevFile::CdevFile(Device& opened, GroupFile& group) : CdevFile(opened, FileState::kOfGroup) {
  via_group_ = &group;
}

std::string CdevFile::name() const {
  if (via_group_ != nullptr) return "anon_inode:[vfio-device]";
  return from_live_update_ ? "anon_inode:[vfio-device-liveupdate]"
                           : fmt::format("/dev/vfio/devices/vfio{}", device.index);
}

linux::Result<> CdevFile::usable() const {
  const auto has = state_.check(FileEvent::kRequest);
  return has ? device.answer(DeviceEvent::kUse) : has;
}

linux::Result<> CdevFile::may_change() const {
  const bool locked =
      device.vfio.services.config().policies.prepared_lockdown != linux::PreparedLockdown::kNone;
  return device.answer(locked ? DeviceEvent::kChange : DeviceEvent::kUse);
}

// What the freeze may demand, interrupts down, and what makes that undone, as many up as there
// were, leave what was recorded true.
linux::Result<> CdevFile::may_set_irqs(std::span<const std::byte> argument) const {
  uapi::VfioIrqSet request;
  if (argument.size() < sizeof(request)) {
    return {};  // is refused for that
  }
  std::memcpy(&request, argument.data(), sizeof(request));
  const bool down = (request.flags & uapi::kVfioIrqSetDataNone) != 0 && request.count == 0;
  const bool up_again = device.interrupts.enabled() == 0 && request.start == 0 &&
                        (request.flags & uapi::kVfioIrqSetDataEventfd) != 0 &&
                        request.count == device.preserved_vectors;
  return down || up_again ? linux::Result<>() : may_change();
}

Co<linux::Result<std::int64_t>> CdevFile::ioctl(linux::Process& process, std::uint32_t command,
                                                std::span<std::byte> argument) {
  if (command == uapi::kVfioDeviceBindIommufd) {
    co_return co_await bind(process, argument);
  }
  if (const auto can = usable(); !can) {
    co_return linux::fail(can.error());
  }
  switch (command) {
    case uapi::kVfioDeviceAttachIommufdPt:
    case uapi::kVfioDeviceDetachIommufdPt:
      co_return co_await change_page_table(command, argument);
    case uapi::kVfioDeviceGetInfo:
      co_return get_info(argument);
    case uapi::kVfioDeviceGetRegionInfo:
      co_return get_region_info(argument);
    case uapi::kVfioDeviceGetIrqInfo:
      co_return get_irq_info(argument);
    case uapi::kVfioDeviceGetPciHotResetInfo:
      co_return hot_reset_info(argument);
    case uapi::kVfioDeviceFeature:
      co_return feature(process, argument);
    default:
      break;
  }
  const auto guard = co_await device.lock.lock(device.vfio.services.port().context());
  // Frozen, or preserved, while this call waited.
  linux::Result<> done = usable();
  if (!done) co_return linux::fail(done.error());
  done = linux::fail(Errno::kNoTty);
  if (command == uapi::kVfioDeviceSetIrqs) {
    done = may_set_irqs(argument);
    if (!done) co_return linux::fail(done.error());
    co_return co_await set_irqs(process, argument);
  }
  if (command == uapi::kVfioDeviceReset) {
    done = may_change();
    if (done) done = co_await device.reset();
  } else if (command == uapi::kVfioDevicePciHotReset) {
    done = co_await hot_reset(process, argument);
  }
  co_return done ? Answer(0) : linux::fail(done.error());
}

Co<CdevFile::Answer> CdevFile::change_page_table(std::uint32_t command,
                                                 std::span<std::byte> argument) {
  if (const auto has = state_.check(FileEvent::kPageTable); !has) {
    co_return linux::fail(has.error());
  }
  if (const auto may = may_change(); !may) {
    co_return linux::fail(may.error());
  }
  const Answer answer =
      command == uapi::kVfioDeviceAttachIommufdPt ? attach(argument) : detach(argument);
  co_await device.iommufd->settle();
  co_return answer;
}

Co<CdevFile::Answer> CdevFile::set_irqs(linux::Process& process,
                                        std::span<const std::byte> argument) {
  uapi::VfioIrqSet request;
  if (argument.size() < sizeof(request)) {
    co_return linux::fail(Errno::kFault);
  }
  std::memcpy(&request, argument.data(), sizeof(request));
  if (Notices::has(request.index)) {
    const auto done = co_await device.notices.set(process, argument);
    co_return done ? Answer(0) : linux::fail(done.error());
  }
  co_return co_await device.interrupts.set(process, argument);
}

Co<CdevFile::Answer> CdevFile::bind(linux::Process& process, std::span<std::byte> argument) {
  constexpr std::size_t kMinimum = 16;
  uapi::VfioDeviceBindIommufd request;
  if (const auto taken = take_argument(argument, request, kMinimum); !taken) {
    co_return linux::fail(taken.error());
  }
  if (const auto may = state_.check(FileEvent::kBind); !may) {
    co_return linux::fail(may.error());
  }
  if (request.flags != 0 || request.iommufd < 0) {
    co_return linux::fail(Errno::kInval);
  }
  // vfio_device_block_group().
  if (device.group != nullptr && device.group->opened != nullptr &&
      !device.vfio.services.has(linux::Defect::kVfioCdevBesideGroup)) {
    co_return linux::fail(Errno::kBusy);
  }
  linux::KernelServices& services = device.vfio.services;
  taken(process, linux::DeviceHolder::kProcess);
  const auto guard = co_await device.lock.lock(services.port().context());
  // A cdev has one owner: this file, or another.
  if (const auto may = device.stage.check(DeviceEvent::kBind); !may) {
    co_return linux::fail(may.error());
  }
  const auto file = process.file(request.iommufd);
  if (!file) {
    co_return linux::fail(file.error());
  }
  iommufd::Iommufd* iommufd = device.vfio.iommufds.from_file(**file);
  if (iommufd == nullptr) {
    co_return linux::fail(Errno::kBadFd);
  }
  // DMA ownership first: a refused BIND never reaches the device.
  const auto id = iommufd->bind(device.dev);
  if (!id) {
    co_return linux::fail(id.error());
  }
  services.files().get(*iommufd);
  co_await iommufd->settle();
  const auto opened = co_await open_device();
  if (!opened) {
    iommufd->unbind(*id);
    co_await iommufd->settle();
    co_await services.files().put(*iommufd);
    co_return linux::fail(opened.error());
  }
  device.iommufd = iommufd;
  device.iommufd_device = *id;
  device.stage.commit(DeviceEvent::kBind);
  state_.commit(FileEvent::kBind);
  if (device.group != nullptr) ++device.group->bound_cdevs;
  request.out_devid = *id;
  taken(process, linux::DeviceHolder::kIommufd);
  give_argument(argument.first(std::min<std::size_t>(argument.size(), kMinimum)), request);
  co_return 0;
}

void CdevFile::taken(const linux::Process& process, linux::DeviceHolder kind) {
  host::KernelPort& port = device.vfio.services.port();
  const auto& topic = port.simulation().topic<linux::DeviceTaken>();
  if (topic.active()) {
    topic.publish({port.generation(), device.dev.address, kind, process.name()});
  }
}

Co<linux::Result<>> CdevFile::open_device() {
  std::optional<DeviceState> inherited;
  // Generation v5 has reset the device, and finds nothing else of it.
  if (from_live_update_ && device.dev.incoming() && device.vfio.runs()) {
    const auto state = co_await device.vfio.inherited_state(device);
    if (!state) {
      co_return linux::fail(state.error());
    }
    inherited = *state;
    const auto sleep = co_await device.vfio.inherited_sleep(device);
    device.adopt_sleep(sleep);
  }
  co_return co_await device.enable(inherited);
}

namespace {

// The PASID of a request that says that it has one; the struct must be long enough for it. 0: for
// requests without PASID. AMBIGUOUS: PASID 0 by its number is refused.
template <class T>
linux::Result<std::uint32_t> pasid_of(const T& request, std::span<const std::byte> argument) {
  if ((request.flags & uapi::kVfioAttachPasid) == 0) {
    return 0U;
  }
  const bool there = request.argsz >= sizeof(request) && argument.size() >= sizeof(request);
  return there && request.pasid != 0 ? linux::Result<std::uint32_t>(request.pasid)
                                     : linux::fail(Errno::kInval);
}

}  // namespace

CdevFile::Answer CdevFile::attach(std::span<std::byte> argument) {
  uapi::VfioDeviceAttachIommufdPt request;
  if (const auto taken = take_argument(argument, request, 12); !taken) {
    return linux::fail(taken.error());
  }
  if ((request.flags & ~uapi::kVfioAttachPasid) != 0) {
    return linux::fail(Errno::kInval);
  }
  const auto pasid = pasid_of(request, argument);
  if (!pasid) {
    return linux::fail(pasid.error());
  }
  const auto done = device.iommufd->attach(device.iommufd_device, request.pt_id, *pasid);
  if (!done) {
    return linux::fail(done.error());
  }
  give_argument(argument.first(12), request);
  return 0;
}

CdevFile::Answer CdevFile::detach(std::span<std::byte> argument) {
  uapi::VfioDeviceDetachIommufdPt request;
  if (const auto taken = take_argument(argument, request, 8); !taken) {
    return linux::fail(taken.error());
  }
  if ((request.flags & ~uapi::kVfioAttachPasid) != 0) {
    return linux::fail(Errno::kInval);
  }
  const auto pasid = pasid_of(request, argument);
  if (!pasid) {
    return linux::fail(pasid.error());
  }
  const auto done = device.iommufd->detach(device.iommufd_device, *pasid);
  return done ? Answer(0) : linux::fail(done.error());
}

CdevFile::Answer CdevFile::get_info(std::span<std::byte> argument) {
  uapi::VfioDeviceInfo info;
  if (const auto taken = take_argument(argument, info, 16); !taken) {
    return linux::fail(taken.error());
  }
  const std::size_t room = std::min<std::size_t>({info.argsz, sizeof(info), argument.size()});
  info.flags = uapi::kVfioDeviceFlagsPci;
  if (device.reset_works) {
    info.flags |= uapi::kVfioDeviceFlagsReset;
  }
  info.num_regions = uapi::kVfioPciNumRegions;
  info.num_irqs = uapi::kVfioPciNumIrqs;
  info.cap_offset = 0;
  give_argument(argument.first(room), info);
  return 0;
}

CdevFile::Answer CdevFile::get_region_info(std::span<std::byte> argument) {
  uapi::VfioRegionInfo info;
  if (const auto taken = take_argument(argument, info, sizeof(info)); !taken) {
    return linux::fail(taken.error());
  }
  if (info.index >= uapi::kVfioPciNumRegions || info.index == uapi::kVfioPciVgaRegionIndex) {
    return linux::fail(Errno::kInval);
  }
  const std::uint32_t index = info.index;
  const std::size_t room = std::min<std::size_t>(info.argsz, argument.size());
  info.offset = uapi::vfio_region_offset(index);
  info.size = device.region_size(index);
  info.flags = 0;
  info.cap_offset = 0;
  if (info.size != 0) {
    info.flags = uapi::kVfioRegionInfoFlagRead | uapi::kVfioRegionInfoFlagWrite;
  }
  if (device.mappable(index)) {
    info.flags |= uapi::kVfioRegionInfoFlagMmap;
  }
  info.argsz = sizeof(info);
  if (device.mappable(index) && device.msix_bar == index) {
    uapi::VfioInfoCapHeader capability;
    capability.id = uapi::kVfioRegionInfoCapMsixMappable;
    info.flags |= uapi::kVfioRegionInfoFlagCaps;
    if (room < sizeof(info) + sizeof(capability)) {
      info.argsz = sizeof(info) + sizeof(capability);  // ask again with this much room
    } else {
      info.cap_offset = sizeof(info);
      give_argument(argument.subspan(sizeof(info)), capability);
    }
  }
  give_argument(argument, info);
  return 0;
}

CdevFile::Answer CdevFile::get_irq_info(std::span<std::byte> argument) {
  uapi::VfioIrqInfo info;
  if (const auto taken = take_argument(argument, info, sizeof(info)); !taken) {
    return linux::fail(taken.error());
  }
  if (info.index >= uapi::kVfioPciNumIrqs ||
      (Notices::has(info.index) && device.notices.count(info.index) == 0)) {
    return linux::fail(Errno::kInval);
  }
  info.flags = uapi::kVfioIrqInfoEventfd;
  info.flags |= info.index == uapi::kVfioPciIntxIrqIndex
                    ? uapi::kVfioIrqInfoMaskable | uapi::kVfioIrqInfoAutomasked
                    : uapi::kVfioIrqInfoNoresize;
  info.count = Notices::has(info.index) ? device.notices.count(info.index)
                                        : device.interrupts.count(info.index);
  give_argument(argument, info);
  return 0;
}

Co<linux::Result<std::size_t>> CdevFile::pread(linux::Process& /*process*/, std::span<std::byte> to,
                                               std::uint64_t offset) {
  if (const auto can = usable(); !can) {
    co_return linux::fail(can.error());
  }
  const auto region = static_cast<std::uint32_t>(offset >> uapi::kVfioPciOffsetShift);
  const std::uint64_t at = offset & kRegionMask;
  const std::uint64_t size = device.region_size(region);
  if (at >= size) {
    co_return linux::fail(Errno::kInval);
  }
  to = to.first(std::min<std::size_t>(to.size(), size - at));
  if (region != uapi::kVfioPciConfigRegionIndex) {
    co_return read_bar(region, at, to);
  }
  for (std::size_t done = 0; done < to.size();) {
    const auto register_at = static_cast<std::uint16_t>(at + done);
    const unsigned width = access_width(register_at, to.size() - done, 4);
    const std::uint32_t value = device.view.read(register_at, width);
    std::memcpy(to.data() + done, &value, width);
    done += width;
  }
  co_return to.size();
}

Co<linux::Result<std::size_t>> CdevFile::pwrite(linux::Process& /*process*/,
                                                std::span<const std::byte> from,
                                                std::uint64_t offset) {
  if (const auto can = usable(); !can) {
    co_return linux::fail(can.error());
  }
  const auto region = static_cast<std::uint32_t>(offset >> uapi::kVfioPciOffsetShift);
  const std::uint64_t at = offset & kRegionMask;
  const std::uint64_t size = device.region_size(region);
  if (at >= size) {
    co_return linux::fail(Errno::kInval);
  }
  from = from.first(std::min<std::size_t>(from.size(), size - at));
  if (region != uapi::kVfioPciConfigRegionIndex) {
    co_return write_bar(region, at, from);
  }
  if (const auto may = may_change(); !may) {
    co_return linux::fail(may.error());
  }
  for (std::size_t done = 0; done < from.size();) {
    const auto register_at = static_cast<std::uint16_t>(at + done);
    const unsigned width = access_width(register_at, from.size() - done, 4);
    std::uint32_t value = 0;
    std::memcpy(&value, from.data() + done, width);
    const ConfigRequest request = device.view.write(register_at, width, value);
    co_await carry_out(request);
    done += width;
  }
  co_return from.size();
}

// Nobody hears of an error: a configuration write has no answer.
Co<> CdevFile::carry_out(const ConfigRequest& request) {
  if (request.reset) {
    static_cast<void>(co_await device.vfio.pci.reset_function(device.dev));
  }
  if (request.power) {
    static_cast<void>(co_await device.set_power_state(*request.power));
  }
}

linux::Result<std::size_t> CdevFile::read_bar(std::uint32_t bar, std::uint64_t at,
                                              std::span<std::byte> to) {
  if (!device.accessible()) {
    return linux::fail(Errno::kIo);
  }
  for (std::size_t done = 0; done < to.size();) {
    const unsigned width = access_width(at + done, to.size() - done, 8);
    const PhysAddr address = device.dev.resources[bar].start + (at + done);
    const std::uint64_t value = device.in_msix_table(bar, at + done)
                                    ? ~std::uint64_t{0}
                                    : device.vfio.services.port().mmio_read(address, width);
    std::memcpy(to.data() + done, &value, width);
    done += width;
  }
  return to.size();
}

linux::Result<std::size_t> CdevFile::write_bar(std::uint32_t bar, std::uint64_t at,
                                               std::span<const std::byte> from) {
  if (!device.accessible()) {
    return linux::fail(Errno::kIo);
  }
  for (std::size_t done = 0; done < from.size();) {
    const unsigned width = access_width(at + done, from.size() - done, 8);
    if (!device.in_msix_table(bar, at + done)) {
      std::uint64_t value = 0;
      std::memcpy(&value, from.data() + done, width);
      device.vfio.services.port().mmio_write(device.dev.resources[bar].start + (at + done), width,
                                             value);
    }
    done += width;
  }
  return from.size();
}

linux::Result<> CdevFile::map(std::uint64_t offset, std::uint64_t length, bool /*writable*/) {
  if (const auto can = usable(); !can) {
    return can;
  }
  const auto region = static_cast<std::uint32_t>(offset >> uapi::kVfioPciOffsetShift);
  const std::uint64_t at = offset & kRegionMask;
  if (!device.mappable(region) || length > device.region_size(region) ||
      at > device.region_size(region) - length) {
    return linux::fail(Errno::kInval);
  }
  return {};
}

// A frozen device's mappings are zapped, like those of one whose memory decode is off.
linux::Result<linux::MappedPage> CdevFile::fault(std::uint64_t offset, bool /*write*/) {
  if (const auto has = state_.check(FileEvent::kFault); !has) {
    return linux::fail(has.error());
  }
  if (!device.accessible()) {
    return linux::fail(Errno::kFault);
  }
  const auto region = static_cast<std::uint32_t>(offset >> uapi::kVfioPciOffsetShift);
  return linux::MappedPage{device.dev.resources[region].start + (offset & kRegionMask), true};
}

Co<> CdevFile::release() {
  linux::KernelServices& services = device.vfio.services;
  const auto guard = co_await device.lock.lock(services.port().context());
  if (via_group_ != nullptr) {
    co_await leave_group();
  } else if (state_.value() == FileState::kBound) {
    co_await unbind();
  }
  state_.commit(FileEvent::kClose);
  if (--device.open_files == 0) {
    device.closed.wake_all();
  }
}

// Last close.
Co<> CdevFile::unbind() {
  co_await device.disable();
  device.stage.commit(DeviceEvent::kClose);
  iommufd::Iommufd* iommufd = device.iommufd;
  iommufd->unbind(device.iommufd_device);
  co_await iommufd->settle();
  device.iommufd = nullptr;
  if (device.group != nullptr) --device.group->bound_cdevs;
  co_await device.vfio.services.files().put(*iommufd);
}

// vfio_df_group_close().
Co<> CdevFile::leave_group() {
  Group& group = via_group_->group();
  if (--device.group_opens == 0) {
    co_await device.disable();
    device.stage.commit(DeviceEvent::kClose);
    if (iommufd::Iommufd* iommufd = device.iommufd; iommufd != nullptr) {
      iommufd->unbind(device.iommufd_device);
      co_await iommufd->settle();
      device.iommufd = nullptr;
    } else {
      --group.container_users;
    }
  }
  co_await device.vfio.services.files().put(*via_group_);
}

}  // namespace baton::vfio
