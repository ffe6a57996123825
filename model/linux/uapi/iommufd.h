// The uAPI of /dev/iommu: request numbers and structs [linux include/uapi/linux/iommufd.h; the mark
// request from the posted series "iommu: Add live update state preservation"].
//
// Requests are plain _IO(';', nr): no size and no direction. The first u32 of a struct is its size;
// a larger struct is accepted when its tail is zero (E2BIG otherwise).
#pragma once

#include <array>
#include <cstdint>

namespace baton::linux::uapi {

inline constexpr std::uint32_t kIommuDestroy = 0x3B80;
inline constexpr std::uint32_t kIommuIoasAlloc = 0x3B81;
inline constexpr std::uint32_t kIommuIoasIovaRanges = 0x3B84;
inline constexpr std::uint32_t kIommuIoasMap = 0x3B85;
inline constexpr std::uint32_t kIommuIoasUnmap = 0x3B86;
inline constexpr std::uint32_t kIommuHwptAlloc = 0x3B89;
inline constexpr std::uint32_t kIommuGetHwInfo = 0x3B8A;
inline constexpr std::uint32_t kIommuHwptInvalidate = 0x3B8D;
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
inline constexpr std::uint32_t kHwptDataVtdS1 = 1;
inline constexpr std::uint32_t kHwptInvalidateDataVtdS1 = 0;
inline constexpr std::uint32_t kHwInfoTypeIntelVtd = 1;

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

// What data_uptr leads to for kHwptDataVtdS1.
struct iommu_hwpt_vtd_s1 {
  std::uint64_t flags = 0;       // SRE 1, EAFE 2, WPE 4
  std::uint64_t pgtbl_addr = 0;  // of the top table, as the second stage has it
  std::uint32_t addr_width = 0;  // 48 or 57
  std::uint32_t reserved = 0;
};

struct iommu_hwpt_invalidate {
  std::uint32_t size = sizeof(iommu_hwpt_invalidate);
  std::uint32_t hwpt_id = 0;
  std::uint64_t data_uptr = 0;  // address of entries
  std::uint32_t data_type = 0;
  std::uint32_t entry_len = 0;
  std::uint32_t entry_num = 0;  // out: entries that were done
  std::uint32_t reserved = 0;
};

struct iommu_hwpt_vtd_s1_invalidate {
  std::uint64_t addr = 0;
  std::uint64_t npages = 0;  // all ones, with address 0: everything
  std::uint32_t flags = 0;   // LEAF 1
  std::uint32_t reserved = 0;
};

struct iommu_hw_info {
  std::uint32_t size = sizeof(iommu_hw_info);
  std::uint32_t flags = 0;
  std::uint32_t dev_id = 0;
  std::uint32_t data_len = 0;   // in: room; out: bytes there are
  std::uint64_t data_uptr = 0;  // address of iommu_hw_info_vtd
  std::uint32_t out_data_type = 0;
  std::uint8_t out_max_pasid_log2 = 0;
  std::array<std::uint8_t, 3> reserved{};
  std::uint64_t out_capabilities = 0;  // PCI_PASID_EXEC 2, PCI_PASID_PRIV 4
};

struct iommu_hw_info_vtd {
  std::uint32_t flags = 0;
  std::uint32_t reserved = 0;
  std::uint64_t cap_reg = 0;
  std::uint64_t ecap_reg = 0;
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
static_assert(sizeof(iommu_hwpt_vtd_s1) == 24);
static_assert(sizeof(iommu_hwpt_invalidate) == 32);
static_assert(sizeof(iommu_hwpt_vtd_s1_invalidate) == 24);
static_assert(sizeof(iommu_hw_info) == 40);
static_assert(sizeof(iommu_hw_info_vtd) == 24);
static_assert(sizeof(iommu_hwpt_liveupdate_mark_preserve) == 16);

}  // namespace baton::linux::uapi
