// Fault reasons [VT-d 7.1.3, 7.1.4], and what each means for logging and for the completion of a
// translation request.
#pragma once

#include <cstdint>

#include "model/pci/request.h"

namespace baton::iommu_vtd {

enum class Reason : std::uint8_t {
  kUnrecorded = 0x00,  // no code of the specification: blocked, never recorded
  kRootNotPresent = 0x01,
  kContextNotPresent = 0x02,
  kContextInvalid = 0x03,
  kBeyondAddressWidth = 0x04,
  kNoWritePermission = 0x05,
  kNoReadPermission = 0x06,
  kPagingEntryUnreadable = 0x07,
  kRootUnreadable = 0x08,
  kContextUnreadable = 0x09,
  kRootReserved = 0x0A,
  kContextReserved = 0x0B,
  kPagingEntryReserved = 0x0C,
  kAddressTypeBlocked = 0x0D,
  kInterruptRangeOutput = 0x0E,
  kRemapRequestReserved = 0x20,
  kRemapIndexTooLarge = 0x21,
  kRemapEntryNotPresent = 0x22,
  kRemapEntryUnreadable = 0x23,
  kRemapEntryReserved = 0x24,
  kCompatibilityBlocked = 0x25,
  kSourceMismatch = 0x26,
  kPostedDescriptorUnreadable = 0x27,
  kPostedDescriptorReserved = 0x28,
  kNotAnInterrupt = 0x29,
  kBadTableMode = 0x30,
  kPasidInLegacyMode = 0x31,
  kPageRequestInLegacyMode = 0x32,
  kUnknown33 = 0x33,
  // Scalable mode: root, context, PASID directory, PASID table.
  kScalableRootUnreadable = 0x38,
  kScalableRootNotPresent = 0x39,
  kScalableRootReserved = 0x3A,
  kScalableContextUnreadable = 0x40,
  kScalableContextNotPresent = 0x41,
  kScalableContextReserved = 0x42,
  kScalableContextInvalid = 0x43,
  kDeviceTlbDisabled = 0x44,
  kPasidDisabled = 0x45,
  kPasidTooLarge = 0x46,
  kPageRequestDisabled = 0x47,
  kRidPasidTooLarge = 0x48,
  kDirectoryUnreadable = 0x50,
  kDirectoryNotPresent = 0x51,
  kDirectoryReserved = 0x52,
  kPasidEntryUnreadable = 0x58,
  kPasidEntryNotPresent = 0x59,
  kPasidEntryReserved = 0x5A,
  kPasidEntryInvalid = 0x5B,
  kExecuteDisabled = 0x5C,
  kSupervisorDisabled = 0x5D,
  // First stage.
  kFirstStageUnreadable = 0x70,
  kFirstStageNotPresent = 0x71,
  kFirstStageReserved = 0x72,
  kFirstStageTopUnreadable = 0x73,
  kFirstStageEntryBeyondWidth = 0x74,
  kFirstStageTopNotReadable = 0x75,
  kFirstStageEntryNotReadable = 0x76,
  kFirstStageEntryNotWritable = 0x77,
  // Second stage in scalable mode.
  kSecondStageUnreadable = 0x78,
  kSecondStagePermission = 0x79,
  kSecondStageReserved = 0x7A,
  kSecondStageTopUnreadable = 0x7B,
  kSecondStageNotSnooped = 0x7C,
  kSecondStageUpdateFailed = 0x7D,
  // Any stage.
  kNotCanonical = 0x80,
  kUserBlocked = 0x81,
  kExecuteBlocked = 0x82,
  kBeyondHostWidth = 0x83,
  kBeyondSecondStageWidth = 0x84,
  kScalableNoWrite = 0x85,
  kScalableNoRead = 0x86,
  kScalableInterruptRange = 0x87,
  kUnknown88 = 0x88,
  kUnknown89 = 0x89,
  kFirstStageNotSnooped = 0x90,
  kFirstStageUpdateFailed = 0x91,
};

// Is logging of this fault suppressed by FPD in the entries it was found through? [VT-d 7.1.3, "Q"]
bool is_qualified(Reason reason);

// A translation request that meets this is completed successfully, without rights, and nothing is
// logged: the device may ask for the page [VT-d 7.1.3; PCIe 10.2.3].
bool is_recoverable(Reason reason);

// How a translation request that meets anything else is completed: Completer Abort when a structure
// could not be read or has reserved bits set, else Unsupported Request.
// AMBIGUOUS: the sources do not give the split for every code; this follows the rule above.
pci::CompletionStatus completion_of(Reason reason);

// The code of scalable mode for what a second-stage walk meets [VT-d 7.1.3: SSS, SGN].
// AMBIGUOUS: missing permission is 79h in one source, 85h and 86h in another; the second is taken
// for second-stage translation alone, 79h for the second stage under a first stage.
Reason scalable(Reason second_stage);

}  // namespace baton::iommu_vtd
