// The field rows of the configuration headers and of each capability [PCIe 7.5, 7.7 to 7.9;
// PM 1.2; values checked against linux include/uapi/linux/pci_regs.h].
//
// Standing: read in source. The VF BARs of SR-IOV have no rows, as their address bits depend on
// their size (sriov.h). Not modelled, and therefore read only: VPD data, extended MSI data,
// resizable BARs, data object exchange, vendor-specific structures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/pci/field.h"

namespace baton::pci {

enum class CapabilityId : std::uint8_t {
  kPowerManagement = 0x01,
  kVpd = 0x03,
  kMsi = 0x05,
  kVendor = 0x09,
  kBridgeSubsystem = 0x0D,
  kExpress = 0x10,
  kMsix = 0x11,
  kSata = 0x12,
  kAdvancedFeatures = 0x13,
};

enum class ExtendedCapabilityId : std::uint16_t {
  kAer = 0x01,
  kVirtualChannel = 0x02,
  kSerialNumber = 0x03,
  kCollectorAssociation = 0x07,
  kAcs = 0x0D,
  kAri = 0x0E,
  kAts = 0x0F,
  kSriov = 0x10,
  kPri = 0x13,
  kTph = 0x17,
  kLtr = 0x18,
  kPasid = 0x1B,
  kDpc = 0x1D,
  kL1Substates = 0x1E,
  kPtm = 0x1F,
  kDvsec = 0x23,
};

std::span<const Field> type0_fields();
std::span<const Field> type1_fields();

// Rows of a capability, offsets from its header. The layout of MSI and PCI Express depends on their
// own registers, read from `structure`, which starts at the header and may be short. Empty rows:
// nothing in it is writable.
std::span<const Field> fields_of(CapabilityId id, std::span<const std::byte> structure);
std::span<const Field> fields_of(ExtendedCapabilityId id, bool root_port);

// Port type of the PCI Express capability [PCIe 7.5.3.2].
enum class PortType : std::uint8_t {
  kEndpoint = 0,
  kLegacyEndpoint = 1,
  kRootPort = 4,
  kUpstreamPort = 5,
  kDownstreamPort = 6,
  kPcieToPciBridge = 7,
  kPciToPcieBridge = 8,
  kRcIntegratedEndpoint = 9,
  kRcEventCollector = 10,
};

}  // namespace baton::pci
