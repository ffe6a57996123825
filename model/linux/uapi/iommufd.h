// The uAPI of /dev/iommu: request numbers and structs [linux include/uapi/linux/iommufd.h; the mark
// request from the posted series "iommu: Add live update state preservation"].
//
// Requests are plain _IO(';', nr): no size and no direction. The first u32 of a struct is its size;
// a larger struct is accepted when its tail is zero (E2BIG otherwise).
#pragma once

#include <cstdint>

namespace baton::linux::uapi {

inline constexpr std::uint32_t kIommuDestroy = 0x3B80;
inline constexpr std::uint32_t kIommuIoasAlloc = 0x3B81;
inline constexpr std::uint32_t kIommuIoasIovaRanges = 0x3B84;
inline constexpr std::uint32_t kIommuIoasMap = 0x3B85;
inline constexpr std::uint32_t kIommuIoasUnmap = 0x3B86;
inline constexpr std::uint32_t kIommuHwptAlloc = 0x3B89;
inline constexpr std::uint32_t kIommuIoasMapFile = 0x3B8F;
inline constexpr std::uint32_t kIommuHwptLiveupdateMarkPreserve = 0x3B95;

// IOMMU_IOAS_MAP_*.
inline constexpr std::uint32_t kIoasMapFixedIova = 1;
inline constexpr std::uint32_t kIoasMapWriteable = 2;
inline constexpr std::uint32_t kIoasMapReadable = 4;

// IOMMU_HWPT_ALLOC_*.
inline constexpr std::uint32_t kHwptAllocNestParent = 1;
inline constexpr std::uint32_t kHwptAllocDirtyTracking = 2;
inline constexpr std::uint32_t kHwptFaultIdValid = 4;
inline constexpr std::uint32_t kHwptAllocPasid = 8;
inline constexpr std::uint32_t kHwptDataNone = 0;

struct iommu_destroy {
  std::uint32_t size = sizeof(iommu_destroy);
  std::uint32_t id = 0;
};

struct iommu_ioas_alloc {
  std::uint32_t size = sizeof(iommu_ioas_alloc);
  std::uint32_t flags = 0;
  std::uint32_t out_ioas_id = 0;
};

struct iommu_iova_range {
  std::uint64_t start = 0;
  std::uint64_t last = 0;
};

struct iommu_ioas_iova_ranges {
  std::uint32_t size = sizeof(iommu_ioas_iova_ranges);
  std::uint32_t ioas_id = 0;
  std::uint32_t num_iovas = 0;  // in: room in the array; out: ranges there are
  std::uint32_t reserved = 0;
  std::uint64_t allowed_iovas = 0;  // address of iommu_iova_range[]
  std::uint64_t out_iova_alignment = 0;
};

struct iommu_ioas_map {
  std::uint32_t size = sizeof(iommu_ioas_map);
  std::uint32_t flags = 0;
  std::uint32_t ioas_id = 0;
  std::uint32_t reserved = 0;
  std::uint64_t user_va = 0;
  std::uint64_t length = 0;
  std::uint64_t iova = 0;  // out without FIXED_IOVA
};

struct iommu_ioas_map_file {
  std::uint32_t size = sizeof(iommu_ioas_map_file);
  std::uint32_t flags = 0;
  std::uint32_t ioas_id = 0;
  std::int32_t fd = 0;
  std::uint64_t start = 0;  // byte offset in the file
  std::uint64_t length = 0;
  std::uint64_t iova = 0;
};

struct iommu_ioas_unmap {
  std::uint32_t size = sizeof(iommu_ioas_unmap);
  std::uint32_t ioas_id = 0;
  std::uint64_t iova = 0;
  std::uint64_t length = 0;  // out: bytes unmapped
};

struct iommu_hwpt_alloc {
  std::uint32_t size = sizeof(iommu_hwpt_alloc);
  std::uint32_t flags = 0;
  std::uint32_t dev_id = 0;
  std::uint32_t pt_id = 0;
  std::uint32_t out_hwpt_id = 0;
  std::uint32_t reserved = 0;
  std::uint32_t data_type = 0;
  std::uint32_t data_len = 0;
  std::uint64_t data_uptr = 0;
  std::uint32_t fault_id = 0;
  std::uint32_t reserved2 = 0;
};

struct iommu_hwpt_liveupdate_mark_preserve {
  std::uint32_t size = sizeof(iommu_hwpt_liveupdate_mark_preserve);
  std::uint32_t hwpt_id = 0;
  std::uint64_t hwpt_token = 0;
};

static_assert(sizeof(iommu_destroy) == 8);
static_assert(sizeof(iommu_ioas_alloc) == 12);
static_assert(sizeof(iommu_ioas_iova_ranges) == 32);
static_assert(sizeof(iommu_ioas_map) == 40);
static_assert(sizeof(iommu_ioas_map_file) == 40);
static_assert(sizeof(iommu_ioas_unmap) == 24);
static_assert(sizeof(iommu_hwpt_alloc) == 48);
static_assert(sizeof(iommu_hwpt_liveupdate_mark_preserve) == 16);

}  // namespace baton::linux::uapi
