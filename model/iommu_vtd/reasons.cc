#include "model/iommu_vtd/reasons.h"

namespace baton::iommu_vtd {

bool is_qualified(Reason reason) {
  switch (reason) {
    case Reason::kRootNotPresent:
    case Reason::kRootUnreadable:
    case Reason::kContextUnreadable:
    case Reason::kRootReserved:
    case Reason::kRemapRequestReserved:
    case Reason::kRemapIndexTooLarge:
    case Reason::kRemapEntryUnreadable:
    case Reason::kCompatibilityBlocked:
    case Reason::kNotAnInterrupt:
    case Reason::kBadTableMode:
    case Reason::kPasidInLegacyMode:
    case Reason::kPageRequestInLegacyMode:
    case Reason::kUnknown33:
    case Reason::kScalableRootUnreadable:
    case Reason::kScalableRootNotPresent:
    case Reason::kScalableRootReserved:
    case Reason::kScalableContextUnreadable:
    // AMBIGUOUS: one source qualifies the next two, another does not. The second is taken.
    case Reason::kDirectoryUnreadable:
    case Reason::kPasidEntryUnreadable:
      return false;
    default:
      return true;
  }
}

bool is_recoverable(Reason reason) {
  switch (reason) {
    case Reason::kBeyondAddressWidth:
    case Reason::kNoWritePermission:
    case Reason::kNoReadPermission:
    case Reason::kFirstStageNotPresent:
    case Reason::kFirstStageEntryBeyondWidth:
    case Reason::kFirstStageTopNotReadable:
    case Reason::kFirstStageEntryNotReadable:
    case Reason::kFirstStageEntryNotWritable:
    case Reason::kSecondStagePermission:
    case Reason::kNotCanonical:
    case Reason::kUserBlocked:
    case Reason::kExecuteBlocked:
    case Reason::kBeyondSecondStageWidth:
    case Reason::kScalableNoWrite:
    case Reason::kScalableNoRead:
      return true;
    default:
      return false;
  }
}

pci::CompletionStatus completion_of(Reason reason) {
  switch (reason) {
    case Reason::kPagingEntryUnreadable:
    case Reason::kRootUnreadable:
    case Reason::kContextUnreadable:
    case Reason::kRootReserved:
    case Reason::kContextReserved:
    case Reason::kPagingEntryReserved:
    case Reason::kScalableRootUnreadable:
    case Reason::kScalableRootReserved:
    case Reason::kScalableContextUnreadable:
    case Reason::kScalableContextReserved:
    case Reason::kDirectoryUnreadable:
    case Reason::kDirectoryReserved:
    case Reason::kPasidEntryUnreadable:
    case Reason::kPasidEntryReserved:
    case Reason::kFirstStageUnreadable:
    case Reason::kFirstStageReserved:
    case Reason::kFirstStageTopUnreadable:
    case Reason::kSecondStageUnreadable:
    case Reason::kSecondStageReserved:
    case Reason::kSecondStageTopUnreadable:
      return pci::CompletionStatus::kCompleterAbort;
    default:
      return pci::CompletionStatus::kUnsupportedRequest;
  }
}

Reason scalable(Reason second_stage) {
  switch (second_stage) {
    case Reason::kContextInvalid:
      return Reason::kSecondStageTopUnreadable;
    case Reason::kPagingEntryUnreadable:
      return Reason::kSecondStageUnreadable;
    case Reason::kPagingEntryReserved:
      return Reason::kSecondStageReserved;
    case Reason::kNoWritePermission:
      return Reason::kScalableNoWrite;
    case Reason::kNoReadPermission:
      return Reason::kScalableNoRead;
    case Reason::kBeyondAddressWidth:
      return Reason::kBeyondSecondStageWidth;
    default:
      return second_stage;
  }
}

}  // namespace baton::iommu_vtd
