#include "model/vmm/vfio_device.h"

#include <cstring>

#include "model/linux/kernel/sysfs.h"
#include "model/linux/uapi/iommufd.h"
#include "model/linux/uapi/liveupdate.h"
#include "model/linux/uapi/vfio.h"
#include "model/vmm/guest_layout.h"

namespace baton::vmm {

namespace uapi = linux::uapi;
using linux::Errno;
using linux::Result;

namespace {

constexpr std::uint64_t kCommandOffset = 4;
constexpr std::uint16_t kCommandMemory = 2;
constexpr std::uint16_t kCommandBusMaster = 4;
constexpr std::uint32_t kReadWriteCloseOnExec = 02000002;  // O_RDWR | O_CLOEXEC

}  // namespace

VfioDevice::VfioDevice(Environment& environment, linux::SystemCalls& calls, std::string_view vm,
                       Sbdf address)
    : environment_(environment), calls_(calls), vm_(vm), address_(address) {}

std::string VfioDevice::sysfs(std::string_view file) const {
  return fmt::format("/sys/bus/pci/devices/{}/{}", to_string(address_), file);
}

std::unexpected<Errno> VfioDevice::failed(std::string_view step, Errno error) {
  return environment_.failed(vm_, step, error);
}

Co<Result<>> VfioDevice::find_again() {
  std::string path = fmt::format("/sys/bus/pci/incoming/{}", to_string(address_));
  const Result<std::string> name = co_await calls_.read_file(std::move(path));
  if (!name) {
    co_return failed("read /sys/bus/pci/incoming", name.error());
  }
  const std::optional<Sbdf> address = linux::pci_address(name->substr(0, name->find('\n')));
  if (!address) {
    co_return failed("read /sys/bus/pci/incoming", Errno::kInval);
  }
  address_ = *address;
  co_return Result<>();
}

// False: vfio-pci has it, the kernel saw to that.
Co<Result<bool>> VfioDevice::unbind_other_driver() {
  const Result<std::string> driver = co_await calls_.read_file(sysfs("driver"));
  if (!driver) {
    co_return true;  // ENOENT: it has none, and is busy for another reason
  }
  const std::string holder = driver->substr(0, driver->find('\n'));
  if (holder == "vfio-pci") {
    co_return false;
  }
  std::string path = fmt::format("/sys/bus/pci/drivers/{}/unbind", holder);
  const std::string name = to_string(address_);
  const Result<> done = co_await calls_.write_file(std::move(path), name);
  if (!done) {
    co_return failed("write drivers/*/unbind", done.error());
  }
  co_return true;
}

Co<Result<>> VfioDevice::bind_driver() {
  const Result<> chosen = co_await calls_.write_file(sysfs("driver_override"), "vfio-pci");
  if (!chosen) {
    co_return failed("write driver_override", chosen.error());
  }
  const std::string name = to_string(address_);
  Result<> bound = co_await calls_.write_file("/sys/bus/pci/drivers/vfio-pci/bind", name);
  if (!bound && bound.error() == Errno::kBusy) {
    const Result<bool> free = co_await unbind_other_driver();
    if (!free) {
      co_return fail(free.error());
    }
    if (!*free) {
      co_return Result<>();
    }
    bound = co_await calls_.write_file("/sys/bus/pci/drivers/vfio-pci/bind", name);
  }
  if (!bound) {
    co_return failed("write drivers/vfio-pci/bind", bound.error());
  }
  co_return Result<>();
}

Co<Result<>> VfioDevice::open() {
  const Result<std::string> listing = co_await calls_.read_file(sysfs("vfio-dev"));
  if (!listing) {
    co_return failed("list vfio-dev", listing.error());
  }
  const std::string name = listing->substr(0, listing->find('\n'));
  const Result<int> cdev = co_await calls_.open("/dev/vfio/devices/" + name);
  if (!cdev) {
    co_return failed("open /dev/vfio/devices", cdev.error());
  }
  cdev_ = *cdev;
  co_return Result<>();
}

Co<Result<>> VfioDevice::bind_iommufd(int iommufd) {
  uapi::VfioDeviceBindIommufd bind;
  bind.iommufd = iommufd;
  const auto done =
      co_await calls_.ioctl(cdev_, uapi::kVfioDeviceBindIommufd, uapi::bytes_of(bind));
  if (!done) {
    co_return failed("VFIO_DEVICE_BIND_IOMMUFD", done.error());
  }
  device_id_ = bind.out_devid;
  co_return Result<>();
}

Co<Result<>> VfioDevice::attach(std::uint32_t page_table) {
  uapi::VfioDeviceAttachIommufdPt attach;
  attach.pt_id = page_table;
  const auto done =
      co_await calls_.ioctl(cdev_, uapi::kVfioDeviceAttachIommufdPt, uapi::bytes_of(attach));
  if (!done) {
    co_return failed("VFIO_DEVICE_ATTACH_IOMMUFD_PT", done.error());
  }
  co_return Result<>();
}

Co<Result<>> VfioDevice::enable() {
  const std::uint64_t offset =
      uapi::vfio_region_offset(uapi::kVfioPciConfigRegionIndex) + kCommandOffset;
  std::uint16_t command = 0;
  const auto read = co_await calls_.pread(cdev_, uapi::bytes_of(command), offset);
  if (!read) {
    co_return failed("pread config", read.error());
  }
  command |= kCommandMemory | kCommandBusMaster;
  const auto written = co_await calls_.pwrite(cdev_, uapi::bytes_of(command), offset);
  if (!written) {
    co_return failed("pwrite config", written.error());
  }
  co_return Result<>();
}

Co<Result<>> VfioDevice::map_bar(MappedCpu& cpu, unsigned index, GuestAddr guest) {
  uapi::VfioRegionInfo info;
  info.index = index;
  const auto done =
      co_await calls_.ioctl(cdev_, uapi::kVfioDeviceGetRegionInfo, uapi::bytes_of(info));
  if (!done) {
    co_return failed("VFIO_DEVICE_GET_REGION_INFO", done.error());
  }
  if (info.size == 0 || (info.flags & uapi::kVfioRegionInfoFlagMmap) == 0) {
    co_return Result<>();  // the guest reads all ones there
  }
  const Result<UserAddr> mapped = co_await calls_.mmap(cdev_, info.offset, info.size, true);
  if (!mapped) {
    co_return failed("mmap BAR", mapped.error());
  }
  cpu.set_bar(index, guest, *mapped, info.size);
  mapped_.push_back({*mapped, info.size});
  co_return Result<>();
}

Co<Result<>> VfioDevice::map_bars(MappedCpu& cpu) {
  Result<> done = co_await map_bar(cpu, 0, kDeviceBar0);
  if (done) {
    done = co_await map_bar(cpu, 2, kDeviceBar2);
  }
  co_return done;
}

Co<Result<>> VfioDevice::share_bar(int iommufd, std::uint32_t ioas, unsigned index,
                                   GuestAddr guest) {
  struct {
    uapi::VfioDeviceFeature header;
    uapi::VfioDeviceFeatureDmaBuf request;
    uapi::VfioRegionDmaRange range;
  } feature;
  uapi::VfioRegionInfo info;
  info.index = index;
  const auto asked =
      co_await calls_.ioctl(cdev_, uapi::kVfioDeviceGetRegionInfo, uapi::bytes_of(info));
  if (!asked) {
    co_return failed("VFIO_DEVICE_GET_REGION_INFO", asked.error());
  }
  feature.header.argsz = sizeof(feature);
  feature.header.flags = uapi::kVfioDeviceFeatureGet | uapi::kVfioDeviceFeatureDmaBuf;
  feature.request.region_index = index;
  feature.request.open_flags = kReadWriteCloseOnExec;
  feature.request.nr_ranges = 1;
  feature.range.length = info.size;
  const auto buffer =
      co_await calls_.ioctl(cdev_, uapi::kVfioDeviceFeature, uapi::bytes_of(feature));
  if (!buffer) {
    co_return failed("VFIO_DEVICE_FEATURE dma-buf", buffer.error());
  }
  uapi::iommu_ioas_map_file map;
  map.flags = uapi::kIoasMapFixedIova | uapi::kIoasMapReadable | uapi::kIoasMapWriteable;
  map.ioas_id = ioas;
  map.fd = static_cast<std::int32_t>(*buffer);
  map.length = info.size;
  map.iova = guest.value();
  const auto mapped = co_await calls_.ioctl(iommufd, uapi::kIommuIoasMapFile, uapi::bytes_of(map));
  static_cast<void>(co_await calls_.close(map.fd));
  if (!mapped) {
    co_return failed("IOMMU_IOAS_MAP_FILE dma-buf", mapped.error());
  }
  co_return Result<>();
}

Co<Result<>> VfioDevice::connect_interrupts(Vcpu& vcpu) {
  uapi::VfioIrqInfo info;
  info.index = uapi::kVfioPciMsixIrqIndex;
  const auto asked =
      co_await calls_.ioctl(cdev_, uapi::kVfioDeviceGetIrqInfo, uapi::bytes_of(info));
  if (!asked) {
    co_return failed("VFIO_DEVICE_GET_IRQ_INFO", asked.error());
  }
  if (info.count == 0) {
    co_return Result<>();
  }
  for (unsigned entry = 0; entry < info.count; ++entry) {
    const Result<int> eventfd = co_await calls_.eventfd();
    if (!eventfd) {
      co_return failed("eventfd", eventfd.error());
    }
    eventfds_.push_back(*eventfd);
    ++threads_;
    environment_.spawn(deliver(*eventfd, entry, vcpu));
  }
  // The threads are at work before anything else happens: a panic in one of the next calls takes
  // this object away from those that have not begun.
  co_await calls_.sleep(sim::Duration::nanoseconds(1));
  co_return co_await set_interrupts();
}

Co<Result<>> VfioDevice::release_interrupts() {
  if (eventfds_.empty()) {
    co_return Result<>();
  }
  uapi::VfioIrqSet set;
  set.argsz = sizeof(set);
  set.flags = uapi::kVfioIrqSetDataNone | uapi::kVfioIrqSetActionTrigger;
  set.index = uapi::kVfioPciMsixIrqIndex;
  const auto done = co_await calls_.ioctl(cdev_, uapi::kVfioDeviceSetIrqs, uapi::bytes_of(set));
  if (!done) {
    co_return failed("VFIO_DEVICE_SET_IRQS", done.error());
  }
  co_return Result<>();
}

Co<Result<>> VfioDevice::set_interrupts() {
  if (eventfds_.empty()) {
    co_return Result<>();
  }
  uapi::VfioIrqSet set;
  set.argsz = static_cast<std::uint32_t>(sizeof(set) + eventfds_.size() * sizeof(std::int32_t));
  set.flags = uapi::kVfioIrqSetDataEventfd | uapi::kVfioIrqSetActionTrigger;
  set.index = uapi::kVfioPciMsixIrqIndex;
  set.count = static_cast<std::uint32_t>(eventfds_.size());
  std::vector<std::byte> argument(set.argsz);
  std::memcpy(argument.data(), &set, sizeof(set));
  std::memcpy(argument.data() + sizeof(set), eventfds_.data(),
              eventfds_.size() * sizeof(std::int32_t));
  const auto done = co_await calls_.ioctl(cdev_, uapi::kVfioDeviceSetIrqs, argument);
  if (!done) {
    co_return failed("VFIO_DEVICE_SET_IRQS", done.error());
  }
  co_return Result<>();
}

Co<> VfioDevice::deliver(int eventfd, unsigned vector, Vcpu& vcpu) {
  constexpr unsigned kVectorMax = 63;
  while (!stopping_) {
    std::uint64_t count = 0;
    const auto read = co_await calls_.read(eventfd, uapi::bytes_of(count));
    if (!read || stopping_) {
      break;
    }
    const unsigned virtual_vector = vector <= kVectorMax ? vector : 0;
    environment_.publish(InterruptInjected{environment_.generation(), vm_, address_, vector,
                                           virtual_vector, false, discarding_});
    if (virtual_vector != 0 && !discarding_) {
      vcpu.inject(virtual_vector);
    }
  }
  --threads_;
  threads_ended_.wake_all();
}

Co<> VfioDevice::stop() {
  stopping_ = true;
  std::uint64_t one = 1;
  for (const int eventfd : eventfds_) {
    static_cast<void>(co_await calls_.write(eventfd, uapi::bytes_of(one)));
  }
  sim::WaitNode node(environment_.context(), environment_.context().actor(), "threads-end");
  while (threads_ > 0) {
    co_await threads_ended_.wait(environment_.context(), node);
  }
}

Co<bool> VfioDevice::is_dead() {
  uapi::VfioDeviceInfo info;
  info.argsz = sizeof(info);
  const auto done = co_await calls_.ioctl(cdev_, uapi::kVfioDeviceGetInfo, uapi::bytes_of(info));
  co_return !done && done.error() == Errno::kIo;
}

Co<> VfioDevice::give_up() {
  co_await stop();
  stopping_ = false;
  for (const int eventfd : eventfds_) {
    static_cast<void>(co_await calls_.close(eventfd));
  }
  eventfds_.clear();
  for (const Mapping& mapping : mapped_) {
    static_cast<void>(co_await calls_.munmap(mapping.start, mapping.bytes));
  }
  mapped_.clear();
  static_cast<void>(co_await calls_.close(cdev_));
  cdev_ = -1;
}

}  // namespace baton::vmm
