#include "model/linux/uapi/ioctl_table.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "model/linux/uapi/iommufd.h"
#include "model/linux/uapi/liveupdate.h"
#include "model/linux/uapi/vfio.h"

namespace baton::linux::uapi {
namespace {

// One member of a struct. A macro, because offsetof is one.
#define BATON_FIELD(type, member) \
  #member, static_cast<std::uint32_t>(offsetof(type, member)), sizeof(type::member)
#define BATON_IN(type, member) \
  IoctlField { BATON_FIELD(type, member), FieldType::kNumber, false }
#define BATON_OUT(type, member) \
  IoctlField { BATON_FIELD(type, member), FieldType::kNumber, true }
#define BATON_FD(type, member) \
  IoctlField { BATON_FIELD(type, member), FieldType::kDescriptor, false }
#define BATON_FD_OUT(type, member) \
  IoctlField { BATON_FIELD(type, member), FieldType::kDescriptor, true }
#define BATON_TEXT(type, member) \
  IoctlField { BATON_FIELD(type, member), FieldType::kText, false }
#define BATON_TEXT_OUT(type, member) \
  IoctlField { BATON_FIELD(type, member), FieldType::kText, true }

using Create = LiveupdateCreateSession;
using Retrieve = LiveupdateRetrieveSession;
using PreserveFd = LiveupdatePreserveFd;
using RetrieveFd = LiveupdateRetrieveFd;
using Finish = LiveupdateFinish;
using GetName = LiveupdateGetName;

constexpr std::array kCreate{BATON_IN(Create, size), BATON_FD_OUT(Create, fd),
                             BATON_TEXT(Create, name)};
constexpr std::array kRetrieve{BATON_IN(Retrieve, size), BATON_FD_OUT(Retrieve, fd),
                               BATON_TEXT(Retrieve, name)};
constexpr std::array kPreserveFd{BATON_IN(PreserveFd, size), BATON_FD(PreserveFd, fd),
                                 BATON_IN(PreserveFd, token)};
constexpr std::array kRetrieveFd{BATON_IN(RetrieveFd, size), BATON_FD_OUT(RetrieveFd, fd),
                                 BATON_IN(RetrieveFd, token)};
constexpr std::array kFinish{BATON_IN(Finish, size), BATON_IN(Finish, reserved)};
constexpr std::array kGetName{BATON_IN(GetName, size), BATON_IN(GetName, reserved),
                              BATON_TEXT_OUT(GetName, name)};

constexpr std::array kDestroy{BATON_IN(iommu_destroy, size), BATON_IN(iommu_destroy, id)};
constexpr std::array kIoasAlloc{BATON_IN(iommu_ioas_alloc, size), BATON_IN(iommu_ioas_alloc, flags),
                                BATON_OUT(iommu_ioas_alloc, out_ioas_id)};
constexpr std::array kIovaRanges{BATON_IN(iommu_ioas_iova_ranges, size),
                                 BATON_IN(iommu_ioas_iova_ranges, ioas_id),
                                 BATON_OUT(iommu_ioas_iova_ranges, num_iovas),
                                 BATON_IN(iommu_ioas_iova_ranges, reserved),
                                 BATON_IN(iommu_ioas_iova_ranges, allowed_iovas),
                                 BATON_OUT(iommu_ioas_iova_ranges, out_iova_alignment)};
constexpr std::array kMap{BATON_IN(iommu_ioas_map, size),    BATON_IN(iommu_ioas_map, flags),
                          BATON_IN(iommu_ioas_map, ioas_id), BATON_IN(iommu_ioas_map, reserved),
                          BATON_IN(iommu_ioas_map, user_va), BATON_IN(iommu_ioas_map, length),
                          BATON_OUT(iommu_ioas_map, iova)};
constexpr std::array kUnmap{BATON_IN(iommu_ioas_unmap, size), BATON_IN(iommu_ioas_unmap, ioas_id),
                            BATON_IN(iommu_ioas_unmap, iova), BATON_OUT(iommu_ioas_unmap, length)};
constexpr std::array kHwptAlloc{
    BATON_IN(iommu_hwpt_alloc, size),         BATON_IN(iommu_hwpt_alloc, flags),
    BATON_IN(iommu_hwpt_alloc, dev_id),       BATON_IN(iommu_hwpt_alloc, pt_id),
    BATON_OUT(iommu_hwpt_alloc, out_hwpt_id), BATON_IN(iommu_hwpt_alloc, reserved),
    BATON_IN(iommu_hwpt_alloc, data_type),    BATON_IN(iommu_hwpt_alloc, data_len),
    BATON_IN(iommu_hwpt_alloc, data_uptr),    BATON_IN(iommu_hwpt_alloc, fault_id),
    BATON_IN(iommu_hwpt_alloc, reserved2)};
constexpr std::array kHwInfo{BATON_IN(iommu_hw_info, size),
                             BATON_IN(iommu_hw_info, flags),
                             BATON_IN(iommu_hw_info, dev_id),
                             BATON_OUT(iommu_hw_info, data_len),
                             BATON_IN(iommu_hw_info, data_uptr),
                             BATON_OUT(iommu_hw_info, out_data_type),
                             BATON_OUT(iommu_hw_info, out_max_pasid_log2),
                             BATON_OUT(iommu_hw_info, out_capabilities)};
constexpr std::array kInvalidate{
    BATON_IN(iommu_hwpt_invalidate, size),      BATON_IN(iommu_hwpt_invalidate, hwpt_id),
    BATON_IN(iommu_hwpt_invalidate, data_uptr), BATON_IN(iommu_hwpt_invalidate, data_type),
    BATON_IN(iommu_hwpt_invalidate, entry_len), BATON_OUT(iommu_hwpt_invalidate, entry_num),
    BATON_IN(iommu_hwpt_invalidate, reserved)};
constexpr std::array kMapFile{
    BATON_IN(iommu_ioas_map_file, size),    BATON_IN(iommu_ioas_map_file, flags),
    BATON_IN(iommu_ioas_map_file, ioas_id), BATON_FD(iommu_ioas_map_file, fd),
    BATON_IN(iommu_ioas_map_file, start),   BATON_IN(iommu_ioas_map_file, length),
    BATON_OUT(iommu_ioas_map_file, iova)};
using Mark = iommu_hwpt_liveupdate_mark_preserve;
constexpr std::array kMark{BATON_IN(Mark, size), BATON_IN(Mark, hwpt_id),
                           BATON_IN(Mark, hwpt_token)};

constexpr std::array kInfo{BATON_IN(VfioDeviceInfo, argsz), BATON_OUT(VfioDeviceInfo, flags),
                           BATON_OUT(VfioDeviceInfo, num_regions),
                           BATON_OUT(VfioDeviceInfo, num_irqs),
                           BATON_OUT(VfioDeviceInfo, cap_offset)};
constexpr std::array kRegion{BATON_IN(VfioRegionInfo, argsz), BATON_OUT(VfioRegionInfo, flags),
                             BATON_IN(VfioRegionInfo, index), BATON_OUT(VfioRegionInfo, cap_offset),
                             BATON_OUT(VfioRegionInfo, size), BATON_OUT(VfioRegionInfo, offset)};
constexpr std::array kIrq{BATON_IN(VfioIrqInfo, argsz), BATON_OUT(VfioIrqInfo, flags),
                          BATON_IN(VfioIrqInfo, index), BATON_OUT(VfioIrqInfo, count)};
constexpr std::array kSetIrqs{BATON_IN(VfioIrqSet, argsz), BATON_IN(VfioIrqSet, flags),
                              BATON_IN(VfioIrqSet, index), BATON_IN(VfioIrqSet, start),
                              BATON_IN(VfioIrqSet, count)};
constexpr std::array kFeature{BATON_IN(VfioDeviceFeature, argsz),
                              BATON_IN(VfioDeviceFeature, flags)};
struct PlainType {
  std::uint32_t type;
};
struct PlainDescriptor {
  std::int32_t container;
};
struct PlainName {
  std::array<char, 64> name;
};
constexpr std::array kPlainType{BATON_IN(PlainType, type)};
constexpr std::array kPlainContainer{BATON_FD(PlainDescriptor, container)};
constexpr std::array kPlainName{BATON_TEXT(PlainName, name)};
using DmaMap = VfioIommuType1DmaMap;
using DmaUnmap = VfioIommuType1DmaUnmap;
using Type1Info = VfioIommuType1Info;
constexpr std::array kStatus{BATON_IN(VfioGroupStatus, argsz), BATON_OUT(VfioGroupStatus, flags)};
constexpr std::array kDmaMap{BATON_IN(DmaMap, argsz), BATON_IN(DmaMap, flags),
                             BATON_IN(DmaMap, vaddr), BATON_IN(DmaMap, iova),
                             BATON_IN(DmaMap, size)};
constexpr std::array kDmaUnmap{BATON_IN(DmaUnmap, argsz), BATON_IN(DmaUnmap, flags),
                               BATON_IN(DmaUnmap, iova), BATON_OUT(DmaUnmap, size)};
constexpr std::array kType1Info{BATON_IN(Type1Info, argsz), BATON_OUT(Type1Info, flags),
                                BATON_OUT(Type1Info, iova_pgsizes),
                                BATON_OUT(Type1Info, cap_offset)};
constexpr std::array kHotResetInfo{BATON_IN(VfioPciHotResetInfo, argsz),
                                   BATON_OUT(VfioPciHotResetInfo, flags),
                                   BATON_OUT(VfioPciHotResetInfo, count)};
constexpr std::array kHotReset{BATON_IN(VfioPciHotReset, argsz), BATON_IN(VfioPciHotReset, flags),
                               BATON_IN(VfioPciHotReset, count)};
using Bind = VfioDeviceBindIommufd;
using Attach = VfioDeviceAttachIommufdPt;
using Detach = VfioDeviceDetachIommufdPt;
constexpr std::array kBind{BATON_IN(Bind, argsz), BATON_IN(Bind, flags), BATON_FD(Bind, iommufd),
                           BATON_OUT(Bind, out_devid), BATON_IN(Bind, token_uuid_ptr)};
constexpr std::array kAttach{BATON_IN(Attach, argsz), BATON_IN(Attach, flags),
                             BATON_OUT(Attach, pt_id), BATON_IN(Attach, pasid)};
constexpr std::array kDetach{BATON_IN(Detach, argsz), BATON_IN(Detach, flags),
                             BATON_IN(Detach, pasid)};

#undef BATON_FIELD
#undef BATON_IN
#undef BATON_OUT
#undef BATON_FD
#undef BATON_FD_OUT
#undef BATON_TEXT
#undef BATON_TEXT_OUT

using T = IoctlTarget;
constexpr std::array kRows{
    IoctlRow{kLiveupdateIoctlCreateSession, "LIVEUPDATE_IOCTL_CREATE_SESSION", T::kLiveUpdate, 72,
             kCreate, "fd"},
    IoctlRow{kLiveupdateIoctlRetrieveSession, "LIVEUPDATE_IOCTL_RETRIEVE_SESSION", T::kLiveUpdate,
             72, kRetrieve, "fd"},
    IoctlRow{kLiveupdateSessionPreserveFd, "LIVEUPDATE_SESSION_PRESERVE_FD", T::kSession, 16,
             kPreserveFd, ""},
    IoctlRow{kLiveupdateSessionRetrieveFd, "LIVEUPDATE_SESSION_RETRIEVE_FD", T::kSession, 16,
             kRetrieveFd, "fd"},
    IoctlRow{kLiveupdateSessionFinish, "LIVEUPDATE_SESSION_FINISH", T::kSession, 8, kFinish, ""},
    IoctlRow{kLiveupdateSessionGetName, "LIVEUPDATE_SESSION_GET_NAME", T::kSession, 72, kGetName,
             ""},
    IoctlRow{kIommuDestroy, "IOMMU_DESTROY", T::kIommufd, 8, kDestroy, ""},
    IoctlRow{kIommuIoasAlloc, "IOMMU_IOAS_ALLOC", T::kIommufd, 12, kIoasAlloc, "out_ioas_id"},
    IoctlRow{kIommuIoasIovaRanges, "IOMMU_IOAS_IOVA_RANGES", T::kIommufd, 32, kIovaRanges, ""},
    IoctlRow{kIommuIoasMap, "IOMMU_IOAS_MAP", T::kIommufd, 40, kMap, "iova"},
    IoctlRow{kIommuIoasUnmap, "IOMMU_IOAS_UNMAP", T::kIommufd, 24, kUnmap, ""},
    IoctlRow{kIommuHwptAlloc, "IOMMU_HWPT_ALLOC", T::kIommufd, 48, kHwptAlloc, "out_hwpt_id"},
    IoctlRow{kIommuGetHwInfo, "IOMMU_GET_HW_INFO", T::kIommufd, 40, kHwInfo, "out_capabilities"},
    IoctlRow{kIommuHwptInvalidate, "IOMMU_HWPT_INVALIDATE", T::kIommufd, 32, kInvalidate, ""},
    IoctlRow{kIommuIoasMapFile, "IOMMU_IOAS_MAP_FILE", T::kIommufd, 40, kMapFile, "iova"},
    IoctlRow{kIommuHwptLiveupdateMarkPreserve, "IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE", T::kIommufd,
             16, kMark, ""},
    IoctlRow{kVfioDeviceGetInfo, "VFIO_DEVICE_GET_INFO", T::kVfioDevice, 20, kInfo, ""},
    IoctlRow{kVfioDeviceGetRegionInfo, "VFIO_DEVICE_GET_REGION_INFO", T::kVfioDevice, 32, kRegion,
             "offset"},
    IoctlRow{kVfioDeviceGetIrqInfo, "VFIO_DEVICE_GET_IRQ_INFO", T::kVfioDevice, 16, kIrq, "count"},
    IoctlRow{kVfioDeviceSetIrqs, "VFIO_DEVICE_SET_IRQS", T::kVfioDevice, 20, kSetIrqs, ""},
    IoctlRow{kVfioDeviceReset, "VFIO_DEVICE_RESET", T::kVfioDevice, 0, {}, ""},
    IoctlRow{kVfioDeviceGetPciHotResetInfo, "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO", T::kVfioDevice,
             12, kHotResetInfo, ""},
    IoctlRow{kVfioDevicePciHotReset, "VFIO_DEVICE_PCI_HOT_RESET", T::kVfioDevice, 12, kHotReset,
             ""},
    IoctlRow{kVfioDeviceFeature, "VFIO_DEVICE_FEATURE", T::kVfioDevice, 8, kFeature, ""},
    IoctlRow{kVfioDeviceBindIommufd, "VFIO_DEVICE_BIND_IOMMUFD", T::kVfioDevice, 24, kBind,
             "out_devid"},
    IoctlRow{kVfioDeviceAttachIommufdPt, "VFIO_DEVICE_ATTACH_IOMMUFD_PT", T::kVfioDevice, 16,
             kAttach, "pt_id"},
    IoctlRow{kVfioDeviceDetachIommufdPt, "VFIO_DEVICE_DETACH_IOMMUFD_PT", T::kVfioDevice, 12,
             kDetach, ""},
    IoctlRow{kVfioGroupGetStatus, "VFIO_GROUP_GET_STATUS", T::kVfioGroup, 8, kStatus, ""},
    IoctlRow{kVfioGroupSetContainer, "VFIO_GROUP_SET_CONTAINER", T::kVfioGroup, 4, kPlainContainer,
             "", false},
    IoctlRow{kVfioGroupUnsetContainer, "VFIO_GROUP_UNSET_CONTAINER", T::kVfioGroup, 0, {}, ""},
    IoctlRow{kVfioGroupGetDeviceFd, "VFIO_GROUP_GET_DEVICE_FD", T::kVfioGroup, 64, kPlainName, "",
             false},
    IoctlRow{kVfioGetApiVersion, "VFIO_GET_API_VERSION", T::kVfioContainer, 0, {}, ""},
    IoctlRow{kVfioCheckExtension, "VFIO_CHECK_EXTENSION", T::kVfioContainer, 4, kPlainType, "",
             false},
    IoctlRow{kVfioSetIommu, "VFIO_SET_IOMMU", T::kVfioContainer, 4, kPlainType, "", false},
    IoctlRow{kVfioIommuGetInfo, "VFIO_IOMMU_GET_INFO", T::kVfioContainer, 24, kType1Info, ""},
    IoctlRow{kVfioIommuMapDma, "VFIO_IOMMU_MAP_DMA", T::kVfioContainer, 32, kDmaMap, ""},
    IoctlRow{kVfioIommuUnmapDma, "VFIO_IOMMU_UNMAP_DMA", T::kVfioContainer, 24, kDmaUnmap, ""},
};

}  // namespace

std::string_view name(IoctlTarget target) {
  constexpr std::array<std::string_view, 6> kNames{"/dev/liveupdate", "a session",
                                                   "/dev/iommu",      "/dev/vfio/devices/vfioN",
                                                   "/dev/vfio/N",     "/dev/vfio/vfio, /dev/iommu"};
  return kNames.at(static_cast<std::size_t>(target));
}

std::span<const IoctlRow> ioctl_rows() { return kRows; }

const IoctlRow* ioctl_row(std::uint32_t command) {
  const auto found = std::ranges::find(kRows, command, &IoctlRow::command);
  return found == kRows.end() ? nullptr : &*found;
}

const IoctlRow* ioctl_row(std::string_view name) {
  const auto found = std::ranges::find(kRows, name, &IoctlRow::name);
  return found == kRows.end() ? nullptr : &*found;
}

const IoctlField* field_of(const IoctlRow& row, std::string_view name) {
  const auto found = std::ranges::find(row.fields, name, &IoctlField::name);
  return found == row.fields.end() ? nullptr : &*found;
}

}  // namespace baton::linux::uapi
