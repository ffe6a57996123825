// Guest memory: a sealed memfd with a page of the VMM's own behind it, mapped into the process in
// one piece and into the address space of the devices as the guest sees it, in two where it is
// large (guest_layout.h).
#include "model/linux/uapi/iommufd.h"
#include "model/linux/uapi/liveupdate.h"
#include "model/vmm/vmm.h"

namespace baton::vmm {

namespace uapi = linux::uapi;
using linux::Result;

namespace {

// F_SEAL_SEAL, SHRINK, GROW: what an iommufd demands of preserved memory.
constexpr std::uint32_t kMemorySeals = 0x1 | 0x2 | 0x4;

}  // namespace

Co<Result<>> Vmm::create_memory() {
  const Result<int> memfd = co_await calls_.memfd_create(config_.name);
  if (!memfd) {
    co_return failed("memfd_create", memfd.error());
  }
  memfd_ = *memfd;
  const Result<> sized = co_await calls_.ftruncate(memfd_, config_.memory + kRecordBytes);
  if (!sized) {
    co_return failed("ftruncate", sized.error());
  }
  const Result<> sealed = co_await calls_.fcntl_add_seals(memfd_, kMemorySeals);
  if (!sealed) {
    co_return failed("fcntl F_ADD_SEALS", sealed.error());
  }
  co_return Result<>();
}

Co<Result<>> Vmm::map_memory() {
  const Result<UserAddr> mapped =
      co_await calls_.mmap(memfd_, 0, config_.memory + kRecordBytes, true);
  if (!mapped) {
    co_return failed("mmap memfd", mapped.error());
  }
  memory_ = *mapped;
  cpu_.set_memory(memory_, config_.memory);
  co_return Result<>();
}

Result<> Vmm::write_boot_info() {
  BootInfo info;
  info.device = devices_.empty() ? GuestDevice::kNone : config_.device;
  info.memory_bytes = config_.memory;
  info.workload = config_.workload;
  const Result<> stored =
      process_.store(memory_ + kBootInfoAddress.value(), std::as_bytes(std::span(&info, 1)));
  return stored ? stored : failed("write boot info", stored.error());
}

// Guest physical addresses are the device's I/O virtual addresses, but for an offset that a guest
// with an IOMMU of its own may choose.
Co<Result<>> Vmm::create_address_space() {
  const Result<int> iommufd = co_await calls_.open("/dev/iommu");
  if (!iommufd) {
    co_return failed("open /dev/iommu", iommufd.error());
  }
  iommufd_ = *iommufd;
  uapi::iommu_ioas_alloc ioas;
  const auto allocated =
      co_await calls_.ioctl(iommufd_, uapi::kIommuIoasAlloc, uapi::bytes_of(ioas));
  if (!allocated) {
    co_return failed("IOMMU_IOAS_ALLOC", allocated.error());
  }
  ioas_id_ = ioas.out_ioas_id;
  const std::uint64_t low = low_memory_bytes(config_.memory);
  const Result<> mapped = co_await map_for_devices(GuestAddr(), 0, low);
  if (!mapped || low == config_.memory) {
    co_return mapped;
  }
  co_return co_await map_for_devices(GuestAddr(kHighMemory), low, config_.memory - low);
}

Co<Result<>> Vmm::map_for_devices(GuestAddr guest, std::uint64_t offset, std::uint64_t bytes) {
  uapi::iommu_ioas_map_file map;
  map.flags = uapi::kIoasMapFixedIova | uapi::kIoasMapReadable | uapi::kIoasMapWriteable;
  map.ioas_id = ioas_id_;
  map.fd = memfd_;
  map.start = offset;
  map.iova = config_.workload.dma_offset + guest.value();
  map.length = bytes;
  const auto mapped = co_await calls_.ioctl(iommufd_, uapi::kIommuIoasMapFile, uapi::bytes_of(map));
  if (!mapped) {
    co_return failed("IOMMU_IOAS_MAP_FILE", mapped.error());
  }
  co_return Result<>();
}

}  // namespace baton::vmm
