// The requests of /dev/iommu [linux drivers/iommu/iommufd/main.c, ioas.c, hw_pagetable.c].
#include <algorithm>
#include <cstring>

#include "model/iommufd/request.h"
#include "model/iommufd/state.h"
#include "model/linux/uapi/iommufd.h"
#include "model/linux/uapi/vfio.h"

namespace baton::iommufd {

using linux::Errno;
using linux::fail;
using linux::Process;
using linux::Result;
namespace uapi = linux::uapi;

namespace {

struct Request {
  std::uint32_t command;
  std::uint32_t size;      // of the struct this kernel knows
  std::uint32_t size_min;  // up to its last mandatory field
};

constexpr std::array kRequests{
    Request{uapi::kIommuDestroy, sizeof(uapi::iommu_destroy), 8},
    Request{uapi::kIommuIoasAlloc, sizeof(uapi::iommu_ioas_alloc), 12},
    Request{uapi::kIommuIoasIovaRanges, sizeof(uapi::iommu_ioas_iova_ranges), 32},
    Request{uapi::kIommuIoasMap, sizeof(uapi::iommu_ioas_map), 40},
    Request{uapi::kIommuIoasUnmap, sizeof(uapi::iommu_ioas_unmap), 24},
    Request{uapi::kIommuHwptAlloc, sizeof(uapi::iommu_hwpt_alloc), 24},
    Request{uapi::kIommuGetHwInfo, sizeof(uapi::iommu_hw_info), 32},
    Request{uapi::kIommuHwptInvalidate, sizeof(uapi::iommu_hwpt_invalidate), 32},
    Request{uapi::kIommuIoasMapFile, sizeof(uapi::iommu_ioas_map_file), 40},
    Request{uapi::kIommuHwptLiveupdateMarkPreserve,
            sizeof(uapi::iommu_hwpt_liveupdate_mark_preserve), 16},
};

constexpr std::size_t kStructMax = 48;

// Of a struct whose first field is its size: what is unknown of a longer one must be zero.
Result<> check_size(const Request& known, std::span<const std::byte> argument) {
  if (argument.size() < sizeof(std::uint32_t)) {
    return fail(Errno::kFault);
  }
  const std::uint32_t size = as<std::uint32_t>(argument);
  if (size < known.size_min) {
    return fail(Errno::kInval);
  }
  if (size > argument.size()) {
    return fail(Errno::kFault);
  }
  for (std::size_t i = known.size; i < size; ++i) {
    if (argument[i] != std::byte{0}) {
      return fail(Errno::kTooBig);
    }
  }
  return {};
}

}  // namespace

// iommufd_fops_ioctl: number, size, tail, then the request works on the kernel's copy.
Co<Result<std::int64_t>> Iommufd::ioctl(Process& process, std::uint32_t command,
                                        std::span<std::byte> argument) {
  if (uapi::is_vfio_request(command)) {
    co_return co_await state_->vfio_ioctl(process, command, argument);
  }
  const auto* known =
      std::find_if(kRequests.begin(), kRequests.end(),
                   [command](const Request& request) { return request.command == command; });
  if (known == kRequests.end() ||
      (command == uapi::kIommuHwptLiveupdateMarkPreserve &&
       state_->shared.services.config().pieces.iommu == linux::IommuLiveUpdate::kNone)) {
    co_return fail(Errno::kNoTty);
  }
  if (const auto checked = check_size(*known, argument); !checked) {
    co_return fail(checked.error());
  }
  std::array<std::byte, kStructMax> copy{};
  const std::size_t used = std::min<std::size_t>(as<std::uint32_t>(argument), known->size);
  std::memcpy(copy.data(), argument.data(), used);
  const std::span<std::byte> request(copy.data(), known->size);

  Result<> done;
  switch (command) {
    case uapi::kIommuDestroy:
      done = co_await state_->destroy(request);
      break;
    case uapi::kIommuIoasAlloc:
      done = state_->ioas_alloc(request);
      break;
    case uapi::kIommuIoasIovaRanges:
      done = state_->ioas_iova_ranges(process, request);
      break;
    case uapi::kIommuIoasMap:
      done = state_->ioas_map(process, request);
      break;
    case uapi::kIommuIoasMapFile:
      done = state_->ioas_map_file(process, request);
      break;
    case uapi::kIommuIoasUnmap:
      done = co_await state_->ioas_unmap(request);
      break;
    case uapi::kIommuHwptAlloc:
      done = state_->hwpt_alloc(process, request);
      break;
    case uapi::kIommuHwptInvalidate:
      done = state_->hwpt_invalidate(process, request);
      break;
    case uapi::kIommuGetHwInfo:
      done = state_->get_hw_info(process, request);
      break;
    default:
      done = state_->hwpt_mark(request);
      break;
  }
  std::memcpy(argument.data(), copy.data(), used);
  if (!done) {
    co_return fail(done.error());
  }
  co_return 0;
}

Co<Result<>> Iommufd::State::destroy(std::span<std::byte> request) {
  const auto cmd = as<uapi::iommu_destroy>(request);
  const auto found = objects.find(cmd.id);
  if (found == objects.end()) {
    co_return fail(Errno::kNoEnt);
  }
  Object& object = *found->second;
  Hwpt* target = hwpt(cmd.id);
  const Result<> may = target == nullptr ? Result<>{} : target->state.check(HwptEvent::kDestroy);
  if (!may || object.users > 0) {
    co_return fail(may ? Errno::kBusy : may.error());
  }
  if (target != nullptr) {
    destroy_hwpt(*target);
  } else {
    co_await destroy_ioas(static_cast<Ioas&>(object));  // a device always has a user, VFIO
  }
  co_return Result<>{};
}

Result<> Iommufd::State::ioas_alloc(std::span<std::byte> request) {
  auto cmd = as<uapi::iommu_ioas_alloc>(request);
  if (cmd.flags != 0) {
    return fail(Errno::kOpNotSupp);
  }
  cmd.out_ioas_id = add(std::make_unique<Ioas>(shared.services, shared.iommu, free_id())).id;
  answer(request, cmd);
  return {};
}

Result<> Iommufd::State::ioas_iova_ranges(Process& process, std::span<std::byte> request) {
  auto cmd = as<uapi::iommu_ioas_iova_ranges>(request);
  if (cmd.reserved != 0) {
    return fail(Errno::kOpNotSupp);
  }
  const Ioas* space = ioas(cmd.ioas_id);
  if (space == nullptr) {
    return fail(Errno::kNoEnt);
  }
  const std::uint32_t room = cmd.num_iovas;
  const std::vector<IovaRange> ranges = space->usable();
  cmd.num_iovas = static_cast<std::uint32_t>(ranges.size());
  cmd.out_iova_alignment = sim::kPageSize;
  answer(request, cmd);
  for (std::size_t i = 0; i < std::min<std::size_t>(room, ranges.size()); ++i) {
    const uapi::iommu_iova_range range{ranges[i].start, ranges[i].last};
    const UserAddr to(cmd.allowed_iovas + i * sizeof(range));
    if (!process.store(to, std::as_bytes(std::span(&range, 1)))) {
      return fail(Errno::kFault);
    }
  }
  return ranges.size() > room ? Result<>(fail(Errno::kMsgSize)) : Result<>{};
}

// The part that both map requests share: flags and place.
Result<> Iommufd::State::map_place(Ioas& space, std::uint32_t flags, std::uint64_t& iova,
                                   std::uint64_t length, std::uint64_t origin, Area& area) {
  // AMBIGUOUS: the posted series refuses changes while preserved, with an errno not seen; EBUSY.
  if (auto may = space.state.check(IoasEvent::kChange); !may) {
    return may;
  }
  if (length == 0 || length % sim::kPageSize != 0 || origin % sim::kPageSize != 0) {
    return fail(Errno::kInval);
  }
  if ((flags & uapi::kIoasMapFixedIova) == 0) {
    const Result<std::uint64_t> chosen = space.choose_iova(length, origin);
    if (!chosen) {
      return fail(chosen.error());
    }
    iova = *chosen;
  } else if (auto place = space.check_iova(iova, length); !place) {
    return place;
  }
  area.iova = iova;
  area.length = length;
  area.prot = {(flags & uapi::kIoasMapReadable) != 0, (flags & uapi::kIoasMapWriteable) != 0};
  return {};
}

namespace {

Result<> check_map(std::uint32_t flags, std::uint64_t iova, std::uint64_t length) {
  constexpr std::uint32_t kAccess = uapi::kIoasMapReadable | uapi::kIoasMapWriteable;
  if ((flags & ~(kAccess | uapi::kIoasMapFixedIova)) != 0) {
    return fail(Errno::kOpNotSupp);
  }
  if (iova == UINT64_MAX || length == UINT64_MAX) {
    return fail(Errno::kOverflow);
  }
  return (flags & kAccess) == 0 ? Result<>(fail(Errno::kInval)) : Result<>{};
}

}  // namespace

Result<> Iommufd::State::ioas_map(Process& process, std::span<std::byte> request) {
  auto cmd = as<uapi::iommu_ioas_map>(request);
  if (cmd.reserved != 0) {
    return fail(Errno::kOpNotSupp);
  }
  if (auto checked = check_map(cmd.flags, cmd.iova, cmd.length); !checked) {
    return checked;
  }
  Ioas* space = ioas(cmd.ioas_id);
  if (space == nullptr) {
    return fail(Errno::kNoEnt);
  }
  Area area;
  if (auto placed = map_place(*space, cmd.flags, cmd.iova, cmd.length, cmd.user_va, area);
      !placed) {
    return placed;
  }
  auto mapped = space->map_user(std::move(area), process, UserAddr(cmd.user_va));
  if (mapped) {
    answer(request, cmd);
  }
  return mapped;
}

Result<> Iommufd::State::ioas_map_file(Process& process, std::span<std::byte> request) {
  auto cmd = as<uapi::iommu_ioas_map_file>(request);
  if (auto checked = check_map(cmd.flags, cmd.iova, cmd.length); !checked) {
    return checked;
  }
  Ioas* space = ioas(cmd.ioas_id);
  if (space == nullptr) {
    return fail(Errno::kNoEnt);
  }
  const Result<linux::File*> file = process.file(cmd.fd);
  if (!file) {
    return fail(Errno::kBadF);
  }
  Area area;
  area.memfd = shared.memfd.from_file(**file);
  area.dma_buf = dynamic_cast<linux::DmaBuf*>(*file);
  if (area.memfd == nullptr && area.dma_buf == nullptr) {
    return fail(Errno::kInval);
  }
  if (auto placed = map_place(*space, cmd.flags, cmd.iova, cmd.length, cmd.start, area); !placed) {
    return placed;
  }
  area.offset = cmd.start;
  auto mapped = area.memfd != nullptr ? space->map_memfd(std::move(area))
                                      : space->map_dma_buf(std::move(area));
  if (mapped) {
    answer(request, cmd);
  }
  return mapped;
}

Co<Result<>> Iommufd::State::ioas_unmap(std::span<std::byte> request) {
  auto cmd = as<uapi::iommu_ioas_unmap>(request);
  Ioas* space = ioas(cmd.ioas_id);
  if (space == nullptr) {
    co_return fail(Errno::kNoEnt);
  }
  const bool all = cmd.iova == 0 && cmd.length == UINT64_MAX;
  if (!all && (cmd.iova == UINT64_MAX || cmd.length == UINT64_MAX)) {
    co_return fail(Errno::kOverflow);
  }
  if (auto may = space->state.check(IoasEvent::kChange); !may) {
    co_return may;
  }
  if (cmd.length == 0) {
    co_return fail(Errno::kInval);
  }
  if (!all && cmd.iova > UINT64_MAX - (cmd.length - 1)) {
    co_return fail(Errno::kOverflow);
  }
  const std::uint64_t last = all ? UINT64_MAX : cmd.iova + (cmd.length - 1);
  const Result<std::uint64_t> unmapped = co_await space->unmap(cmd.iova, last);
  if (!unmapped) {
    co_return fail(unmapped.error());
  }
  if (*unmapped == 0 && !all) {
    co_return fail(Errno::kNoEnt);
  }
  cmd.length = *unmapped;
  answer(request, cmd);
  co_return Result<>{};
}

// There is no unmark.
Result<> Iommufd::State::hwpt_mark(std::span<std::byte> request) {
  const auto cmd = as<uapi::iommu_hwpt_liveupdate_mark_preserve>(request);
  Hwpt* target = hwpt(cmd.hwpt_id);
  if (target == nullptr || target->parent != nullptr) {
    return fail(objects.contains(cmd.hwpt_id) ? Errno::kInval : Errno::kNoEnt);
  }
  for (const Hwpt* other : marked_hwpts()) {
    if (other->token == cmd.hwpt_token) {
      return fail(Errno::kAddrInUse);
    }
  }
  target->state.commit(HwptEvent::kMark);
  target->token = cmd.hwpt_token;
  return {};
}

}  // namespace baton::iommufd
