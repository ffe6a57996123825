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
inline constexpr std::uint16_t kExtAer = 0x01;
inline constexpr std::uint16_t kExtAcs = 0x0D;
inline constexpr std::uint32_t kAcsIsolation = 0x001D;  // SV, RR, CR, UF
inline constexpr std::uint16_t kExtAri = 0x0E;
inline constexpr std::uint16_t kExtPtm = 0x1F;

// PCI Express capability.
inline constexpr unsigned kExpFlags = 0x02;
inline constexpr unsigned kExpDevCap = 0x04;
inline constexpr std::uint32_t kDevCapExtTag = 1U << 5;
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
inline constexpr unsigned kExpSltCap = 0x14;
inline constexpr unsigned kExpSltCtl = 0x18;
inline constexpr unsigned kExpRtCtl = 0x1C;
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
inline constexpr std::uint16_t kMsixEnable = 0x8000;
inline constexpr std::uint16_t kMsixMaskAll = 0x4000;
inline constexpr std::uint16_t kPmState = 0x0003;
inline constexpr std::uint16_t kPmPmeEnable = 0x0100;
inline constexpr std::uint16_t kPmPmeStatus = 0x8000;

}  // namespace baton::linux::pci::regs
