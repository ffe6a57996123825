// Configuration space offsets and bits as the PCI core names them
// [linux include/uapi/linux/pci_regs.h].
#pragma once

#include <cstdint>

namespace baton::linux::pci::regs {

inline constexpr std::uint16_t kVendorId = 0x00;
inline constexpr std::uint16_t kCommand = 0x04;
inline constexpr std::uint16_t kCommandIo = 0x0001;
inline constexpr std::uint16_t kCommandMemory = 0x0002;
inline constexpr std::uint16_t kCommandMaster = 0x0004;
inline constexpr std::uint16_t kCommandIntxDisable = 0x0400;
inline constexpr std::uint16_t kStatus = 0x06;
inline constexpr std::uint16_t kStatusCapList = 0x0010;
inline constexpr std::uint16_t kClassRevision = 0x08;
inline constexpr std::uint16_t kHeaderType = 0x0E;
inline constexpr std::uint16_t kBar0 = 0x10;
inline constexpr std::uint16_t kPrimaryBus = 0x18;
inline constexpr std::uint16_t kSubordinateBus = 0x1A;
inline constexpr std::uint16_t kIoBase = 0x1C;
inline constexpr std::uint16_t kSecondaryStatus = 0x1E;
inline constexpr std::uint16_t kMemoryBase = 0x20;
inline constexpr std::uint16_t kPrefBase = 0x24;
inline constexpr std::uint16_t kPrefBaseUpper = 0x28;
inline constexpr std::uint16_t kPrefLimitUpper = 0x2C;
inline constexpr std::uint16_t kSubsystemVendor = 0x2C;
inline constexpr std::uint16_t kSubsystemId = 0x2E;
inline constexpr std::uint16_t kRom = 0x30;
inline constexpr std::uint16_t kIoBaseUpper = 0x30;
inline constexpr std::uint16_t kCapabilities = 0x34;
inline constexpr std::uint16_t kRomBridge = 0x38;
inline constexpr std::uint16_t kInterruptLine = 0x3C;
inline constexpr std::uint16_t kInterruptPin = 0x3D;
inline constexpr std::uint16_t kBridgeControl = 0x3E;
inline constexpr std::uint16_t kBridgeControlSerr = 0x0002;
inline constexpr std::uint16_t kBridgeControlMasterAbort = 0x0020;

inline constexpr std::uint8_t kCapPm = 0x01;
inline constexpr std::uint8_t kCapMsi = 0x05;
inline constexpr std::uint8_t kCapBridgeSubsystem = 0x0D;
inline constexpr std::uint8_t kCapExpress = 0x10;
inline constexpr std::uint8_t kCapMsix = 0x11;
inline constexpr std::uint8_t kCapAf = 0x13;
inline constexpr std::uint16_t kExtAer = 0x01;
inline constexpr std::uint16_t kExtAcs = 0x0D;
inline constexpr std::uint32_t kAcsIsolation = 0x001D;  // SV, RR, CR, UF
inline constexpr std::uint16_t kExtAri = 0x0E;
inline constexpr std::uint16_t kExtSriov = 0x10;
inline constexpr std::uint16_t kExtDpc = 0x1D;
inline constexpr std::uint16_t kExtPtm = 0x1F;

// PCI Express capability.
inline constexpr unsigned kExpFlags = 0x02;
inline constexpr std::uint16_t kFlagsSlot = 0x0100;
inline constexpr unsigned kExpDevCap = 0x04;
inline constexpr std::uint32_t kDevCapExtTag = 1U << 5;
inline constexpr std::uint32_t kDevCapErrorReporting = 1U << 15;  // role based
inline constexpr std::uint32_t kDevCapFlr = 1U << 28;
inline constexpr unsigned kExpDevCtl = 0x08;
inline constexpr std::uint16_t kDevCtlErrors = 0x000F;
inline constexpr std::uint16_t kDevCtlMps = 0x00E0;
inline constexpr std::uint16_t kDevCtlExtTag = 0x0100;
inline constexpr std::uint16_t kDevCtlFlr = 0x8000;
inline constexpr unsigned kExpDevSta = 0x0A;
inline constexpr std::uint16_t kDevStaPending = 0x0020;
inline constexpr unsigned kExpLnkCap = 0x0C;
inline constexpr unsigned kExpLnkCtl = 0x10;
inline constexpr std::uint16_t kLnkCtlRcb = 0x0008;
inline constexpr std::uint32_t kLnkCapAspm = 0x0C00;
inline constexpr std::uint32_t kLnkCapClockPm = 1U << 18;
inline constexpr std::uint32_t kLnkCapBandwidth = 1U << 21;
inline constexpr std::uint16_t kLnkCtlAspm = 0x0003;
inline constexpr std::uint16_t kLnkCtlDisable = 0x0010;
inline constexpr std::uint16_t kLnkCtlRetrain = 0x0020;
inline constexpr std::uint16_t kLnkCtlCommonClock = 0x0040;
inline constexpr std::uint16_t kLnkCtlClockPm = 0x0100;
inline constexpr unsigned kExpLnkSta = 0x12;
inline constexpr std::uint16_t kLnkStaTraining = 0x0800;
inline constexpr std::uint16_t kLnkStaActive = 0x2000;
inline constexpr std::uint16_t kLnkStaSlotClock = 0x1000;
inline constexpr unsigned kExpSltCap = 0x14;
inline constexpr std::uint32_t kSltCapButton = 1U << 0;
inline constexpr std::uint32_t kSltCapPower = 1U << 1;
inline constexpr std::uint32_t kSltCapHotplug = 1U << 6;
inline constexpr std::uint32_t kSltCapNoCommandCompleted = 1U << 18;
inline constexpr unsigned kExpSltCtl = 0x18;
inline constexpr std::uint16_t kSltCtlButton = 0x0001;
inline constexpr std::uint16_t kSltCtlPowerFault = 0x0002;
inline constexpr std::uint16_t kSltCtlLatch = 0x0004;
inline constexpr std::uint16_t kSltCtlPresence = 0x0008;
inline constexpr std::uint16_t kSltCtlCommandCompleted = 0x0010;
inline constexpr std::uint16_t kSltCtlHotplug = 0x0020;
inline constexpr std::uint16_t kSltCtlPowerIndicator = 0x0300;
inline constexpr std::uint16_t kSltCtlPowerOff = 0x0400;
inline constexpr std::uint16_t kSltCtlLinkState = 0x1000;
inline constexpr unsigned kExpSltSta = 0x1A;
inline constexpr std::uint16_t kSltStaEvents = 0x011F;
inline constexpr std::uint16_t kSltStaChanged = 0x0108;  // presence, link state
inline constexpr std::uint16_t kSltStaCommandCompleted = 0x0010;
inline constexpr std::uint16_t kSltStaPresent = 0x0040;
inline constexpr unsigned kExpRtCtl = 0x1C;
inline constexpr std::uint16_t kRtCtlSystemErrors = 0x0007;
inline constexpr std::uint16_t kRtCtlPme = 0x0008;
inline constexpr unsigned kExpRtSta = 0x20;
inline constexpr std::uint32_t kRtStaPme = 0x0001'0000;
inline constexpr std::uint16_t kRtCtlRrsVisible = 0x0010;
inline constexpr unsigned kExpRtCap = 0x1E;
inline constexpr unsigned kExpDevCap2 = 0x24;
inline constexpr std::uint32_t kDevCap2Ari = 1U << 5;
inline constexpr std::uint32_t kDevCap2Ltr = 1U << 11;
inline constexpr unsigned kExpDevCtl2 = 0x28;
inline constexpr std::uint16_t kDevCtl2Ari = 0x0020;
inline constexpr std::uint16_t kDevCtl2Ltr = 0x0400;
inline constexpr unsigned kExpLnkCap2 = 0x2C;
inline constexpr unsigned kExpLnkCtl2 = 0x30;
inline constexpr unsigned kExpSltCtl2 = 0x38;

// Port types.
inline constexpr std::uint8_t kEndpoint = 0;
inline constexpr std::uint8_t kLegacyEndpoint = 1;
inline constexpr std::uint8_t kRootPort = 4;
inline constexpr std::uint8_t kUpstream = 5;
inline constexpr std::uint8_t kDownstream = 6;
inline constexpr std::uint8_t kPcieToPci = 7;
inline constexpr std::uint8_t kPciToPcie = 8;
inline constexpr std::uint8_t kIntegratedEndpoint = 9;
inline constexpr std::uint8_t kEventCollector = 10;

// MSI and MSI-X control, PMCSR.
inline constexpr std::uint16_t kMsiEnable = 0x0001;
inline constexpr std::uint16_t kMsiQueueMask = 0x000E;  // log2 of the messages that it can have
inline constexpr std::uint16_t kMsiQueueSize = 0x0070;  // log2 of those that it has
inline constexpr std::uint16_t kMsi64Bit = 0x0080;
inline constexpr std::uint16_t kMsiMasking = 0x0100;
inline constexpr std::uint16_t kMsixEnable = 0x8000;
inline constexpr std::uint16_t kMsixMaskAll = 0x4000;
inline constexpr std::uint16_t kPmState = 0x0003;
inline constexpr std::uint16_t kPmPmeEnable = 0x0100;
inline constexpr std::uint16_t kPmPmeStatus = 0x8000;

}  // namespace baton::linux::pci::regs
