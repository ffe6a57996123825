#include "model/vfio/container.h"

#include <algorithm>

#include "model/linux/base/argument.h"
#include "model/vfio/group.h"

namespace baton::vfio {

namespace {

using linux::Errno;
using linux::fail;
namespace uapi = linux::uapi;

constexpr std::uint64_t kPageSizes = ~std::uint64_t{0} << 12;

}  // namespace

Container::Container(VfioPci::State& state)
    : state_(state), space_(state.services, state.iommufds.iommu(), 0) {}

Container::~Container() = default;

Co<linux::Result<std::int64_t>> Container::ioctl(linux::Process& process, std::uint32_t command,
                                                 std::span<std::byte> argument) {
  if (command == uapi::kVfioGetApiVersion) {
    co_return 0;
  }
  if (command == uapi::kVfioCheckExtension || command == uapi::kVfioSetIommu) {
    const auto value = linux::plain_argument<std::uint32_t>(argument);
    if (!value) {
      co_return fail(value.error());
    }
    co_return command == uapi::kVfioSetIommu ? set_iommu(*value) : check_extension(*value);
  }
  if (type_ == 0) {
    co_return fail(Errno::kInval);  // no driver that could know the request
  }
  switch (command) {
    case uapi::kVfioIommuGetInfo:
      co_return get_info(argument);
    case uapi::kVfioIommuMapDma:
      co_return map_dma(process, argument);
    case uapi::kVfioIommuUnmapDma:
      co_return co_await unmap_dma(argument);
    default:
      co_return fail(Errno::kNoTty);
  }
}

// Before a driver is chosen: whether any driver has it; there is one.
linux::Result<std::int64_t> Container::check_extension(std::uint32_t extension) const {
  switch (extension) {
    case uapi::kVfioType1Iommu:
    case uapi::kVfioType1v2Iommu:
    case uapi::kVfioUnmapAll:
      return 1;
    case uapi::kVfioDmaCcIommu:
      return domains_.empty() ? 0 : 1;
    default:
      return 0;
  }
}

// vfio_ioctl_set_iommu(): EINVAL without a group, or with a driver; ENODEV for another type.
linux::Result<std::int64_t> Container::set_iommu(std::uint32_t type) {
  if (groups_.empty() || type_ != 0) {
    return fail(Errno::kInval);
  }
  if (type != uapi::kVfioType1Iommu && type != uapi::kVfioType1v2Iommu) {
    return fail(Errno::kNoDev);
  }
  for (Group* group : groups_) {
    if (const auto attached = attach(*group); !attached) {
      return fail(attached.error());
    }
  }
  type_ = type;
  return 0;
}

// vfio_iommu_type1_attach_group(): a domain that the container has, or one more.
linux::Result<> Container::attach(Group& group) {
  linux::iommu::IommuCore& iommu = state_.iommufds.iommu();
  linux::pci::PciDev& dev = *group.members().front();
  for (const auto& domain : domains_) {
    if (iommu.attach(dev, *domain)) {
      return {};
    }
  }
  auto domain = iommu.alloc_paging(dev);
  if (!domain) {
    return fail(domain.error());
  }
  linux::Result<> done = space_.add_domain(**domain);
  if (done) {
    done = iommu.attach(dev, **domain);
    if (!done) {
      space_.remove_domain(**domain);
    }
  }
  if (!done) {
    (*domain)->release();
    return done;
  }
  if (domains_.empty()) {
    static_cast<void>(space_.reserve(iommufd::kMessageWindow, this));
  }
  domains_.push_back(std::move(*domain));
  return {};
}

linux::Result<> Container::add_group(Group& group) {
  if (type_ != 0) {
    if (const auto attached = attach(group); !attached) {
      return attached;
    }
  }
  groups_.push_back(&group);
  return {};
}

// The last group takes the driver along, and with it everything that was mapped.
Co<> Container::remove_group(Group& group) {
  linux::iommu::IommuCore& iommu = state_.iommufds.iommu();
  if (type_ != 0) {
    iommu.detach(*group.members().front());
    co_await iommu.settle();
  }
  std::erase(groups_, &group);
  if (groups_.empty() && type_ != 0) {
    type_ = 0;
    static_cast<void>(co_await space_.unmap(0, UINT64_MAX));
    space_.unreserve(this);
    for (const auto& domain : domains_) {
      space_.remove_domain(*domain);
      domain->release();
    }
    domains_.clear();
  }
}

linux::Result<std::int64_t> Container::get_info(std::span<std::byte> argument) const {
  uapi::VfioIommuType1Info info;
  if (const auto taken = linux::take_argument(argument, info, 16); !taken) {
    return fail(taken.error());
  }
  const std::size_t room = std::min<std::size_t>(info.argsz, argument.size());
  info.flags = uapi::kVfioIommuInfoPgsizes;
  info.iova_pgsizes = kPageSizes;
  info.cap_offset = 0;
  info.pad = 0;
  linux::give_argument(argument.first(room), info);
  return 0;
}

// vfio_dma_do_map(): EINVAL for what is not whole pages, no access or out of reach, EEXIST where
// something is mapped, EFAULT for memory that is not there.
linux::Result<std::int64_t> Container::map_dma(linux::Process& process,
                                               std::span<const std::byte> argument) {
  constexpr std::uint32_t kAccess = uapi::kVfioDmaMapFlagRead | uapi::kVfioDmaMapFlagWrite;
  uapi::VfioIommuType1DmaMap request;
  if (const auto taken = linux::take_argument(argument, request, sizeof(request)); !taken) {
    return fail(taken.error());
  }
  const std::uint64_t places = request.iova | request.vaddr | request.size;
  if ((request.flags & ~kAccess) != 0 || (request.flags & kAccess) == 0 || request.size == 0 ||
      places % sim::kPageSize != 0 || request.iova > UINT64_MAX - (request.size - 1) ||
      request.vaddr > UINT64_MAX - (request.size - 1)) {
    return fail(Errno::kInval);
  }
  if (const auto place = space_.check_iova(request.iova, request.size); !place) {
    return fail(place.error());
  }
  iommufd::Area area;
  area.iova = request.iova;
  area.length = request.size;
  area.prot = {(request.flags & uapi::kVfioDmaMapFlagRead) != 0,
               (request.flags & uapi::kVfioDmaMapFlagWrite) != 0};
  const auto done = space_.map_user(std::move(area), process, UserAddr(request.vaddr));
  return done ? linux::Result<std::int64_t>(0) : fail(done.error());
}

// Type 1 version 1 takes away a whole mapping for any range that begins where it does, and ends at
// one that begins earlier; version 2 refuses to cut one.
linux::Result<> Container::check_unmap(const uapi::VfioIommuType1DmaUnmap& request) const {
  const bool all = (request.flags & uapi::kVfioDmaUnmapFlagAll) != 0;
  if ((request.flags & ~uapi::kVfioDmaUnmapFlagAll) != 0) {
    return fail(Errno::kInval);
  }
  if (all) {
    return request.iova != 0 || request.size != 0 ? fail(Errno::kInval) : linux::Result<>();
  }
  if (request.size == 0 || (request.iova | request.size) % sim::kPageSize != 0 ||
      request.iova > UINT64_MAX - (request.size - 1)) {
    return fail(Errno::kInval);
  }
  if (type_ != uapi::kVfioType1v2Iommu) {
    return {};
  }
  const std::uint64_t last = request.iova + (request.size - 1);
  const bool cuts = std::ranges::any_of(space_.areas(), [&](const auto& entry) {
    const iommufd::Area& area = entry.second;
    const bool before = area.iova < request.iova && area.last() >= request.iova;
    return before || (area.iova <= last && area.last() > last);
  });
  return cuts ? fail(Errno::kInval) : linux::Result<>();
}

std::uint64_t Container::unmap_last(const uapi::VfioIommuType1DmaUnmap& request) const {
  if ((request.flags & uapi::kVfioDmaUnmapFlagAll) != 0) {
    return UINT64_MAX;
  }
  std::uint64_t last = request.iova + (request.size - 1);
  for (const auto& [iova, area] : space_.areas()) {
    if (iova >= request.iova && iova <= last) {
      last = std::max(last, area.last());
    }
  }
  return last;
}

Co<linux::Result<std::int64_t>> Container::unmap_dma(std::span<std::byte> argument) {
  uapi::VfioIommuType1DmaUnmap request;
  linux::Result<> can = linux::take_argument(argument, request, sizeof(request));
  if (can) {
    can = check_unmap(request);
  }
  if (!can) {
    co_return fail(can.error());
  }
  const auto unmapped = co_await space_.unmap(request.iova, unmap_last(request));
  request.size = unmapped.value_or(0);  // version 1: it began inside a mapping
  linux::give_argument(argument, request);
  co_return 0;
}

// Groups hold a reference: there is none left.
Co<> Container::release() { co_return; }

}  // namespace baton::vfio
