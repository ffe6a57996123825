#include "model/iommufd/state_machine.h"

namespace baton::iommufd {

namespace {

using linux::Errno;
using C = ContextState;
using CE = ContextEvent;
using I = IoasState;
using IE = IoasEvent;
using H = HwptState;
using HE = HwptEvent;
using A = AttachState;
using AE = AttachEvent;

constexpr std::string_view kLive = "iommu v5, iommufd/liveupdate.c";
constexpr std::string_view kPhase2 = "phase2; no upstream series";
constexpr std::string_view kMarks = "iommu v5, iommufd/hw_pagetable.c";
constexpr std::string_view kMaps = "linux iommufd/ioas.c, io_pagetable.c; errno assumed";
constexpr std::string_view kObjects = "linux iommufd/main.c";
constexpr std::string_view kDeviceSource = "linux iommufd/device.c";
constexpr std::string_view kCore = "iommu v5, iommu/liveupdate.c";
constexpr std::string_view kLockdown = "policy prepared_lockdown; no upstream series";

// Guards.
constexpr std::string_view kMayPreserve =
    "each area below a marked HWPT is a sealed memfd (EINVAL) of this session (ENOENT), each "
    "domain "
    "can be handed over (EBUSY, EOPNOTSUPP)";
constexpr std::string_view kMayFreeze = "a BAR that is mapped is of a preserved device (EINVAL)";
constexpr std::string_view kMayRestore = "its memfds are retrieved (ENOENT), its records good";
constexpr std::string_view kAwaited = "the device waits for it; else as any other device";
constexpr std::string_view kAllBack = "every preserved device is back, else EBUSY";
constexpr std::string_view kTokenFree = "no other HWPT has the token (EADDRINUSE)";
constexpr std::string_view kSameToken = "no HWPT has the token; the record keeps the one it has";
constexpr std::string_view kUnused = "nothing uses it (EBUSY)";
constexpr std::string_view kUsed = "the record uses it";
constexpr std::string_view kLastBack = "the last of its devices is back";
constexpr std::string_view kMarkedBelow =
    "its HWPT is marked (EINVAL) and the iommufd in the session (ENOENT)";
constexpr std::string_view kAllowed = "policy prepared_lockdown: none";
constexpr std::string_view kReplaces = "another HWPT takes the place";

constexpr ContextTable::Row kContexts[] = {
    {C::kOpen, CE::kPreserve, C::kPreserved, {}, kLive, kMayPreserve},
    {C::kOpen, CE::kRestore, C::kRetrieved, {}, kPhase2, kMayRestore},
    {C::kOpen, CE::kReclaim, C::kOpen, Errno::kNoEnt, kPhase2, "a device like any other"},
    {C::kPreserved, CE::kPreserve, C::kPreserved, Errno::kBusy, "linux luo_file.c"},
    {C::kPreserved, CE::kFreeze, C::kPreserved, {}, kLive, kMayFreeze},
    {C::kPreserved, CE::kUnpreserve, C::kOpen, {}, kLive, "its session is closed"},
    {C::kPreserved, CE::kReclaim, C::kPreserved, Errno::kNoEnt, kPhase2, "a device like any other"},
    // What a retrieve made of it has no areas that could be handed over once more.
    {C::kRetrieved, CE::kPreserve, C::kRetrieved, Errno::kBusy, kPhase2},
    {C::kRetrieved, CE::kReclaim, C::kRetrieved, {}, kPhase2, kAwaited},
    {C::kRetrieved, CE::kFinish, C::kOpen, {}, kPhase2, kAllBack},
};

constexpr IoasTable::Row kIoas[] = {
    {I::kMutable, IE::kChange, I::kMutable, {}, kMaps},
    {I::kMutable, IE::kPreserve, I::kImmutable, {}, kLive, kMayPreserve},
    {I::kMutable, IE::kFinish, I::kMutable, {}, kPhase2, "made since the retrieve"},
    {I::kImmutable, IE::kChange, I::kImmutable, Errno::kBusy, kMaps},
    {I::kImmutable, IE::kPreserve, I::kImmutable, {}, kLive, "below another marked HWPT too"},
    {I::kImmutable, IE::kUnpreserve, I::kMutable, {}, kLive},
    {I::kRestored, IE::kChange, I::kRestored, Errno::kBusy, kPhase2},
    {I::kRestored, IE::kFinish, I::kMutable, {}, kPhase2},
};

constexpr HwptTable::Row kHwpts[] = {
    {H::kPlain, HE::kMark, H::kMarked, {}, kMarks, kTokenFree},
    {H::kPlain, HE::kFinish, H::kPlain, {}, kPhase2, "made since the retrieve"},
    {H::kPlain, HE::kDestroy, H::kDestroyed, {}, kObjects, kUnused},
    // There is no unmark.
    {H::kMarked, HE::kMark, H::kMarked, {}, kMarks, kTokenFree},
    {H::kMarked, HE::kPreserve, H::kPreserved, {}, kLive, kMayPreserve},
    {H::kMarked, HE::kFinish, H::kMarked, {}, kPhase2, "made since the retrieve"},
    {H::kMarked, HE::kDestroy, H::kDestroyed, {}, kObjects, kUnused},
    {H::kPreserved, HE::kMark, H::kPreserved, {}, kMarks, kSameToken},
    {H::kPreserved, HE::kUnpreserve, H::kMarked, {}, kLive},
    {H::kPreserved, HE::kDestroy, H::kPreserved, Errno::kBusy, kObjects, kUsed},
    {H::kRestored, HE::kMark, H::kRestored, {}, kMarks, kTokenFree},
    {H::kRestored, HE::kReclaim, H::kReclaimed, {}, kPhase2, kLastBack},
    {H::kRestored, HE::kFinish, H::kMarked, {}, kPhase2, "no device was preserved with it"},
    {H::kRestored, HE::kDestroy, H::kDestroyed, {}, kObjects, kUnused},
    {H::kReclaimed, HE::kMark, H::kReclaimed, {}, kMarks, kTokenFree},
    {H::kReclaimed, HE::kFinish, H::kMarked, {}, kPhase2},
    {H::kReclaimed, HE::kDestroy, H::kDestroyed, {}, kObjects, kUnused},
};

constexpr AttachTable::Row kAttachments[] = {
    {A::kBound, AE::kChange, A::kBound, {}, kLockdown},
    {A::kBound, AE::kAttach, A::kAttached, {}, kDeviceSource},
    {A::kBound, AE::kDetach, A::kBound, {}, kDeviceSource, "nothing to take away"},
    {A::kBound, AE::kAttachPasid, A::kBound, {}, kDeviceSource},
    {A::kBound, AE::kPreserve, A::kBound, Errno::kNoEnt, kLive},
    {A::kBound, AE::kUnbind, A::kUnbound, {}, kDeviceSource},
    {A::kAttached, AE::kChange, A::kAttached, {}, kLockdown},
    {A::kAttached, AE::kAttach, A::kAttached, {}, kDeviceSource, kReplaces},
    {A::kAttached, AE::kDetach, A::kBound, {}, kDeviceSource, "before an unbind as well"},
    {A::kAttached, AE::kAttachPasid, A::kAttached, {}, kDeviceSource},
    {A::kAttached, AE::kPreserve, A::kPreserved, {}, kLive, kMarkedBelow},
    {A::kPreserved, AE::kChange, A::kPreserved, Errno::kBusy, kLockdown},
    {A::kPreserved, AE::kAttach, A::kPreserved, {}, kDeviceSource, kAllowed},
    {A::kPreserved, AE::kDetach, A::kPreservedLoose, {}, kDeviceSource, kAllowed},
    {A::kPreserved, AE::kAttachPasid, A::kPreserved, Errno::kBusy, kLockdown},
    {A::kPreserved, AE::kPreserve, A::kPreserved, Errno::kBusy, kCore},
    {A::kPreserved, AE::kUnpreserve, A::kAttached, {}, kLive},
    {A::kPreservedLoose, AE::kAttach, A::kPreserved, {}, kDeviceSource, kAllowed},
    {A::kPreservedLoose,
     AE::kDetach,
     A::kPreservedLoose,
     {},
     kDeviceSource,
     "nothing to take away"},
    {A::kPreservedLoose, AE::kAttachPasid, A::kPreservedLoose, Errno::kBusy, kLockdown},
    {A::kPreservedLoose, AE::kPreserve, A::kPreservedLoose, Errno::kNoEnt, kLive},
    {A::kPreservedLoose, AE::kUnpreserve, A::kBound, {}, kLive},
};

constexpr std::string_view kContextStates[] = {"open", "preserved", "retrieved"};
constexpr std::string_view kContextEvents[] = {"preserve", "freeze",  "unpreserve",
                                               "retrieve", "reclaim", "finish"};
constexpr std::string_view kIoasStates[] = {"mutable", "immutable", "restored"};
constexpr std::string_view kIoasEvents[] = {"IOMMU_IOAS_MAP, MAP_FILE, UNMAP", "preserve",
                                            "unpreserve", "finish"};
constexpr std::string_view kHwptStates[] = {"plain",    "marked",    "preserved",
                                            "restored", "reclaimed", "destroyed"};
constexpr std::string_view kHwptEvents[] = {"IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE",
                                            "preserve",
                                            "unpreserve",
                                            "reclaim",
                                            "finish",
                                            "IOMMU_DESTROY"};
constexpr std::string_view kAttachStates[] = {"bound", "attached", "preserved", "preserved-loose",
                                              "unbound"};
constexpr std::string_view kAttachEvents[] = {"change under lockdown",
                                              "attach",
                                              "detach",
                                              "attach of a PASID",
                                              "preserve",
                                              "unpreserve",
                                              "unbind"};

constexpr ContextTable kContextTable(kContexts, kContextStates, kContextEvents);
constexpr IoasTable kIoasTable(kIoas, kIoasStates, kIoasEvents);
constexpr HwptTable kHwptTable(kHwpts, kHwptStates, kHwptEvents);
constexpr AttachTable kAttachTable(kAttachments, kAttachStates, kAttachEvents);

}  // namespace

const ContextTable& context_table() { return kContextTable; }
const IoasTable& ioas_table() { return kIoasTable; }
const HwptTable& hwpt_table() { return kHwptTable; }
const AttachTable& attach_table() { return kAttachTable; }

}  // namespace baton::iommufd
