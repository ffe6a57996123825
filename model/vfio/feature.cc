// VFIO_DEVICE_FEATURE [linux drivers/vfio/vfio_main.c vfio_ioctl_device_feature,
// drivers/vfio/pci/vfio_pci_dmabuf.c vfio_pci_core_feature_dma_buf].
//
// Not modelled: every feature but dma-buf (ENOTTY), dma-bufs of several ranges (EOPNOTSUPP).
#include <algorithm>
#include <cstring>

#include "model/linux/base/dma_buf.h"
#include "model/linux/uapi/vfio.h"
#include "model/vfio/device.h"

namespace baton::vfio {

using linux::Errno;
using linux::fail;
namespace uapi = linux::uapi;

CdevFile::Answer CdevFile::feature(linux::Process& process, std::span<std::byte> argument) {
  uapi::VfioDeviceFeature header;
  if (argument.size() < sizeof(header)) return fail(Errno::kFault);
  std::memcpy(&header, argument.data(), sizeof(header));
  if (header.argsz < sizeof(header)) return fail(Errno::kInval);
  constexpr std::uint32_t kKnown = uapi::kVfioDeviceFeatureMask | uapi::kVfioDeviceFeatureGet |
                                   uapi::kVfioDeviceFeatureSet | uapi::kVfioDeviceFeatureProbe;
  if ((header.flags & ~kKnown) != 0) return fail(Errno::kInval);
  const bool get = (header.flags & uapi::kVfioDeviceFeatureGet) != 0;
  const bool set = (header.flags & uapi::kVfioDeviceFeatureSet) != 0;
  const bool probe = (header.flags & uapi::kVfioDeviceFeatureProbe) != 0;
  // GET and SET exclude each other, unless it is only asked whether both exist.
  if (get && set && !probe) return fail(Errno::kInval);
  if ((header.flags & uapi::kVfioDeviceFeatureMask) != uapi::kVfioDeviceFeatureDmaBuf) {
    return fail(Errno::kNoTty);
  }
  if (set) return fail(Errno::kInval);
  if (probe) return 0;
  if (!get) return fail(Errno::kInval);
  const std::size_t known = std::min<std::size_t>(header.argsz, argument.size());
  return export_dma_buf(process, argument.first(known).subspan(sizeof(header)));
}

CdevFile::Answer CdevFile::export_dma_buf(linux::Process& process,
                                          std::span<const std::byte> argument) {
  constexpr std::uint32_t kOpenFlags = 02000000 | 02 | 01;  // O_CLOEXEC and the access mode
  uapi::VfioDeviceFeatureDmaBuf request;
  if (argument.size() < sizeof(request)) return fail(Errno::kInval);
  std::memcpy(&request, argument.data(), sizeof(request));
  if (request.flags != 0 || request.nr_ranges == 0) return fail(Errno::kInval);
  if ((request.open_flags & ~kOpenFlags) != 0) return fail(Errno::kInval);
  if (request.nr_ranges > 1) return fail(Errno::kOpNotSupp);
  uapi::VfioRegionDmaRange range;
  if (argument.size() < sizeof(request) + sizeof(range)) return fail(Errno::kInval);
  std::memcpy(&range, argument.data() + sizeof(request), sizeof(range));
  // Regions that peers can reach are BARs in memory space.
  if (request.region_index >= uapi::kVfioPciRomRegionIndex) return fail(Errno::kNoDev);
  const std::uint64_t size = device.region_size(request.region_index);
  const bool whole_pages =
      range.offset % sim::kPageSize == 0 && range.length % sim::kPageSize == 0 && range.length != 0;
  if (!device.mappable(request.region_index) || !whole_pages || range.length > size ||
      range.offset > size - range.length) {
    return fail(Errno::kInval);
  }
  auto owned = std::make_unique<linux::DmaBuf>(
      device.dev.address, request.region_index,
      device.dev.resources[request.region_index].start + range.offset, range.length);
  linux::FileTable& files = device.vfio.services.files();
  linux::DmaBuf& buffer = files.add(std::move(owned));
  const auto descriptor = process.install(buffer);
  if (!descriptor) return fail(descriptor.error());
  device.exported(buffer);
  return *descriptor;
}

}  // namespace baton::vfio
