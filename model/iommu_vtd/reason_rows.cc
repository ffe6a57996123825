#include "model/iommu_vtd/reason_rows.h"

#include <algorithm>
#include <array>

namespace baton::iommu_vtd {

namespace {

constexpr std::string_view kUnnamed = "the code is listed without a condition";
constexpr std::string_view kRamIsLockable =
    "all RAM takes locked updates, and an entry outside of RAM is unreadable: 0x70, 0x78";

// [VT-d 7.1.3, tables of fault reasons]
constexpr auto kRows = std::to_array<ReasonRow>({
    {Reason::kRootNotPresent, "LRT.2", "the root entry of the bus is not present"},
    {Reason::kContextNotPresent, "LCT.2", "the context entry of the function is not present"},
    {Reason::kContextInvalid, "LCT.4",
     "the context entry selects a translation type or address width that the unit lacks, or its "
     "page table cannot be read"},
    {Reason::kBeyondAddressWidth, "LGN.1",
     "the address lies beyond what the page tables translate, or passes through beyond the host "
     "address width"},
    {Reason::kNoWritePermission, "LGN.2", "the page tables do not permit the write"},
    {Reason::kNoReadPermission, "LGN.3", "the page tables do not permit the read"},
    {Reason::kPagingEntryUnreadable, "LSS.1", "a page table below the first cannot be read"},
    {Reason::kRootUnreadable, "LRT.1", "the root table cannot be read"},
    {Reason::kContextUnreadable, "LCT.1", "the context table cannot be read"},
    {Reason::kRootReserved, "LRT.3", "the root entry has reserved bits set"},
    {Reason::kContextReserved, "LCT.3", "the context entry has reserved bits set"},
    {Reason::kPagingEntryReserved, "LSS.2", "a page table entry has reserved bits set"},
    {Reason::kAddressTypeBlocked, "LCT.5",
     "a translation request or translated request of a function whose context entry does not allow "
     "a device-TLB"},
    {Reason::kInterruptRangeOutput, "LGN.4", "the translation leads to an interrupt address"},
    {Reason::kRemapRequestReserved, "INT", "the interrupt request has reserved bits set"},
    {Reason::kRemapIndexTooLarge, "INT", "the interrupt index lies beyond the remapping table"},
    {Reason::kRemapEntryNotPresent, "INT", "the interrupt remapping entry is not present"},
    {Reason::kRemapEntryUnreadable, "INT", "the interrupt remapping table cannot be read"},
    {Reason::kRemapEntryReserved, "INT", "the interrupt remapping entry has reserved bits set"},
    {Reason::kCompatibilityBlocked, "INT", "an interrupt request in compatibility format"},
    {Reason::kSourceMismatch, "INT", "the interrupt comes from another source than its entry says"},
    {Reason::kPostedDescriptorUnreadable, "INT",
     "the posted-interrupt descriptor cannot be read or written"},
    {Reason::kPostedDescriptorReserved, "INT",
     "the posted-interrupt descriptor has reserved bits set"},
    {Reason::kNotAnInterrupt, "INT",
     "a request to the interrupt range that is no interrupt request"},
    {Reason::kBadTableMode, "RTA.1", "the root table address selects a mode that the unit lacks"},
    {Reason::kPasidInLegacyMode, "RTA.2", "a request with PASID in legacy mode"},
    {Reason::kPageRequestInLegacyMode, "RTA.3", "a page request in legacy mode"},
    {Reason::kUnknown33, "RTA.4", "not known", kUnnamed},
    {Reason::kScalableRootUnreadable, "SRT.1", "the root table cannot be read"},
    {Reason::kScalableRootNotPresent, "SRT.2", "the half of the root entry is not present"},
    {Reason::kScalableRootReserved, "SRT.3", "the half of the root entry has reserved bits set"},
    {Reason::kScalableContextUnreadable, "SCT.1", "the context table cannot be read"},
    {Reason::kScalableContextNotPresent, "SCT.2", "the context entry is not present"},
    {Reason::kScalableContextReserved, "SCT.3", "the context entry has reserved bits set"},
    {Reason::kScalableContextInvalid, "SCT.4", "the context entry is programmed invalidly",
     "what is invalid of a context entry is no condition of its own in the sources: reserved bits "
     "are 0x42, a directory that is too small 0x46 and 0x48"},
    {Reason::kDeviceTlbDisabled, "SCT.5",
     "a translation request or translated request although DTE is off"},
    {Reason::kPasidDisabled, "SCT.6", "a request with PASID although PASIDE is off"},
    {Reason::kPasidTooLarge, "SCT.7", "the PASID lies beyond the directory"},
    {Reason::kPageRequestDisabled, "SCT.8", "a page request although PRE is off"},
    {Reason::kRidPasidTooLarge, "SCT.9", "RID_PASID lies beyond the directory"},
    {Reason::kDirectoryUnreadable, "SPD.1", "the PASID directory cannot be read"},
    {Reason::kDirectoryNotPresent, "SPD.2", "the PASID directory entry is not present"},
    {Reason::kDirectoryReserved, "SPD.3", "the PASID directory entry has reserved bits set"},
    {Reason::kPasidEntryUnreadable, "SPT.1", "the PASID table cannot be read"},
    {Reason::kPasidEntryNotPresent, "SPT.2", "the PASID table entry is not present"},
    {Reason::kPasidEntryReserved, "SPT.3", "the PASID table entry has reserved bits set"},
    {Reason::kPasidEntryInvalid, "SPT.4",
     "the PASID table entry selects a translation type or width that the unit lacks"},
    {Reason::kExecuteDisabled, "SPT.5", "an execute request although ERE is off"},
    {Reason::kSupervisorDisabled, "SPT.6", "a supervisor request although SRE is off"},
    {Reason::kFirstStageUnreadable, "SFS.1", "a first-stage table below the first cannot be read"},
    {Reason::kFirstStageNotPresent, "SFS.2", "a first-stage entry is not present"},
    {Reason::kFirstStageReserved, "SFS.3", "a first-stage entry has reserved bits set"},
    {Reason::kFirstStageTopUnreadable, "SFS.4", "the first first-stage table cannot be read"},
    {Reason::kFirstStageEntryBeyondWidth, "SFS.5",
     "nested: a first-stage table lies beyond what the second stage translates"},
    {Reason::kFirstStageTopNotReadable, "SFS.6",
     "nested: the second stage does not permit reading the first first-stage table"},
    {Reason::kFirstStageEntryNotReadable, "SFS.7",
     "nested: the second stage does not permit reading a further first-stage table"},
    {Reason::kFirstStageEntryNotWritable, "SFS.8",
     "nested: the second stage does not permit marking a first-stage entry accessed or dirty"},
    {Reason::kSecondStageUnreadable, "SSS.1",
     "a second-stage table below the first cannot be read"},
    {Reason::kSecondStagePermission, "SSS.2",
     "nested: the second stage does not permit the access to the final address"},
    {Reason::kSecondStageReserved, "SSS.3", "a second-stage entry has reserved bits set"},
    {Reason::kSecondStageTopUnreadable, "SSS.4", "the first second-stage table cannot be read"},
    {Reason::kSecondStageNotSnooped, "SSS.5",
     "a second-stage entry has to be marked accessed or dirty, and its memory is not snooped"},
    {Reason::kSecondStageUpdateFailed, "SSS.6",
     "a second-stage entry cannot be updated with a locked access", kRamIsLockable},
    {Reason::kNotCanonical, "SGN.1", "the address is not canonical for the first stage"},
    {Reason::kUserBlocked, "SGN.2", "a user access to a supervisor page"},
    {Reason::kExecuteBlocked, "SGN.3", "execution of a page that does not permit it"},
    {Reason::kBeyondHostWidth, "SGN.4",
     "an address that passes through, or a translated one, lies beyond the host address width"},
    {Reason::kBeyondSecondStageWidth, "SGN.5",
     "the address lies beyond what the second stage translates"},
    {Reason::kScalableNoWrite, "SGN.6", "the page tables do not permit the write"},
    {Reason::kScalableNoRead, "SGN.7", "the page tables do not permit the read"},
    {Reason::kScalableInterruptRange, "SGN.8", "the translation leads to an interrupt address"},
    {Reason::kUnknown88, "SGN.9", "not known", kUnnamed},
    {Reason::kUnknown89, "SGN.10", "not known", kUnnamed},
    {Reason::kFirstStageNotSnooped, "SFS.9",
     "a first-stage entry has to be marked accessed or dirty, and its memory is not snooped"},
    {Reason::kFirstStageUpdateFailed, "SFS.10",
     "a first-stage entry cannot be updated with a locked access", kRamIsLockable},
});

consteval bool ascending() {
  return std::ranges::is_sorted(kRows, {}, [](const ReasonRow& row) { return row.reason; });
}
static_assert(ascending());

}  // namespace

std::span<const ReasonRow> reason_rows() { return kRows; }

const ReasonRow* find_reason(std::uint8_t code) {
  const auto row = std::ranges::find(kRows, static_cast<Reason>(code), &ReasonRow::reason);
  return row == kRows.end() ? nullptr : &*row;
}

}  // namespace baton::iommu_vtd
