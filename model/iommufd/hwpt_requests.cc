// The requests of /dev/iommu about hardware page tables and what hardware can do [linux
// drivers/iommu/iommufd/hw_pagetable.c, device.c iommufd_get_hw_info].
#include <algorithm>

#include "model/iommufd/request.h"
#include "model/iommufd/state.h"

namespace baton::iommufd {

using linux::Errno;
using linux::fail;
using linux::Process;
using linux::Result;
namespace uapi = linux::uapi;

namespace {

// copy_struct_from_user(): a longer struct must have zeroes where this kernel knows nothing.
template <class T>
Result<T> copy_struct(Process& process, std::uint64_t from, std::uint64_t length) {
  constexpr std::uint64_t kMost = sim::kPageSize;
  if (length < sizeof(T)) {
    return fail(Errno::kInval);
  }
  if (length > kMost) {
    return fail(Errno::kTooBig);
  }
  std::vector<std::byte> bytes(length);
  if (!process.load(UserAddr(from), bytes)) {
    return fail(Errno::kFault);
  }
  const bool zero = std::all_of(bytes.begin() + sizeof(T), bytes.end(),
                                [](std::byte byte) { return byte == std::byte{0}; });
  return zero ? Result<T>(as<T>(bytes)) : fail(Errno::kTooBig);
}

}  // namespace

// iommufd_hwpt_alloc()
Result<> Iommufd::State::hwpt_alloc(Process& process, std::span<std::byte> request) {
  auto cmd = as<uapi::iommu_hwpt_alloc>(request);
  if (cmd.reserved != 0) {
    return fail(Errno::kOpNotSupp);
  }
  const bool data = cmd.data_len != 0 || cmd.data_uptr != 0;
  if (cmd.data_type == uapi::kHwptDataNone ? data : cmd.data_len == 0) {
    return fail(Errno::kInval);
  }
  Device* from = device(cmd.dev_id);
  if (from == nullptr) {
    return fail(Errno::kNoEnt);
  }
  Result<Hwpt*> made = fail(Errno::kInval);  // a missing object too
  if (Hwpt* parent = hwpt(cmd.pt_id); parent != nullptr) {
    made = nested_alloc(process, cmd, *from, *parent);
  } else if (Ioas* space = ioas(cmd.pt_id); space != nullptr) {
    // Dirty tracking and fault queues are not modelled.
    constexpr std::uint32_t kFlags = uapi::kHwptAllocNestParent | uapi::kHwptAllocPasid;
    if ((cmd.flags & ~kFlags) != 0 || cmd.data_type != uapi::kHwptDataNone) {
      return fail(Errno::kOpNotSupp);
    }
    made = alloc_hwpt(*space, *from,
                      {.nest_parent = (cmd.flags & uapi::kHwptAllocNestParent) != 0,
                       .pasid = (cmd.flags & uapi::kHwptAllocPasid) != 0},
                      false);
  }
  if (!made) {
    return fail(made.error());
  }
  cmd.out_hwpt_id = (*made)->id;
  answer(request, cmd);
  return {};
}

// iommufd_hwpt_nested_alloc()
Result<Hwpt*> Iommufd::State::nested_alloc(Process& process, const uapi::iommu_hwpt_alloc& cmd,
                                           Device& from, Hwpt& parent) {
  if ((cmd.flags & ~uapi::kHwptAllocPasid) != 0 || cmd.data_len == 0) {
    return fail(Errno::kOpNotSupp);
  }
  if (parent.parent != nullptr || parent.automatic || !parent.nest_parent ||
      parent.domain == nullptr) {
    return fail(Errno::kInval);
  }
  if (cmd.data_type != uapi::kHwptDataVtdS1) {
    return fail(Errno::kOpNotSupp);
  }
  const auto data = copy_struct<uapi::iommu_hwpt_vtd_s1>(process, cmd.data_uptr, cmd.data_len);
  if (!data) {
    return fail(data.error());
  }
  auto domain = shared.iommu.alloc_nested(from.dev, *parent.domain,
                                          {data->flags, data->pgtbl_addr, data->addr_width});
  if (!domain) {
    return fail(domain.error());
  }
  Hwpt& made = add(std::make_unique<Hwpt>(free_id(), parent));
  made.domain = std::move(*domain);
  made.pasid_compat = (cmd.flags & uapi::kHwptAllocPasid) != 0;
  ++parent.users;
  return &made;
}

// iommufd_hwpt_invalidate(), intel_nested_cache_invalidate_user(). What was done before an error
// stays done, and is counted.
Result<> Iommufd::State::hwpt_invalidate(Process& process, std::span<std::byte> request) {
  auto cmd = as<uapi::iommu_hwpt_invalidate>(request);
  const std::uint32_t entries = std::exchange(cmd.entry_num, 0);
  answer(request, cmd);
  if (cmd.reserved != 0) {
    return fail(Errno::kOpNotSupp);
  }
  if (entries != 0 && (cmd.data_uptr == 0 || cmd.entry_len == 0)) {
    return fail(Errno::kInval);
  }
  Hwpt* target = hwpt(cmd.hwpt_id);
  if (target == nullptr) {
    return fail(objects.contains(cmd.hwpt_id) ? Errno::kInval : Errno::kNoEnt);
  }
  if (target->parent == nullptr || cmd.data_type != uapi::kHwptInvalidateDataVtdS1) {
    return fail(Errno::kInval);
  }
  constexpr std::uint32_t kLeaf = 1;
  for (; cmd.entry_num < entries; ++cmd.entry_num, answer(request, cmd)) {
    const std::uint64_t at = cmd.data_uptr + std::uint64_t{cmd.entry_num} * cmd.entry_len;
    const auto entry = copy_struct<uapi::iommu_hwpt_vtd_s1_invalidate>(process, at, cmd.entry_len);
    if (!entry) {
      return fail(entry.error());
    }
    if ((entry->flags & ~kLeaf) != 0 || entry->reserved != 0) {
      return fail(Errno::kOpNotSupp);
    }
    if (auto done = target->domain->invalidate_user(Iova(entry->addr), entry->npages); !done) {
      return done;
    }
  }
  return {};
}

// iommufd_get_hw_info(): as much of the struct as there is room for, zeroes behind it.
Result<> Iommufd::State::get_hw_info(Process& process, std::span<std::byte> request) {
  auto cmd = as<uapi::iommu_hw_info>(request);
  constexpr std::array<std::uint8_t, 3> kReserved{};
  if (cmd.flags != 0 || cmd.reserved != kReserved) {
    return fail(Errno::kOpNotSupp);
  }
  Device* from = device(cmd.dev_id);
  if (from == nullptr) {
    return fail(Errno::kNoEnt);
  }
  const linux::iommu::HardwareInfo hardware = shared.iommu.hardware_info(from->dev);
  const uapi::iommu_hw_info_vtd data{.cap_reg = hardware.cap, .ecap_reg = hardware.ecap};
  std::vector<std::byte> bytes(std::min<std::size_t>(cmd.data_len, sim::kPageSize));
  std::memcpy(bytes.data(), &data, std::min(bytes.size(), sizeof(data)));
  if (!bytes.empty() && !process.store(UserAddr(cmd.data_uptr), bytes)) {
    return fail(Errno::kFault);
  }
  cmd.data_len = sizeof(data);
  cmd.out_data_type = uapi::kHwInfoTypeIntelVtd;
  cmd.out_max_pasid_log2 = 0;
  if (hardware.max_pasids > 0) {
    cmd.out_max_pasid_log2 = static_cast<std::uint8_t>(std::bit_width(hardware.max_pasids) - 1);
    cmd.out_capabilities |= hardware.pasid_features;  // the same bits as in the function
  }
  answer(request, cmd);
  return {};
}

}  // namespace baton::iommufd
