// /dev/iommu as a VFIO container: one IOAS of the context stands in for the container's memory
// [linux drivers/iommu/iommufd/vfio_compat.c].
//
// Not modelled: IOMMU_VFIO_IOAS, dirty tracking, VFIO_NOIOMMU, capabilities of
// VFIO_IOMMU_GET_INFO. Type 1 version 1 cuts areas at the ends of a range that is unmapped; here
// the whole area goes, as the older driver does it.
#include "model/iommufd/state.h"
#include "model/linux/base/argument.h"
#include "model/linux/uapi/vfio.h"

namespace baton::iommufd {

using linux::Errno;
using linux::fail;
using linux::Result;
namespace uapi = linux::uapi;

linux::iommu::IommuCore& IommufdSubsystem::iommu() { return state_->iommu; }

// get_compat_ioas(). User space may have destroyed it.
Ioas* Iommufd::State::compat() { return compat_ioas_id == 0 ? nullptr : ioas(compat_ioas_id); }

// iommufd_vfio_compat_ioas_create().
void Iommufd::create_compat_ioas() {
  State& state = *state_;
  if (state.compat() == nullptr) {
    const std::uint32_t id = state.free_id();
    state.compat_ioas_id =
        state.add(std::make_unique<Ioas>(state.shared.services, state.shared.iommu, id)).id;
  }
}

Result<std::uint32_t> Iommufd::compat_ioas() const {
  return state_->compat() == nullptr ? fail(Errno::kNoDev)
                                     : Result<std::uint32_t>(state_->compat_ioas_id);
}

Result<std::int64_t> Iommufd::State::vfio_check_extension(std::uint32_t extension) {
  switch (extension) {
    case uapi::kVfioType1Iommu:
    case uapi::kVfioType1v2Iommu:
    case uapi::kVfioUnmapAll:
    case uapi::kVfioDmaCcIommu:
      return 1;
    default:
      return 0;
  }
}

// iommufd_vfio_ioctl().
Co<Result<std::int64_t>> Iommufd::State::vfio_ioctl(linux::Process& process, std::uint32_t command,
                                                    std::span<std::byte> argument) {
  if (command == uapi::kVfioGetApiVersion) co_return 0;
  if (command == uapi::kVfioCheckExtension || command == uapi::kVfioSetIommu) {
    const auto value = linux::plain_argument<std::uint32_t>(argument);
    if (!value) co_return fail(value.error());
    if (command == uapi::kVfioCheckExtension) co_return vfio_check_extension(*value);
    if (*value != uapi::kVfioType1Iommu && *value != uapi::kVfioType1v2Iommu) {
      co_return fail(Errno::kInval);
    }
    if (compat() == nullptr) co_return fail(Errno::kNoDev);  // no group has come yet
    compat_type1 = *value == uapi::kVfioType1Iommu;
    co_return 0;
  }
  if (command == uapi::kVfioIommuMapDma) co_return vfio_map(process, argument);
  if (command == uapi::kVfioIommuUnmapDma) co_return co_await vfio_unmap(argument);
  if (command != uapi::kVfioIommuGetInfo) co_return fail(Errno::kNoTty);
  uapi::VfioIommuType1Info info;
  if (const auto taken = linux::take_argument(argument, info, 16); !taken) {
    co_return fail(taken.error());
  }
  if (compat() == nullptr) co_return fail(Errno::kNoDev);
  const std::size_t room = std::min<std::size_t>(info.argsz, argument.size());
  info.flags = uapi::kVfioIommuInfoPgsizes;
  info.iova_pgsizes = ~std::uint64_t{0} << 12;
  info.cap_offset = 0;
  info.pad = 0;
  linux::give_argument(argument.first(room), info);
  co_return 0;
}

// iommufd_vfio_map_dma().
Result<std::int64_t> Iommufd::State::vfio_map(linux::Process& process,
                                              std::span<const std::byte> argument) {
  constexpr std::uint32_t kAccess = uapi::kVfioDmaMapFlagRead | uapi::kVfioDmaMapFlagWrite;
  uapi::VfioIommuType1DmaMap request;
  if (const auto taken = linux::take_argument(argument, request, sizeof(request)); !taken) {
    return fail(taken.error());
  }
  if ((request.flags & ~kAccess) != 0) return fail(Errno::kInval);
  Ioas* space = compat();
  if (space == nullptr) return fail(Errno::kNoDev);
  if (const auto may = space->state.check(IoasEvent::kChange); !may) return fail(may.error());
  if ((request.flags & kAccess) == 0 || request.size == 0 ||
      (request.size | request.vaddr) % sim::kPageSize != 0) {
    return fail(Errno::kInval);
  }
  if (auto place = space->check_iova(request.iova, request.size); !place) {
    return fail(place.error());
  }
  Area area;
  area.iova = request.iova;
  area.length = request.size;
  area.prot = {(request.flags & uapi::kVfioDmaMapFlagRead) != 0,
               (request.flags & uapi::kVfioDmaMapFlagWrite) != 0};
  const auto mapped = space->map_user(std::move(area), process, UserAddr(request.vaddr));
  return mapped ? Result<std::int64_t>(0) : fail(mapped.error());
}

// iommufd_vfio_unmap_dma(). ENOENT: nothing is there, or it would cut an area.
Co<Result<std::int64_t>> Iommufd::State::vfio_unmap(std::span<std::byte> argument) {
  uapi::VfioIommuType1DmaUnmap request;
  if (const auto taken = linux::take_argument(argument, request, sizeof(request)); !taken) {
    co_return fail(taken.error());
  }
  if ((request.flags & ~uapi::kVfioDmaUnmapFlagAll) != 0) co_return fail(Errno::kInval);
  Ioas* space = compat();
  if (space == nullptr) co_return fail(Errno::kNoDev);
  if (const auto may = space->state.check(IoasEvent::kChange); !may) co_return fail(may.error());
  const bool all = (request.flags & uapi::kVfioDmaUnmapFlagAll) != 0;
  if (all ? (request.iova | request.size) != 0
          : request.size == 0 || request.iova > UINT64_MAX - (request.size - 1)) {
    co_return fail(Errno::kInval);
  }
  std::uint64_t last = all ? UINT64_MAX : request.iova + (request.size - 1);
  if (!all && compat_type1) {
    for (const auto& [iova, area] : space->areas()) {
      if (iova >= request.iova && iova <= last) last = std::max(last, area.last());
    }
  }
  const Result<std::uint64_t> unmapped = co_await space->unmap(request.iova, last);
  if (!unmapped || (*unmapped == 0 && !all)) co_return fail(Errno::kNoEnt);
  request.size = *unmapped;
  linux::give_argument(argument, request);
  co_return 0;
}

}  // namespace baton::iommufd
