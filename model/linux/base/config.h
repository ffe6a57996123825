// What one kernel generation is: the generations of its pieces, the policies it follows, the
// defects it has. Set by the scenario; parts of the loaded kernel image, not of any handover.
//
// Every open design question is a policy with named alternatives; every way a kernel can get it
// wrong is a named defect, and exactly one line of kernel code asks for it.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace baton::linux {

enum class KhoVersion : std::uint8_t { kOff, kV4 };
enum class LuoVersion : std::uint8_t { kOff, kV5 };
enum class MemfdVersion : std::uint8_t { kNone, kV2 };
// 6.1: each BAR sized in a window of its own with decode off, ACS written at enumeration, error
// services on every port. 7.x: BARs sized in one batch, ACS written when the IOMMU probes.
enum class PciCoreVersion : std::uint8_t { kV6_1, kV7 };
enum class PciLiveUpdate : std::uint8_t { kNone, kV9 };
// v5: "phase 1", domains are restored and no iommufd is. phase2: the design target.
enum class IommuLiveUpdate : std::uint8_t { kNone, kV5, kPhase2 };
// v5: the identity of a device; freeze resets it. running: the design target.
enum class VfioLiveUpdate : std::uint8_t { kNone, kV5, kRunning };

struct Pieces {
  KhoVersion kho = KhoVersion::kV4;
  LuoVersion luo = LuoVersion::kV5;
  MemfdVersion memfd = MemfdVersion::kV2;
  PciCoreVersion pci_core = PciCoreVersion::kV7;
  PciLiveUpdate pci = PciLiveUpdate::kV9;
  IommuLiveUpdate iommu = IommuLiveUpdate::kPhase2;
  VfioLiveUpdate vfio = VfioLiveUpdate::kRunning;
};

// policies.interrupts: what happens to a preserved device's interrupts in the gap.
// The owner takes them down before the reboot, which fails otherwise [posted vfio v1 to v5]; the
// kernel does it in the freeze; their remapping entries drop them (P=0, FPD=1); posted-interrupt
// descriptors in preserved memory collect them; the new kernel notes which vectors fired and
// replays them; or nobody does anything.
enum class InterruptPolicy : std::uint8_t {
  kDisableInFreeze,
  kRequireDisabled,
  kIrteDrop,
  kPostedCapture,
  kRemember,
  kKeep
};
// policies.reinject: what the VMM injects after the gap: nothing, one interrupt per vector, or one
// for each vector that is known to have fired.
enum class ReinjectPolicy : std::uint8_t { kNone, kSpurious, kPendingOnly };
// policies.msi_at_boot: the MSI and MSI-X enable bits of a function that was handed over are
// cleared as at a cold boot, are left alone, or the interrupts behind them are taken over.
enum class MsiAtBoot : std::uint8_t { kClear, kLeave, kAdopt };
// policies.interrupt_replay, of remember: when the new kernel replays what it noted: once the owner
// has set its interrupts up again, or in early boot, before the IOMMU is initialised.
enum class InterruptReplay : std::uint8_t { kAfterIommu, kBeforeIommu };
// policies.prepared_lockdown: what the owner may still do to a device between preserve and freeze:
// everything; nothing that VFIO can refuse (configuration writes, SET_IRQS, RESET, power, detach);
// nor what other parts of the kernel can do to it.
enum class PreparedLockdown : std::uint8_t { kNone, kVfio, kAll };
// policies.restore_failure: what a kernel does that finds handed-over state and cannot take it
// over: panic [posted pci v7, iommu v5], or go on without it [posted iommu v1].
enum class RestoreFailure : std::uint8_t { kPanic, kContinue };
// policies.cancel_after_freeze: what a reboot that fails after the freeze gives back: the device
// works on, or its descriptor stays dead until it is closed [posted vfio v5].
enum class CancelAfterFreeze : std::uint8_t { kUnfreeze, kFdDead };
// policies.bus_numbers: with devices handed over, pci=assign-busses is ignored [posted pci v9], is
// ignored for the bridges above them [posted pci v4 to v7], or is followed [posted vfio v1, which
// had no rule].
enum class BusNumberPolicy : std::uint8_t { kInherit, kInheritPreserved, kReassign };
// policies.acs: the ACS control word of a function that was handed over stays as it is [posted pci
// v9], or is written as at a cold boot.
enum class AcsPolicy : std::uint8_t { kAdopt, kRewrite };

// policies.ari: ARI forwarding of a port above a function that was handed over stays as it is, with
// it the functions that can be reached [posted pci v9], or is decided as at a cold boot, where
// pci=noari turns the use of it off.
enum class AriPolicy : std::uint8_t { kAdopt, kRewrite };
// policies.device_key: how the next kernel finds the function that a record is about: by domain,
// bus, device and function [posted pci v9], or by the way from its host bridge (baton-pci-path-v1,
// no upstream series).
enum class DeviceKeyPolicy : std::uint8_t { kSbdf, kDevicePath };

// policies.sriov: virtual functions are not handed over [posted pci v9]; or their physical function
// is, and the next kernel leaves them enabled.
enum class SriovPolicy : std::uint8_t { kRefuse, kAdopt };
// policies.ats: whether the IOMMU driver lets functions use device-TLBs, where unit and function
// have them. Of a function that was handed over ATS stays as it is.
enum class AtsPolicy : std::uint8_t { kOff, kOn };
// policies.interrupt_table: the new kernel makes a table of its own and remapping is off for a
// moment [linux drivers/iommu/intel/irq_remapping.c], or the table is handed over and stays in use
// (baton-irq-v1, no upstream series).
enum class InterruptTablePolicy : std::uint8_t { kNew, kPreserve };

// policies.driver_binding: who gives a driver to a function that was handed over. User space alone
// [posted vfio v2 to v5: "leave to user space", and what that takes], there, or for every function
// of a kernel that was handed one; whatever driver matches first, as for any function; a driver
// that its driver_override names [posted vfio v1]; the driver whose name was handed over [posted
// PCI/LUO v2]; a driver that knows the format of what was handed over; or the first that matches,
// whose probe fails when it does not know the format (the last three: baton-pci-driver-v1).
enum class DriverBindingPolicy : std::uint8_t {
  kUserspacePreserved,
  kUserspaceAll,
  kFirstMatch,
  kDriverOverride,
  kSavedName,
  kGuid,
  kRefuseIncompatible
};

struct Policies {
  InterruptPolicy interrupts = InterruptPolicy::kDisableInFreeze;
  ReinjectPolicy reinject = ReinjectPolicy::kSpurious;
  BusNumberPolicy bus_numbers = BusNumberPolicy::kInherit;
  AcsPolicy acs = AcsPolicy::kAdopt;
  AriPolicy ari = AriPolicy::kAdopt;
  DeviceKeyPolicy device_key = DeviceKeyPolicy::kSbdf;
  SriovPolicy sriov = SriovPolicy::kRefuse;
  DriverBindingPolicy driver_binding = DriverBindingPolicy::kUserspacePreserved;
  AtsPolicy ats = AtsPolicy::kOff;
  InterruptTablePolicy interrupt_table = InterruptTablePolicy::kNew;
  MsiAtBoot msi_at_boot = MsiAtBoot::kLeave;
  PreparedLockdown prepared_lockdown = PreparedLockdown::kVfio;
  InterruptReplay interrupt_replay = InterruptReplay::kAfterIommu;
  RestoreFailure restore_failure = RestoreFailure::kPanic;
  CancelAfterFreeze cancel_after_freeze = CancelAfterFreeze::kUnfreeze;
};

// Defects, in the order of the path. The table in config.cc has a row for each: id, sentence,
// source, kind.
enum class Defect : std::uint8_t {
  kKhoSkipFdt,                // root FDT page is not preserved
  kKhoTreeInScratch,          // the root of the tracker lies in scratch
  kKhoSkipBlobSize,           // blobs have no blob-size
  kKhoSkipVmallocChunk,       // the first chunk of each vmalloc area is not preserved
  kKhoVmallocUnsetOrder,      // a vmalloc area is unpreserved with an order that was never set
  kKhoOldKexecLoad,           // the image is loaded by kexec_load, which knows nothing of KHO
  kLuoSkipHeader,             // struct luo_ser is not preserved
  kLuoSkipSessionBlock,       // session block page is not preserved
  kLuoSkipFileBlock,          // file block page is not preserved
  kLuoSkipFlbPage,            // FLB page is not preserved
  kLuoWriteOtherCompatible,   // the header names another version of the format
  kLuoAcceptAnyCompatible,    // the version of an incoming header is not looked at
  kLuoPanicWhenOff,           // an incoming header that cannot be read panics a kernel without LUO
  kLuoIgnoreFileErrors,       // a session whose files cannot be read is listed all the same
  kLuoAcceptAnyName,          // a session may have no name, or one without its NUL
  kLuoLongLinkName,           // the link of a session's descriptor is longer than can be read
  kLuoDuplicateLeavesBlock,   // a refused duplicate leaves an empty block in the chain of sessions
  kLuoForgetIds,              // nobody remembers which files are preserved already
  kLuoKeepAfterFault,         // a file stays preserved when the answer of PRESERVE_FD faults
  kLuoGetNameEntry,           // GET_NAME has the struct of RETRIEVE_FD in its table
  kLuoRetrieveOutgoing,       // RETRIEVE_FD is taken on a session that this kernel made
  kLuoForgetRetrieveError,    // a retrieve that failed is tried again
  kLuoUnfreezeZeroesData,     // a refused reboot loses what handlers have serialized
  kLuoForgetSerializeLock,    // sessions can change while they are serialized, and after it
  kLuoFlbCountsReferences,    // references to a shared object count as files that depend on it
  kKexecHangInShutdown,       // a driver's shutdown never returns
  kMemfdSkipFolio,            // the middle folio of each memfd is not preserved
  kMemfdSkipFolioArray,       // the vmalloc'ed folio array is not preserved
  kMemfdSkipRecord,           // memfd_luo_ser is not preserved
  kMemfdLargeAsSmall,         // a large folio is preserved as a single page
  kMemfdCleanFolios,          // folios are recorded as clean
  kMemfdStaleFolios,          // folios that preserve made are recorded as not up to date
  kMemfdIgnoreLateFailure,    // retrieve gives out a memfd that it could not fill
  kIommuSkipPageTable,        // the last leaf page table of each domain is not preserved
  kIommuSkipRootTable,        // root table page is not preserved
  kIommuSkipContextTable,     // context table pages are not preserved
  kIommuSkipRecords,          // the first device array page is not preserved
  kIommuSkipSecondDevice,     // of several devices of one domain the first alone gets a record
  kIommuPreserveSharedGroup,  // devices that share their group with others are preserved
  kIommuTranslationOff,       // shutdown disables translation although devices are preserved
  kIommuFreshRoot,            // the new kernel installs an empty root table
  kIommuReuseDomainId,        // the new kernel does not reserve preserved domain ids
  kIommuIgnoreRecords,        // the new kernel does not look for preserved IOMMU state
  kIommuOpenGroups,           // drivers of the host may take groups that were handed over
  kIommuForgetOwner,          // the new kernel gives restored groups no owner
  kIommuTornPasidEntry,       // a running device's PASID entry is replaced in two parts
  kIommuRecordWrongId,        // a device's record has another domain id than its hardware
  kIommuEntryWrongVector,     // an interrupt remapping entry leads to the next vector
  kIommuSkipEntryFlush,       // a changed interrupt remapping entry stays in the unit's cache
  kIrqSkipDescriptors,        // the page of posted-interrupt descriptors is not preserved
  kIrqSkipScan,               // what the descriptors have captured is not looked at
  kIrqForgetNoted,            // interrupts that were noted in early boot are not replayed
  kIommufdSkipRecord,         // iommufd_ser is not preserved
  kIommufdSkipIoas,           // baton-iommufd-v1 is not preserved
  kIommufdIgnoreSeals,        // memory that is not sealed is preserved behind an iommufd
  kIommufdKeepImmutable,      // address spaces stay immutable when the session is given up
  kIommufdFinishEarly,        // a session may be finished though nobody took its iommufd over
  kVfioSkipRecord,            // vfio-pci record is not preserved
  kVfioSkipState,             // baton-vfio-v1 is not preserved
  kVfioKeepInterrupts,        // freeze leaves the device's MSI-X on
  kVfioStaleState,            // freeze does not renew what preserve wrote of a device's state
  kVfioIgnoreGone,            // a function that is gone from its bus is frozen all the same
  kVfioIgnoreInterrupts,      // freeze does not mind interrupts that are still configured
  kVfioSkipFreezeReset,       // freeze does not reset the device that it is to stop
  kVfioForgetFrozen,          // a frozen descriptor goes on answering
  kVfioOpenIncoming,          // a device that was handed over can be opened before the finish
  kVfioSkipTrigger,           // interrupts are set up without the owner's eventfds
  kVfioResetAtOpen,           // the first open after the jump resets the device
  kVfioLeakRecord,            // finish does not free the device's record
  kVfioRetrieveFirst,         // retrieve gives out the first device, whatever the record says
  kVfioCdevBesideGroup,       // a cdev can be bound while its group is open
  kVfioGroupKeepsOwner,       // a group that leaves its container stays the owner of its DMA
  kVfioPreserveGroupFile,     // device files opened through a group are preserved
  kVfioGroupOpensIncoming,    // a group gives out devices that were handed over
  kVfioLosePmSave,            // what a device in D3 had in its registers does not cross the jump
  kVfioForgetRequest,         // the owner of a device that is to go is not told
  kVfioLoseVconfig,           // what the owner sees of its configuration space is made anew
  kVfioLoseResetWorks,        // it is forgotten that the device can be reset
  kVfioLoseSavedState,        // the state from before the owner is lost
  kVfioLoseRealBars,          // where the BARs really are is lost
  kVfioLoseVectors,           // how many vectors the owner had is lost
  kPciSkipRecords,            // pci_ser is not preserved
  kPciClearBusMaster,         // shutdown clears bus master of preserved functions
  kPciClearBridgeBusMaster,   // shutdown clears bus master of the bridges above preserved functions
  kPciSizeBars,               // the new kernel sizes BARs of preserved functions
  kPciProbeWindows,           // the new kernel probes windows of bridges above preserved functions
  kPciRenumberBuses,          // the new kernel gives out bus numbers afresh
  kPciTruncateDomain,         // the new kernel looks functions up by a key without the domain
  kPciResetBus,               // the new kernel resets the bus of each preserved function
  kPciMoveBars,               // the new kernel gives BARs of preserved functions other addresses
  kPciLowerPayload,           // the new kernel lowers Max_Payload_Size of every function
  kPciEnableAts,              // the new kernel enables ATS of preserved functions
  kPciDisablePasid,           // the new kernel disables PASIDs of preserved functions first
  kPciClearAcs,               // the new kernel clears the ACS control of every port first
  kPciMsixStayMasked,         // MSI-X is enabled with the mask of the function left set
  kMmInitOnFree,              // the new kernel clears all free memory first
  kCount,
};

struct DefectRow {
  Defect defect;
  std::string_view id;        // "memfd-skip-folio"
  std::string_view sentence;  // one line for people
  std::string_view source;    // where the real code does it right
  std::string_view kind;      // skip, alter or reorder
};

std::span<const DefectRow> defect_rows();
std::optional<Defect> defect_by_id(std::string_view id);

class Defects {
 public:
  void add(Defect defect) { bits_.set(static_cast<std::size_t>(defect)); }
  bool has(Defect defect) const { return bits_.test(static_cast<std::size_t>(defect)); }
  bool any() const { return bits_.any(); }

 private:
  std::bitset<static_cast<std::size_t>(Defect::kCount)> bits_;
};

struct KernelConfig {
  std::string_view preset = "vision";
  Pieces pieces;
  Policies policies;
  Defects defects;
  bool vfio_disable_denylist = false;  // vfio-pci.disable_denylist=1
  bool iommu_scalable = false;         // intel_iommu=sm_on
  bool interrupt_remapping = true;     // not intremap=off; where firmware allows it
  bool idxd = false;                   // CONFIG_INTEL_IDXD=y
  bool nvme = false;                   // CONFIG_BLK_DEV_NVME=y
  bool pci_lu_stub = false;            // CONFIG_PCI_LU_STUB=y: both drivers of the series of 2025
  bool crash_kernel = false;           // is_kdump_kernel(): elfcorehdr= is given
};

}  // namespace baton::linux
