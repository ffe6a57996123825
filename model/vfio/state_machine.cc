#include "model/vfio/state_machine.h"

namespace baton::vfio {

namespace {

using linux::Errno;
using F = FileState;
using FE = FileEvent;
using D = DeviceStage;
using DE = DeviceEvent;

constexpr std::string_view kBindSource = "linux vfio/device_cdev.c vfio_df_ioctl_bind_iommufd";
constexpr std::string_view kAccess = "linux vfio/vfio_main.c access_granted";
constexpr std::string_view kAttach = "linux vfio/device_cdev.c vfio_df_ioctl_attach_pt";
constexpr std::string_view kDispatch = "linux vfio/vfio_main.c vfio_device_fops_unl_ioctl";
constexpr std::string_view kFaults = "linux vfio/pci/vfio_pci_core.c vfio_pci_mmap_huge_fault";
constexpr std::string_view kGroup = "linux vfio/group.c vfio_df_group_open";
constexpr std::string_view kLast = "linux vfio/vfio_main.c vfio_device_fops_release";
constexpr std::string_view kLive = "vfio/pci v5, vfio_pci_liveupdate.c";
constexpr std::string_view kPci = "linux pci/liveupdate.c pci_liveupdate_preserve (v9)";
constexpr std::string_view kAssumed = "policy prepared_lockdown; no upstream series";

// Guards.
constexpr std::string_view kMayBind =
    "flags and iommufd are good (EINVAL, EBADF, EBADFD), its DMA is free or the iommufd's own "
    "(EPERM), its group is not open (EBUSY), the device opens";
constexpr std::string_view kSession = "came from a session";
constexpr std::string_view kDefect = "only where a defect lets the file of a group through";
constexpr std::string_view kPreserveGuard =
    "the PCI core takes it (EBUSY, EINVAL, ENOENT), and its iommufd when it is attached (ENOENT, "
    "EINVAL)";
constexpr std::string_view kFreezeGuard =
    "as posted: interrupts down and in D0, else EINVAL; running: interrupts can be held back";
constexpr std::string_view kUnfreezeGuard = "running, and policy cancel_after_freeze: unfreeze";
constexpr std::string_view kLocked =
    "policy prepared_lockdown, not for interrupts down and up again; under none like any request";
constexpr std::string_view kFirst = "the group has a container or an iommufd (EINVAL)";

constexpr FileTable::Row kFiles[] = {
    {F::kOpened, FE::kBind, F::kBound, {}, kBindSource, kMayBind},
    {F::kOpened, FE::kPageTable, F::kOpened, Errno::kInval, kAccess},
    {F::kOpened, FE::kRequest, F::kOpened, Errno::kInval, kAccess},
    {F::kOpened, FE::kFault, F::kOpened, Errno::kFault, kFaults},
    {F::kOpened, FE::kPreserve, F::kOpened, Errno::kNoEnt, kLive},
    {F::kOpened, FE::kClose, F::kClosed, {}, kLast},
    {F::kRetrieved, FE::kBind, F::kBound, {}, kBindSource, kMayBind},
    {F::kRetrieved, FE::kPageTable, F::kRetrieved, Errno::kInval, kAccess},
    {F::kRetrieved, FE::kRequest, F::kRetrieved, Errno::kInval, kAccess},
    {F::kRetrieved, FE::kFault, F::kRetrieved, Errno::kFault, kFaults},
    {F::kRetrieved, FE::kPreserve, F::kRetrieved, Errno::kNoEnt, kLive},
    {F::kRetrieved, FE::kFinish, F::kRetrieved, Errno::kBusy, kLive},
    {F::kRetrieved, FE::kClose, F::kClosed, {}, kLast},
    {F::kBound, FE::kBind, F::kBound, Errno::kInval, kBindSource},
    {F::kBound, FE::kPageTable, F::kBound, {}, kAttach},
    {F::kBound, FE::kRequest, F::kBound, {}, kAccess},
    {F::kBound, FE::kFault, F::kBound, {}, kFaults},
    {F::kBound, FE::kPreserve, F::kBound, {}, kLive},
    {F::kBound, FE::kFinish, F::kBound, {}, kLive, kSession},
    {F::kBound, FE::kClose, F::kClosed, {}, kLast, "the device is closed"},
    {F::kOfGroup, FE::kBind, F::kOfGroup, Errno::kInval, kBindSource},
    {F::kOfGroup, FE::kPageTable, F::kOfGroup, Errno::kNoTty, kDispatch},
    {F::kOfGroup, FE::kRequest, F::kOfGroup, {}, kAccess},
    {F::kOfGroup, FE::kFault, F::kOfGroup, {}, kFaults},
    {F::kOfGroup, FE::kPreserve, F::kOfGroup, Errno::kNoEnt, kLive},
    {F::kOfGroup, FE::kClose, F::kClosed, {}, kLast, "the device with the last of them"},
};

// A preserved device cannot be closed: the session holds its file.
constexpr DeviceTable::Row kDevices[] = {
    {D::kClosed, DE::kBind, D::kBound, {}, kBindSource, kMayBind},
    {D::kClosed, DE::kOpenByGroup, D::kInGroup, {}, kGroup, kFirst},
    {D::kInGroup, DE::kBind, D::kInGroup, Errno::kBusy, kBindSource},
    {D::kInGroup, DE::kOpenByGroup, D::kInGroup, {}, kGroup, "one file more"},
    {D::kInGroup, DE::kUse, D::kInGroup, {}, kAccess},
    {D::kInGroup, DE::kChange, D::kInGroup, {}, kAccess},
    {D::kInGroup, DE::kTouch, D::kInGroup, {}, kAccess, "memory is on (EIO)"},
    {D::kInGroup, DE::kPreserve, D::kPreserved, {}, kLive, kDefect},
    {D::kInGroup, DE::kClose, D::kClosed, {}, kLast},
    {D::kBound, DE::kBind, D::kBound, Errno::kInval, kBindSource},
    {D::kBound, DE::kOpenByGroup, D::kBound, Errno::kBusy, kGroup},
    {D::kBound, DE::kUse, D::kBound, {}, kAccess},
    {D::kBound, DE::kChange, D::kBound, {}, kAccess},
    {D::kBound, DE::kTouch, D::kBound, {}, kAccess, "memory is on (EIO)"},
    {D::kBound, DE::kPreserve, D::kPreserved, {}, kLive, kPreserveGuard},
    {D::kBound, DE::kClose, D::kClosed, {}, kLast},
    {D::kPreserved, DE::kBind, D::kPreserved, Errno::kInval, kBindSource},
    {D::kPreserved, DE::kOpenByGroup, D::kPreserved, Errno::kBusy, kGroup},
    {D::kPreserved, DE::kUse, D::kPreserved, {}, kAccess},
    {D::kPreserved, DE::kChange, D::kPreserved, Errno::kBusy, kAssumed, kLocked},
    {D::kPreserved, DE::kTouch, D::kPreserved, {}, kAccess, "memory is on (EIO)"},
    {D::kPreserved, DE::kPreserve, D::kPreserved, Errno::kBusy, kPci},
    {D::kPreserved, DE::kUnpreserve, D::kBound, {}, kLive, "its session is closed"},
    {D::kPreserved, DE::kFreeze, D::kFrozen, {}, kLive, kFreezeGuard},
    {D::kFrozen, DE::kBind, D::kFrozen, Errno::kInval, kBindSource},
    {D::kFrozen, DE::kOpenByGroup, D::kFrozen, Errno::kBusy, kGroup},
    {D::kFrozen, DE::kUse, D::kFrozen, Errno::kIo, kLive},
    {D::kFrozen, DE::kChange, D::kFrozen, Errno::kIo, kLive},
    {D::kFrozen, DE::kTouch, D::kFrozen, Errno::kIo, kLive, "a mapping: EFAULT, which is SIGBUS"},
    {D::kFrozen, DE::kPreserve, D::kFrozen, Errno::kBusy, kPci},
    {D::kFrozen, DE::kUnpreserve, D::kDead, {}, kLive, "its session is closed"},
    {D::kFrozen, DE::kFreeze, D::kFrozen, {}, kLive, "a second reboot, after one that failed"},
    {D::kFrozen, DE::kUnfreeze, D::kPreserved, {}, kLive, kUnfreezeGuard},
    {D::kDead, DE::kBind, D::kDead, Errno::kInval, kBindSource},
    {D::kDead, DE::kOpenByGroup, D::kDead, Errno::kBusy, kGroup},
    {D::kDead, DE::kUse, D::kDead, Errno::kIo, kLive},
    {D::kDead, DE::kChange, D::kDead, Errno::kIo, kLive},
    {D::kDead, DE::kTouch, D::kDead, Errno::kIo, kLive, "a mapping: EFAULT, which is SIGBUS"},
    {D::kDead, DE::kPreserve, D::kFrozen, {}, kLive, kPreserveGuard},
    {D::kDead, DE::kClose, D::kClosed, {}, kLast},
};

constexpr std::string_view kFileStates[] = {"opened", "retrieved", "bound", "of-group", "closed"};
constexpr std::string_view kFileEvents[] = {"VFIO_DEVICE_BIND_IOMMUFD",
                                            "VFIO_DEVICE_ATTACH_IOMMUFD_PT, DETACH",
                                            "other request, read, write, mmap",
                                            "access to a mapping",
                                            "LIVEUPDATE_SESSION_PRESERVE_FD",
                                            "LIVEUPDATE_SESSION_FINISH",
                                            "close"};
constexpr std::string_view kDeviceStages[] = {"closed",    "in-group", "bound",
                                              "preserved", "frozen",   "dead"};
constexpr std::string_view kDeviceEvents[] = {"VFIO_DEVICE_BIND_IOMMUFD",
                                              "VFIO_GROUP_GET_DEVICE_FD",
                                              "request that changes nothing",
                                              "change of what was recorded",
                                              "access to a BAR",
                                              "preserve",
                                              "unpreserve",
                                              "freeze",
                                              "unfreeze",
                                              "last close"};

constexpr FileTable kFileTable(kFiles, kFileStates, kFileEvents);
constexpr DeviceTable kDeviceTable(kDevices, kDeviceStages, kDeviceEvents);

}  // namespace

const FileTable& file_table() { return kFileTable; }
const DeviceTable& device_table() { return kDeviceTable; }

}  // namespace baton::vfio
