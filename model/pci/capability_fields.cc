// Field rows of the capabilities in the first 256 bytes [PCIe 7.5.2, 7.5.3, 7.7; PM 1.2].
#include "model/pci/capability_fields.h"

#include <array>

namespace baton::pci {
namespace {

using enum Access;
constexpr Keeps kAny = Keeps::kNothing;
constexpr Keeps kFlr = Keeps::kFunctionLevel;
constexpr Keeps kStk = Keeps::kSticky;

constexpr Field kPm[] = {
    {"Power Management Capabilities", 0x02, 2, 15, 0, kRo, "Power Management Capabilities"},
    {"Power Management Control/Status", 0x04, 2, 1, 0, kRw, "PowerState"},
    {"Power Management Control/Status", 0x04, 2, 7, 2, kRo, "No_Soft_Reset and reserved"},
    {"Power Management Control/Status", 0x04, 2, 8, 8, kRw, "PME_En", kStk},
    {"Power Management Control/Status", 0x04, 2, 14, 9, kRo, "Data_Select, Data_Scale"},
    {"Power Management Control/Status", 0x04, 2, 15, 15, kRw1c, "PME_Status", kStk},
};
static_assert(tiles(kPm));

// Message Control is common to the four layouts of MSI; the address is too.
#define BATON_MSI_CONTROL                                                                    \
  {"Message Control", 0x02, 2, 0, 0, kRw, "MSI Enable"},                                     \
      {"Message Control", 0x02, 2, 3, 1, kRo, "Multiple Message Capable"},                   \
      {"Message Control", 0x02, 2, 6, 4, kRw, "Multiple Message Enable"},                    \
      {"Message Control", 0x02, 2, 15, 7, kRo, "64-bit, Per-Vector Masking, Extended Data"}, \
      {"Message Address", 0x04, 4, 1, 0, kRsvdP, "Reserved"},                                \
      {"Message Address", 0x04, 4, 31, 2, kRw, "Message Address"}

constexpr Field kMsi32[] = {BATON_MSI_CONTROL,
                            {"Message Data", 0x08, 2, 15, 0, kRw, "Message Data"}};
constexpr Field kMsi64[] = {BATON_MSI_CONTROL,
                            {"Message Upper Address", 0x08, 4, 31, 0, kRw, "Upper Address"},
                            {"Message Data", 0x0C, 2, 15, 0, kRw, "Message Data"}};
constexpr Field kMsi32Mask[] = {BATON_MSI_CONTROL,
                                {"Message Data", 0x08, 2, 15, 0, kRw, "Message Data"},
                                {"Mask Bits", 0x0C, 4, 31, 0, kRw, "Mask Bits"},
                                {"Pending Bits", 0x10, 4, 31, 0, kRo, "Pending Bits"}};
constexpr Field kMsi64Mask[] = {BATON_MSI_CONTROL,
                                {"Message Upper Address", 0x08, 4, 31, 0, kRw, "Upper Address"},
                                {"Message Data", 0x0C, 2, 15, 0, kRw, "Message Data"},
                                {"Mask Bits", 0x10, 4, 31, 0, kRw, "Mask Bits"},
                                {"Pending Bits", 0x14, 4, 31, 0, kRo, "Pending Bits"}};
#undef BATON_MSI_CONTROL
static_assert(tiles(kMsi32) && tiles(kMsi64) && tiles(kMsi32Mask) && tiles(kMsi64Mask));

constexpr Field kMsix[] = {
    {"Message Control", 0x02, 2, 10, 0, kRo, "Table Size"},
    {"Message Control", 0x02, 2, 13, 11, kRsvdP, "Reserved"},
    {"Message Control", 0x02, 2, 14, 14, kRw, "Function Mask"},
    {"Message Control", 0x02, 2, 15, 15, kRw, "MSI-X Enable"},
    {"Table Offset/BIR", 0x04, 4, 31, 0, kRo, "Table Offset/BIR"},
    {"PBA Offset/BIR", 0x08, 4, 31, 0, kRo, "PBA Offset/BIR"},
};
static_assert(tiles(kMsix));

// All registers of the PCI Express capability, version 2, as a root port has them.
constexpr Field kExpress[] = {
    {"PCI Express Capabilities", 0x02, 2, 15, 0, kRo, "PCI Express Capabilities"},
    {"Device Capabilities", 0x04, 4, 31, 0, kRo, "Device Capabilities"},
    {"Device Control", 0x08, 2, 3, 0, kRw, "Error Reporting Enables"},
    {"Device Control", 0x08, 2, 4, 4, kRw, "Enable Relaxed Ordering", kAny, 1U << 4},
    {"Device Control", 0x08, 2, 7, 5, kRw, "Max_Payload_Size", kFlr},
    {"Device Control", 0x08, 2, 8, 8, kRw, "Extended Tag Field Enable"},
    {"Device Control", 0x08, 2, 9, 9, kRw, "Phantom Functions Enable"},
    {"Device Control", 0x08, 2, 10, 10, kRw, "Aux Power PM Enable", kStk},
    {"Device Control", 0x08, 2, 11, 11, kRw, "Enable No Snoop", kAny, 1U << 11},
    {"Device Control", 0x08, 2, 14, 12, kRw, "Max_Read_Request_Size", kAny, 2U << 12},
    {"Device Control", 0x08, 2, 15, 15, kTrigger, "Initiate Function Level Reset"},
    {"Device Status", 0x0A, 2, 3, 0, kRw1c, "Errors Detected"},
    {"Device Status", 0x0A, 2, 5, 4, kRo, "AUX Power Detected, Transactions Pending"},
    {"Device Status", 0x0A, 2, 6, 6, kRw1c, "Emergency Power Reduction Detected"},
    {"Device Status", 0x0A, 2, 15, 7, kRsvdZ, "Reserved"},
    {"Link Capabilities", 0x0C, 4, 31, 0, kRo, "Link Capabilities"},
    {"Link Control", 0x10, 2, 1, 0, kRw, "ASPM Control", kFlr},
    {"Link Control", 0x10, 2, 2, 2, kRsvdP, "Reserved"},
    {"Link Control", 0x10, 2, 3, 3, kRw, "Read Completion Boundary", kFlr},
    {"Link Control", 0x10, 2, 4, 4, kRw, "Link Disable"},
    {"Link Control", 0x10, 2, 5, 5, kTrigger, "Retrain Link"},
    {"Link Control", 0x10, 2, 9, 6, kRw, "Common Clock to HW Autonomous Width Disable", kFlr},
    {"Link Control", 0x10, 2, 11, 10, kRw, "Link Bandwidth Interrupt Enables"},
    {"Link Control", 0x10, 2, 13, 12, kRsvdP, "Reserved"},
    {"Link Control", 0x10, 2, 15, 14, kRw, "DRS Signaling Control"},
    {"Link Status", 0x12, 2, 13, 0, kRo, "Speed, Width, Training, Clock, DLL Active"},
    {"Link Status", 0x12, 2, 15, 14, kRw1c, "Link Bandwidth Status"},
    {"Slot Capabilities", 0x14, 4, 31, 0, kRo, "Slot Capabilities"},
    {"Slot Control", 0x18, 2, 14, 0, kRw, "Slot Control"},
    {"Slot Control", 0x18, 2, 15, 15, kRsvdP, "Reserved"},
    {"Slot Status", 0x1A, 2, 4, 0, kRw1c, "Slot Events"},
    {"Slot Status", 0x1A, 2, 7, 5, kRo, "MRL, Presence, Interlock"},
    {"Slot Status", 0x1A, 2, 8, 8, kRw1c, "Data Link Layer State Changed"},
    {"Slot Status", 0x1A, 2, 15, 9, kRsvdZ, "Reserved"},
    {"Root Control", 0x1C, 2, 4, 0, kRw, "Root Control"},
    {"Root Control", 0x1C, 2, 15, 5, kRsvdP, "Reserved"},
    {"Root Capabilities", 0x1E, 2, 15, 0, kRo, "Root Capabilities"},
    {"Root Status", 0x20, 4, 15, 0, kRo, "PME Requester ID"},
    {"Root Status", 0x20, 4, 16, 16, kRw1c, "PME Status"},
    {"Root Status", 0x20, 4, 31, 17, kRo, "PME Pending and reserved"},
    {"Device Capabilities 2", 0x24, 4, 31, 0, kRo, "Device Capabilities 2"},
    {"Device Control 2", 0x28, 2, 3, 0, kRw, "Completion Timeout Value"},
    {"Device Control 2", 0x28, 2, 4, 4, kRw, "Completion Timeout Disable"},
    {"Device Control 2", 0x28, 2, 5, 5, kRw, "ARI Forwarding Enable"},
    {"Device Control 2", 0x28, 2, 9, 6, kRw, "AtomicOp and IDO Enables"},
    {"Device Control 2", 0x28, 2, 10, 10, kRw, "LTR Mechanism Enable"},
    {"Device Control 2", 0x28, 2, 11, 11, kRw, "Emergency Power Reduction Request"},
    {"Device Control 2", 0x28, 2, 12, 12, kRw, "10-Bit Tag Requester Enable"},
    {"Device Control 2", 0x28, 2, 14, 13, kRw, "OBFF Enable"},
    {"Device Control 2", 0x28, 2, 15, 15, kRw, "End-End TLP Prefix Blocking"},
    {"Device Status 2", 0x2A, 2, 15, 0, kRsvdZ, "Reserved"},
    {"Link Capabilities 2", 0x2C, 4, 31, 0, kRo, "Link Capabilities 2"},
    {"Link Control 2", 0x30, 2, 15, 0, kRw, "Link Control 2", kStk},
    {"Link Status 2", 0x32, 2, 4, 0, kRo, "Equalization Status"},
    {"Link Status 2", 0x32, 2, 5, 5, kRw1c, "Link Equalization Request"},
    {"Link Status 2", 0x32, 2, 14, 6, kRo, "Crosslink, Retimers, Downstream Component"},
    {"Link Status 2", 0x32, 2, 15, 15, kRw1c, "DRS Message Received"},
};
static_assert(tiles(kExpress));

// A table without the registers in [from, end): those that a port type does not have.
consteval std::size_t count_without(std::span<const Field> rows, unsigned from, unsigned end) {
  std::size_t count = 0;
  for (const Field& row : rows) count += row.offset < from || row.offset >= end ? 1 : 0;
  return count;
}

template <std::size_t count>
consteval std::array<Field, count> without(std::span<const Field> rows, unsigned from,
                                           unsigned end) {
  std::array<Field, count> kept{};
  std::size_t i = 0;
  for (const Field& row : rows) {
    if (row.offset < from || row.offset >= end) kept[i++] = row;
  }
  return kept;
}

// Which registers exist by port type [linux drivers/pci/access.c, pcie_capability_reg_implemented].
constexpr auto kExpressSlotPort =
    without<count_without(kExpress, 0x1C, 0x24)>(kExpress, 0x1C, 0x24);
constexpr auto kExpressLinkOnly =
    without<count_without(kExpress, 0x14, 0x24)>(kExpress, 0x14, 0x24);
constexpr auto kExpressRootNoSlot =
    without<count_without(kExpress, 0x14, 0x1C)>(kExpress, 0x14, 0x1C);
constexpr auto kExpressNoLink = without<count_without(kExpress, 0x0C, 0x24)>(kExpress, 0x0C, 0x24);

constexpr Field kVpd[] = {
    {"VPD Address", 0x02, 2, 14, 0, kRw, "VPD Address"},
    {"VPD Address", 0x02, 2, 15, 15, kRw, "F"},
    {"VPD Data", 0x04, 4, 31, 0, kRo, "VPD Data"},
};
static_assert(tiles(kVpd));

constexpr Field kAf[] = {
    {"AF Length", 0x02, 1, 7, 0, kRo, "Length"},
    {"AF Capabilities", 0x03, 1, 7, 0, kRo, "TP, FLR"},
    {"AF Control", 0x04, 1, 0, 0, kTrigger, "Initiate FLR"},
    {"AF Control", 0x04, 1, 7, 1, kRsvdP, "Reserved"},
    {"AF Status", 0x05, 1, 7, 0, kRo, "Transactions Pending"},
};
static_assert(tiles(kAf));

std::uint16_t word_at(std::span<const std::byte> bytes, std::size_t offset) {
  if (offset + 2 > bytes.size()) return 0;
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[offset]) |
                                    std::to_integer<unsigned>(bytes[offset + 1]) << 8);
}

// The rows of a table whose registers end at or before `end`.
std::span<const Field> until(std::span<const Field> rows, std::uint16_t end) {
  std::size_t count = 0;
  while (count < rows.size() && rows[count].offset + rows[count].bytes <= end) ++count;
  return rows.first(count);
}

// Version 1 structures are shorter [linux include/uapi/linux/pci_regs.h, PCI_CAP_EXP_*_SIZEOF_V1].
std::span<const Field> express_fields(std::span<const std::byte> structure) {
  const std::uint16_t flags = word_at(structure, 2);
  const bool v2 = (flags & 0xF) >= 2;
  const bool slot = (flags & 0x100) != 0;
  switch (static_cast<PortType>(flags >> 4 & 0xF)) {
    case PortType::kRootPort: {
      const std::span<const Field> rows =
          slot ? std::span<const Field>(kExpress) : std::span<const Field>(kExpressRootNoSlot);
      return v2 ? rows : until(rows, 0x24);
    }
    case PortType::kDownstreamPort:
    case PortType::kPciToPcieBridge: {
      const std::span<const Field> rows = slot ? std::span<const Field>(kExpressSlotPort)
                                               : std::span<const Field>(kExpressLinkOnly);
      return v2 ? rows : until(rows, 0x24);
    }
    case PortType::kRcIntegratedEndpoint:
    case PortType::kRcEventCollector:
      return until(kExpressNoLink, v2 ? 0x2C : 0x0C);
    case PortType::kEndpoint:
    case PortType::kLegacyEndpoint:
    case PortType::kUpstreamPort:
    case PortType::kPcieToPciBridge:
      break;
  }
  return v2 ? std::span<const Field>(kExpressLinkOnly) : until(kExpressLinkOnly, 0x14);
}

}  // namespace

std::span<const Field> fields_of(CapabilityId id, std::span<const std::byte> structure) {
  switch (id) {
    case CapabilityId::kPowerManagement:
      return kPm;
    case CapabilityId::kMsi: {
      const std::uint16_t control = word_at(structure, 2);
      const bool wide = (control & 0x80) != 0;
      const bool mask = (control & 0x100) != 0;
      if (wide) return mask ? std::span<const Field>(kMsi64Mask) : kMsi64;
      return mask ? std::span<const Field>(kMsi32Mask) : kMsi32;
    }
    case CapabilityId::kMsix:
      return kMsix;
    case CapabilityId::kExpress:
      return express_fields(structure);
    case CapabilityId::kVpd:
      return kVpd;
    case CapabilityId::kAdvancedFeatures:
      return kAf;
    case CapabilityId::kVendor:
    case CapabilityId::kBridgeSubsystem:
    case CapabilityId::kSata:
      break;
  }
  return {};
}

}  // namespace baton::pci
