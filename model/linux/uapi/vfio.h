// The user interface of VFIO devices, groups and containers: request numbers and struct bytes
// [linux include/uapi/linux/vfio.h].
//
// All requests are _IO(';', 100 + n): no size, no direction. Structs begin with argsz, the size
// that the caller knows.
#pragma once

#include <cstdint>

namespace baton::linux::uapi {

// Numbers below those of iommufd, of the same type.
constexpr bool is_vfio_request(std::uint32_t command) {
  return command >= 0x3B64 && command < 0x3B80;
}

// The container, /dev/vfio/vfio; /dev/iommu takes the same.
inline constexpr std::uint32_t kVfioGetApiVersion = 0x3B64;
inline constexpr std::uint32_t kVfioCheckExtension = 0x3B65;
inline constexpr std::uint32_t kVfioSetIommu = 0x3B66;
inline constexpr std::uint32_t kVfioIommuGetInfo = 0x3B70;
inline constexpr std::uint32_t kVfioIommuMapDma = 0x3B71;
inline constexpr std::uint32_t kVfioIommuUnmapDma = 0x3B72;
// A group, /dev/vfio/N.
inline constexpr std::uint32_t kVfioGroupGetStatus = 0x3B67;
inline constexpr std::uint32_t kVfioGroupSetContainer = 0x3B68;
inline constexpr std::uint32_t kVfioGroupUnsetContainer = 0x3B69;
inline constexpr std::uint32_t kVfioGroupGetDeviceFd = 0x3B6A;
// A device.
inline constexpr std::uint32_t kVfioDeviceGetInfo = 0x3B6B;
inline constexpr std::uint32_t kVfioDeviceGetRegionInfo = 0x3B6C;
inline constexpr std::uint32_t kVfioDeviceGetIrqInfo = 0x3B6D;
inline constexpr std::uint32_t kVfioDeviceSetIrqs = 0x3B6E;
inline constexpr std::uint32_t kVfioDeviceReset = 0x3B6F;
inline constexpr std::uint32_t kVfioDeviceGetPciHotResetInfo = 0x3B70;
inline constexpr std::uint32_t kVfioDevicePciHotReset = 0x3B71;
inline constexpr std::uint32_t kVfioDeviceFeature = 0x3B75;
inline constexpr std::uint32_t kVfioDeviceBindIommufd = 0x3B76;
inline constexpr std::uint32_t kVfioDeviceAttachIommufdPt = 0x3B77;
inline constexpr std::uint32_t kVfioDeviceDetachIommufdPt = 0x3B78;

// Arguments of VFIO_CHECK_EXTENSION and VFIO_SET_IOMMU.
inline constexpr std::uint32_t kVfioType1Iommu = 1;
inline constexpr std::uint32_t kVfioType1v2Iommu = 3;
inline constexpr std::uint32_t kVfioDmaCcIommu = 4;
inline constexpr std::uint32_t kVfioUnmapAll = 9;

struct VfioGroupStatus {
  std::uint32_t argsz = 8;
  std::uint32_t flags = 0;
};
static_assert(sizeof(VfioGroupStatus) == 8);
inline constexpr std::uint32_t kVfioGroupFlagsViable = 1;
inline constexpr std::uint32_t kVfioGroupFlagsContainerSet = 2;

struct VfioIommuType1Info {
  std::uint32_t argsz = 24;
  std::uint32_t flags = 0;
  std::uint64_t iova_pgsizes = 0;
  std::uint32_t cap_offset = 0;
  std::uint32_t pad = 0;
};
static_assert(sizeof(VfioIommuType1Info) == 24);
inline constexpr std::uint32_t kVfioIommuInfoPgsizes = 1;

struct VfioIommuType1DmaMap {
  std::uint32_t argsz = 32;
  std::uint32_t flags = 0;
  std::uint64_t vaddr = 0;
  std::uint64_t iova = 0;
  std::uint64_t size = 0;
};
static_assert(sizeof(VfioIommuType1DmaMap) == 32);
inline constexpr std::uint32_t kVfioDmaMapFlagRead = 1;
inline constexpr std::uint32_t kVfioDmaMapFlagWrite = 2;

struct VfioIommuType1DmaUnmap {
  std::uint32_t argsz = 24;
  std::uint32_t flags = 0;
  std::uint64_t iova = 0;
  std::uint64_t size = 0;
};
static_assert(sizeof(VfioIommuType1DmaUnmap) == 24);
inline constexpr std::uint32_t kVfioDmaUnmapFlagAll = 2;

struct VfioDeviceInfo {
  std::uint32_t argsz = 20;
  std::uint32_t flags = 0;
  std::uint32_t num_regions = 0;
  std::uint32_t num_irqs = 0;
  std::uint32_t cap_offset = 0;
};
static_assert(sizeof(VfioDeviceInfo) == 20);

inline constexpr std::uint32_t kVfioDeviceFlagsReset = 1;
inline constexpr std::uint32_t kVfioDeviceFlagsPci = 2;

struct VfioRegionInfo {
  std::uint32_t argsz = 32;
  std::uint32_t flags = 0;
  std::uint32_t index = 0;
  std::uint32_t cap_offset = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;
};
static_assert(sizeof(VfioRegionInfo) == 32);

inline constexpr std::uint32_t kVfioRegionInfoFlagRead = 1;
inline constexpr std::uint32_t kVfioRegionInfoFlagWrite = 2;
inline constexpr std::uint32_t kVfioRegionInfoFlagMmap = 4;
inline constexpr std::uint32_t kVfioRegionInfoFlagCaps = 8;
inline constexpr std::uint16_t kVfioRegionInfoCapMsixMappable = 3;

// struct vfio_info_cap_header, follows the info struct at cap_offset.
struct VfioInfoCapHeader {
  std::uint16_t id = 0;
  std::uint16_t version = 1;
  std::uint32_t next = 0;
};
static_assert(sizeof(VfioInfoCapHeader) == 8);

struct VfioIrqInfo {
  std::uint32_t argsz = 16;
  std::uint32_t flags = 0;
  std::uint32_t index = 0;
  std::uint32_t count = 0;
};
static_assert(sizeof(VfioIrqInfo) == 16);

// Header of struct vfio_pci_hot_reset_info; one struct vfio_pci_dependent_device for each function
// that a bus reset hits follows at byte 12.
struct VfioPciHotResetInfo {
  std::uint32_t argsz = 12;
  std::uint32_t flags = 0;
  std::uint32_t count = 0;
};
struct VfioPciDependentDevice {
  std::uint32_t group_or_device_id = 0;
  std::uint16_t segment = 0;
  std::uint8_t bus = 0;
  std::uint8_t devfn = 0;
};
static_assert(sizeof(VfioPciHotResetInfo) == 12 && sizeof(VfioPciDependentDevice) == 8);
inline constexpr std::uint32_t kVfioPciHotResetFlagDevId = 1;
inline constexpr std::uint32_t kVfioPciHotResetFlagDevIdOwned = 2;
inline constexpr std::uint32_t kVfioPciDevidOwned = 0;
inline constexpr std::uint32_t kVfioPciDevidNotOwned = UINT32_MAX;

// Header of struct vfio_pci_hot_reset; count s32 group descriptors follow at byte 12.
struct VfioPciHotReset {
  std::uint32_t argsz = 12;
  std::uint32_t flags = 0;
  std::uint32_t count = 0;
};
static_assert(sizeof(VfioPciHotReset) == 12);

inline constexpr std::uint32_t kVfioIrqInfoEventfd = 1;
inline constexpr std::uint32_t kVfioIrqInfoMaskable = 2;
inline constexpr std::uint32_t kVfioIrqInfoAutomasked = 4;
inline constexpr std::uint32_t kVfioIrqInfoNoresize = 8;

// Header of struct vfio_irq_set; count s32 eventfds (or count u8 bools) follow at byte 20.
struct VfioIrqSet {
  std::uint32_t argsz = 20;
  std::uint32_t flags = 0;
  std::uint32_t index = 0;
  std::uint32_t start = 0;
  std::uint32_t count = 0;
};
static_assert(sizeof(VfioIrqSet) == 20);

inline constexpr std::uint32_t kVfioIrqSetDataNone = 1;
inline constexpr std::uint32_t kVfioIrqSetDataBool = 2;
inline constexpr std::uint32_t kVfioIrqSetDataEventfd = 4;
inline constexpr std::uint32_t kVfioIrqSetActionMask = 8;
inline constexpr std::uint32_t kVfioIrqSetActionUnmask = 0x10;
inline constexpr std::uint32_t kVfioIrqSetActionTrigger = 0x20;

// Regions and interrupts of a vfio-pci device.
inline constexpr std::uint32_t kVfioPciBar0RegionIndex = 0;
inline constexpr std::uint32_t kVfioPciRomRegionIndex = 6;
inline constexpr std::uint32_t kVfioPciConfigRegionIndex = 7;
inline constexpr std::uint32_t kVfioPciVgaRegionIndex = 8;
inline constexpr std::uint32_t kVfioPciNumRegions = 9;
inline constexpr std::uint32_t kVfioPciIntxIrqIndex = 0;
inline constexpr std::uint32_t kVfioPciMsiIrqIndex = 1;
inline constexpr std::uint32_t kVfioPciMsixIrqIndex = 2;
inline constexpr std::uint32_t kVfioPciErrIrqIndex = 3;
inline constexpr std::uint32_t kVfioPciReqIrqIndex = 4;
inline constexpr std::uint32_t kVfioPciNumIrqs = 5;

// File offset of a region: index << 40. The same for pread, pwrite and mmap.
inline constexpr unsigned kVfioPciOffsetShift = 40;
constexpr std::uint64_t vfio_region_offset(std::uint32_t index) {
  return std::uint64_t{index} << kVfioPciOffsetShift;
}

struct VfioDeviceBindIommufd {
  std::uint32_t argsz = 24;
  std::uint32_t flags = 0;
  std::int32_t iommufd = -1;
  std::uint32_t out_devid = 0;
  std::uint64_t token_uuid_ptr = 0;
};
static_assert(sizeof(VfioDeviceBindIommufd) == 24);

struct VfioDeviceAttachIommufdPt {
  std::uint32_t argsz = 16;
  std::uint32_t flags = 0;
  std::uint32_t pt_id = 0;  // in: IOAS or HWPT; out: the HWPT really attached
  std::uint32_t pasid = 0;
};
static_assert(sizeof(VfioDeviceAttachIommufdPt) == 16);

struct VfioDeviceDetachIommufdPt {
  std::uint32_t argsz = 12;
  std::uint32_t flags = 0;
  std::uint32_t pasid = 0;
};
static_assert(sizeof(VfioDeviceDetachIommufdPt) == 12);

inline constexpr std::uint32_t kVfioAttachPasid = 1;

// Header of struct vfio_device_feature; the feature's own struct follows at byte 8.
struct VfioDeviceFeature {
  std::uint32_t argsz = 8;
  std::uint32_t flags = 0;  // number of the feature, and what is to be done with it
};
static_assert(sizeof(VfioDeviceFeature) == 8);

inline constexpr std::uint32_t kVfioDeviceFeatureMask = 0xFFFF;
inline constexpr std::uint32_t kVfioDeviceFeatureGet = 1U << 16;
inline constexpr std::uint32_t kVfioDeviceFeatureSet = 1U << 17;
inline constexpr std::uint32_t kVfioDeviceFeatureProbe = 1U << 18;

// A dma-buf over parts of a BAR; `nr_ranges` of struct vfio_region_dma_range follow.
inline constexpr std::uint32_t kVfioDeviceFeatureDmaBuf = 11;
struct VfioDeviceFeatureDmaBuf {
  std::uint32_t region_index = 0;
  std::uint32_t open_flags = 0;
  std::uint32_t flags = 0;
  std::uint32_t nr_ranges = 0;
};
struct VfioRegionDmaRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};
static_assert(sizeof(VfioDeviceFeatureDmaBuf) == 16 && sizeof(VfioRegionDmaRange) == 16);

}  // namespace baton::linux::uapi
