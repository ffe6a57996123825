// Field rows of the extended capabilities [PCIe 7.7.3, 7.8, 7.9].
#include "model/pci/capability_fields.h"

namespace baton::pci {
namespace {

using enum Access;
constexpr Keeps kAny = Keeps::kNothing;
constexpr Keeps kFlr = Keeps::kFunctionLevel;
constexpr Keeps kStk = Keeps::kSticky;

constexpr Field kAerRoot[] = {
    {"Uncorrectable Error Status", 0x04, 4, 31, 0, kRw1c, "Errors", kStk},
    {"Uncorrectable Error Mask", 0x08, 4, 31, 0, kRw, "Mask", kStk, 0x00400000},
    {"Uncorrectable Error Severity", 0x0C, 4, 31, 0, kRw, "Severity", kStk, 0x00462030},
    {"Correctable Error Status", 0x10, 4, 31, 0, kRw1c, "Errors", kStk},
    {"Correctable Error Mask", 0x14, 4, 31, 0, kRw, "Mask", kStk, 0x00002000},
    {"AER Capabilities and Control", 0x18, 4, 4, 0, kRo, "First Error Pointer", kStk},
    {"AER Capabilities and Control", 0x18, 4, 5, 5, kRo, "ECRC Generation Capable"},
    {"AER Capabilities and Control", 0x18, 4, 6, 6, kRw, "ECRC Generation Enable", kStk},
    {"AER Capabilities and Control", 0x18, 4, 7, 7, kRo, "ECRC Check Capable"},
    {"AER Capabilities and Control", 0x18, 4, 8, 8, kRw, "ECRC Check Enable", kStk},
    {"AER Capabilities and Control", 0x18, 4, 31, 9, kRo, "Header recording, reserved"},
    {"Header Log", 0x1C, 4, 31, 0, kRo, "Header Log, first dword", kStk},
    {"Header Log", 0x20, 4, 31, 0, kRo, "Header Log, second dword", kStk},
    {"Header Log", 0x24, 4, 31, 0, kRo, "Header Log, third dword", kStk},
    {"Header Log", 0x28, 4, 31, 0, kRo, "Header Log, fourth dword", kStk},
    {"Root Error Command", 0x2C, 4, 2, 0, kRw, "Reporting Enables"},
    {"Root Error Command", 0x2C, 4, 31, 3, kRsvdP, "Reserved"},
    {"Root Error Status", 0x30, 4, 6, 0, kRw1c, "Errors Received", kStk},
    {"Root Error Status", 0x30, 4, 31, 7, kRo, "Interrupt Message Number"},
    {"Error Source Identification", 0x34, 4, 31, 0, kRo, "Sources", kStk},
};
static_assert(tiles(kAerRoot));
constexpr std::size_t kAerEndpointRows = 15;  // up to the header log

constexpr Field kVc[] = {
    {"Port VC Capability 1", 0x04, 4, 31, 0, kRo, "Port VC Capability 1"},
    {"Port VC Capability 2", 0x08, 4, 31, 0, kRo, "Port VC Capability 2"},
    {"Port VC Control", 0x0C, 2, 0, 0, kTrigger, "Load VC Arbitration Table"},
    {"Port VC Control", 0x0C, 2, 3, 1, kRw, "VC Arbitration Select", kFlr},
    {"Port VC Control", 0x0C, 2, 15, 4, kRsvdP, "Reserved"},
    {"Port VC Status", 0x0E, 2, 15, 0, kRo, "Port VC Status"},
    {"VC Resource Capability 0", 0x10, 4, 31, 0, kRo, "VC Resource Capability"},
    {"VC Resource Control 0", 0x14, 4, 0, 0, kRo, "TC 0 / VC 0"},
    {"VC Resource Control 0", 0x14, 4, 7, 1, kRw, "TC/VC Map", kFlr, 0xFE},
    {"VC Resource Control 0", 0x14, 4, 31, 8, kRo, "Arbitration, VC ID, VC Enable"},
};
static_assert(tiles(kVc));

constexpr Field kAcs[] = {
    {"ACS Capability", 0x04, 2, 15, 0, kRo, "ACS Capability"},
    {"ACS Control", 0x06, 2, 6, 0, kRw, "Source Validation to Direct Translated P2P"},
    {"ACS Control", 0x06, 2, 15, 7, kRsvdP, "Reserved"},
};
static_assert(tiles(kAcs));

constexpr Field kAri[] = {
    {"ARI Capability", 0x04, 2, 15, 0, kRo, "ARI Capability"},
    {"ARI Control", 0x06, 2, 1, 0, kRw, "Function Groups Enables"},
    {"ARI Control", 0x06, 2, 3, 2, kRsvdP, "Reserved"},
    {"ARI Control", 0x06, 2, 6, 4, kRw, "Function Group"},
    {"ARI Control", 0x06, 2, 15, 7, kRsvdP, "Reserved"},
};
static_assert(tiles(kAri));

constexpr Field kAts[] = {
    {"ATS Capability", 0x04, 2, 15, 0, kRo, "ATS Capability"},
    {"ATS Control", 0x06, 2, 4, 0, kRw, "Smallest Translation Unit"},
    {"ATS Control", 0x06, 2, 14, 5, kRsvdP, "Reserved"},
    {"ATS Control", 0x06, 2, 15, 15, kRw, "Enable"},
};
static_assert(tiles(kAts));

constexpr Field kPri[] = {
    {"Page Request Control", 0x04, 2, 0, 0, kRw, "Enable"},
    {"Page Request Control", 0x04, 2, 1, 1, kTrigger, "Reset"},
    {"Page Request Control", 0x04, 2, 15, 2, kRsvdP, "Reserved"},
    {"Page Request Status", 0x06, 2, 1, 0, kRw1c, "Response Failure, Unexpected Index"},
    {"Page Request Status", 0x06, 2, 15, 2, kRo, "Stopped, PASID Required"},
    {"Outstanding Page Request Capacity", 0x08, 4, 31, 0, kRo, "Capacity"},
    {"Outstanding Page Request Allocation", 0x0C, 4, 31, 0, kRw, "Allocation"},
};
static_assert(tiles(kPri));

constexpr Field kPasid[] = {
    {"PASID Capability", 0x04, 2, 15, 0, kRo, "PASID Capability"},
    {"PASID Control", 0x06, 2, 2, 0, kRw, "PASID, Execute, Privileged Mode Enables"},
    {"PASID Control", 0x06, 2, 15, 3, kRsvdP, "Reserved"},
};
static_assert(tiles(kPasid));

constexpr Field kSriov[] = {
    {"SR-IOV Capabilities", 0x04, 4, 31, 0, kRo, "SR-IOV Capabilities"},
    {"SR-IOV Control", 0x08, 2, 5, 0, kRw, "VF Enable to 10-Bit Tag Requester Enable"},
    {"SR-IOV Control", 0x08, 2, 15, 6, kRsvdP, "Reserved"},
    {"SR-IOV Status", 0x0A, 2, 15, 0, kRo, "SR-IOV Status"},
    {"InitialVFs, TotalVFs", 0x0C, 4, 31, 0, kRo, "InitialVFs, TotalVFs"},
    {"NumVFs", 0x10, 2, 15, 0, kRw, "NumVFs"},
    {"Supported Page Sizes", 0x1C, 4, 31, 0, kRo, "Supported Page Sizes"},
    {"System Page Size", 0x20, 4, 31, 0, kRw, "System Page Size", kAny, 1},
};
static_assert(tiles(kSriov));

constexpr Field kLtr[] = {
    {"Max Snoop Latency", 0x04, 2, 12, 0, kRw, "Value, Scale"},
    {"Max Snoop Latency", 0x04, 2, 15, 13, kRsvdP, "Reserved"},
    {"Max No-Snoop Latency", 0x06, 2, 12, 0, kRw, "Value, Scale"},
    {"Max No-Snoop Latency", 0x06, 2, 15, 13, kRsvdP, "Reserved"},
};
static_assert(tiles(kLtr));

constexpr Field kTph[] = {
    {"TPH Requester Capability", 0x04, 4, 31, 0, kRo, "TPH Requester Capability"},
    {"TPH Requester Control", 0x08, 4, 2, 0, kRw, "ST Mode Select"},
    {"TPH Requester Control", 0x08, 4, 7, 3, kRsvdP, "Reserved"},
    {"TPH Requester Control", 0x08, 4, 9, 8, kRw, "TPH Requester Enable"},
    {"TPH Requester Control", 0x08, 4, 31, 10, kRsvdP, "Reserved"},
};
static_assert(tiles(kTph));

constexpr Field kDpc[] = {
    {"DPC Capability", 0x04, 2, 15, 0, kRo, "DPC Capability"},
    {"DPC Control", 0x06, 2, 5, 0, kRw, "Trigger Enable to Poisoned TLP Egress Blocking"},
    {"DPC Control", 0x06, 2, 6, 6, kTrigger, "Software Trigger"},
    {"DPC Control", 0x06, 2, 7, 7, kRw, "DL_Active ERR_COR Enable"},
    {"DPC Control", 0x06, 2, 15, 8, kRsvdP, "Reserved"},
    {"DPC Status", 0x08, 2, 0, 0, kRw1c, "Trigger Status", kStk},
    {"DPC Status", 0x08, 2, 2, 1, kRo, "Trigger Reason", kStk},
    {"DPC Status", 0x08, 2, 3, 3, kRw1c, "Interrupt Status", kStk},
    {"DPC Status", 0x08, 2, 15, 4, kRo, "RP Busy, Reason Extension, First Error"},
    {"DPC Error Source ID", 0x0A, 2, 15, 0, kRo, "Requester ID", kStk},
};
static_assert(tiles(kDpc));

constexpr Field kL1Substates[] = {
    {"L1 PM Substates Capabilities", 0x04, 4, 31, 0, kRo, "L1 PM Substates Capabilities"},
    {"L1 PM Substates Control 1", 0x08, 4, 31, 0, kRw, "L1 PM Substates Control 1"},
    {"L1 PM Substates Control 2", 0x0C, 4, 1, 0, kRw, "T_POWER_ON Scale"},
    {"L1 PM Substates Control 2", 0x0C, 4, 2, 2, kRsvdP, "Reserved"},
    {"L1 PM Substates Control 2", 0x0C, 4, 7, 3, kRw, "T_POWER_ON Value"},
    {"L1 PM Substates Control 2", 0x0C, 4, 31, 8, kRsvdP, "Reserved"},
};
static_assert(tiles(kL1Substates));

constexpr Field kPtm[] = {
    {"PTM Capability", 0x04, 4, 31, 0, kRo, "PTM Capability"},
    {"PTM Control", 0x08, 4, 1, 0, kRw, "PTM Enable, Root Select"},
    {"PTM Control", 0x08, 4, 7, 2, kRsvdP, "Reserved"},
    {"PTM Control", 0x08, 4, 15, 8, kRw, "Effective Granularity"},
    {"PTM Control", 0x08, 4, 31, 16, kRsvdP, "Reserved"},
};
static_assert(tiles(kPtm));

}  // namespace

std::span<const Field> fields_of(ExtendedCapabilityId id, bool root_port) {
  switch (id) {
    case ExtendedCapabilityId::kAer:
      return root_port ? std::span<const Field>(kAerRoot)
                       : std::span<const Field>(kAerRoot).first(kAerEndpointRows);
    case ExtendedCapabilityId::kVirtualChannel:
      return kVc;
    case ExtendedCapabilityId::kAcs:
      return kAcs;
    case ExtendedCapabilityId::kAri:
      return kAri;
    case ExtendedCapabilityId::kAts:
      return kAts;
    case ExtendedCapabilityId::kSriov:
      return kSriov;
    case ExtendedCapabilityId::kPri:
      return kPri;
    case ExtendedCapabilityId::kTph:
      return kTph;
    case ExtendedCapabilityId::kLtr:
      return kLtr;
    case ExtendedCapabilityId::kPasid:
      return kPasid;
    case ExtendedCapabilityId::kDpc:
      return kDpc;
    case ExtendedCapabilityId::kL1Substates:
      return kL1Substates;
    case ExtendedCapabilityId::kPtm:
      return kPtm;
    case ExtendedCapabilityId::kCollectorAssociation:
    case ExtendedCapabilityId::kSerialNumber:
    case ExtendedCapabilityId::kDvsec:
      break;
  }
  return {};
}

}  // namespace baton::pci
