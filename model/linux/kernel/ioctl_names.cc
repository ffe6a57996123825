#include "model/linux/kernel/ioctl_names.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "model/linux/uapi/iommufd.h"
#include "model/linux/uapi/liveupdate.h"
#include "model/linux/uapi/vfio.h"

namespace baton::linux {

namespace {

struct Row {
  std::uint32_t command;
  std::string_view name;
};

constexpr std::array kRows{
    Row{uapi::kLiveupdateIoctlCreateSession, "LIVEUPDATE_IOCTL_CREATE_SESSION"},
    Row{uapi::kLiveupdateIoctlRetrieveSession, "LIVEUPDATE_IOCTL_RETRIEVE_SESSION"},
    Row{uapi::kLiveupdateSessionPreserveFd, "LIVEUPDATE_SESSION_PRESERVE_FD"},
    Row{uapi::kLiveupdateSessionRetrieveFd, "LIVEUPDATE_SESSION_RETRIEVE_FD"},
    Row{uapi::kLiveupdateSessionFinish, "LIVEUPDATE_SESSION_FINISH"},
    Row{uapi::kLiveupdateSessionGetName, "LIVEUPDATE_SESSION_GET_NAME"},
    Row{uapi::kIommuDestroy, "IOMMU_DESTROY"},
    Row{uapi::kIommuIoasAlloc, "IOMMU_IOAS_ALLOC"},
    Row{uapi::kIommuIoasIovaRanges, "IOMMU_IOAS_IOVA_RANGES"},
    Row{uapi::kIommuIoasMap, "IOMMU_IOAS_MAP"},
    Row{uapi::kIommuIoasUnmap, "IOMMU_IOAS_UNMAP"},
    Row{uapi::kIommuHwptAlloc, "IOMMU_HWPT_ALLOC"},
    Row{uapi::kIommuIoasMapFile, "IOMMU_IOAS_MAP_FILE"},
    Row{uapi::kIommuHwptLiveupdateMarkPreserve, "IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE"},
    Row{uapi::kVfioDeviceGetInfo, "VFIO_DEVICE_GET_INFO"},
    Row{uapi::kVfioDeviceGetRegionInfo, "VFIO_DEVICE_GET_REGION_INFO"},
    Row{uapi::kVfioDeviceGetIrqInfo, "VFIO_DEVICE_GET_IRQ_INFO"},
    Row{uapi::kVfioDeviceSetIrqs, "VFIO_DEVICE_SET_IRQS"},
    Row{uapi::kVfioDeviceReset, "VFIO_DEVICE_RESET"},
    Row{uapi::kVfioDeviceFeature, "VFIO_DEVICE_FEATURE"},
    Row{uapi::kVfioDeviceBindIommufd, "VFIO_DEVICE_BIND_IOMMUFD"},
    Row{uapi::kVfioDeviceAttachIommufdPt, "VFIO_DEVICE_ATTACH_IOMMUFD_PT"},
    Row{uapi::kVfioDeviceDetachIommufdPt, "VFIO_DEVICE_DETACH_IOMMUFD_PT"},
};

}  // namespace

std::string ioctl_name(std::uint32_t command) {
  for (const Row& row : kRows) {
    if (row.command == command) {
      return std::string(row.name);
    }
  }
  return fmt::format("{:#x}", command);
}

}  // namespace baton::linux
