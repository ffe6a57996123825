#include "model/devices/dsa/registers.h"

namespace baton::devices::dsa {
namespace {

using enum Access;

constexpr std::array kFixed{
    Field{"VERSION", 0x00, 4, 7, 0, kRo, "Minor Version"},
    Field{"VERSION", 0x00, 4, 15, 8, kRo, "Major Version"},
    Field{"VERSION", 0x00, 4, 31, 16, kRsvd, "Reserved"},
    Field{"GENCAP", 0x10, 8, 0, 0, kRo, "Block on Fault Support"},
    field::kGencapOverlap,
    Field{"GENCAP", 0x10, 8, 2, 2, kRo, "Cache Control Support (Memory)"},
    Field{"GENCAP", 0x10, 8, 15, 3, kRo, "Other Features"},
    field::kGencapMaxTransfer,
    field::kGencapMaxBatch,
    Field{"GENCAP", 0x10, 8, 30, 25, kRo, "Interrupt Message Storage Size"},
    field::kGencapConfig,
    Field{"GENCAP", 0x10, 8, 63, 32, kRo, "Other Features"},
    Field{"WQCAP", 0x20, 8, 15, 0, kRo, "Total WQ Size"},
    Field{"WQCAP", 0x20, 8, 23, 16, kRo, "Number of WQs"},
    Field{"WQCAP", 0x20, 8, 27, 24, kRo, "WQCFG Size"},
    Field{"WQCAP", 0x20, 8, 47, 28, kRsvd, "Reserved"},
    Field{"WQCAP", 0x20, 8, 48, 48, kRo, "Shared Mode Support"},
    Field{"WQCAP", 0x20, 8, 49, 49, kRo, "Dedicated Mode Support"},
    Field{"WQCAP", 0x20, 8, 50, 50, kRo, "WQ ATS Support"},
    Field{"WQCAP", 0x20, 8, 51, 51, kRo, "Priority Support"},
    Field{"WQCAP", 0x20, 8, 52, 52, kRo, "Occupancy Support"},
    Field{"WQCAP", 0x20, 8, 53, 53, kRo, "Occupancy Interrupt Support"},
    Field{"WQCAP", 0x20, 8, 54, 54, kRo, "WQ Operations Configuration Support"},
    Field{"WQCAP", 0x20, 8, 55, 55, kRo, "WQ PRS Support"},
    Field{"WQCAP", 0x20, 8, 63, 56, kRsvd, "Reserved"},
    Field{"GRPCAP", 0x30, 8, 7, 0, kRo, "Number of Groups"},
    Field{"GRPCAP", 0x30, 8, 15, 8, kRo, "Total Read Buffers"},
    Field{"GRPCAP", 0x30, 8, 16, 16, kRo, "Read Buffer Controls"},
    Field{"GRPCAP", 0x30, 8, 17, 17, kRo, "Global Read Buffer Limit"},
    Field{"GRPCAP", 0x30, 8, 63, 18, kRsvd, "Reserved"},
    Field{"ENGCAP", 0x38, 8, 7, 0, kRo, "Number of Engines"},
    Field{"ENGCAP", 0x38, 8, 63, 8, kRsvd, "Reserved"},
    Field{"OPCAP0", 0x40, 8, 63, 0, kRo, "Operations 00 to 3F"},
    Field{"OPCAP1", 0x48, 8, 63, 0, kRo, "Operations 40 to 7F"},
    Field{"OPCAP2", 0x50, 8, 63, 0, kRo, "Operations 80 to BF"},
    Field{"OPCAP3", 0x58, 8, 63, 0, kRo, "Operations C0 to FF"},
    Field{"OFFSETS0", 0x60, 8, 15, 0, kRo, "Group Configuration Offset"},
    Field{"OFFSETS0", 0x60, 8, 31, 16, kRo, "WQ Configuration Offset"},
    Field{"OFFSETS0", 0x60, 8, 47, 32, kRo, "MSI-X Permissions Offset"},
    Field{"OFFSETS0", 0x60, 8, 63, 48, kRo, "Interrupt Message Storage Offset"},
    Field{"OFFSETS1", 0x68, 8, 15, 0, kRo, "Performance Monitoring Offset"},
    Field{"OFFSETS1", 0x68, 8, 63, 16, kRsvd, "Reserved"},
    field::kReadBufferLimit,
    Field{"GENCFG", 0x80, 4, 11, 8, kRsvd, "Reserved"},
    field::kUserInterrupts,
    Field{"GENCFG", 0x80, 4, 31, 13, kRsvd, "Reserved"},
    field::kErrorInterrupt,
    field::kHaltInterrupt,
    Field{"GENCTRL", 0x88, 4, 31, 2, kRsvd, "Reserved"},
    field::kState,
    field::kResetType,
    Field{"GENSTS", 0x90, 4, 31, 4, kRsvd, "Reserved"},
    field::kCauseError,
    field::kCauseCommand,
    Field{"INTCAUSE", 0x98, 4, 2, 2, kRw1c, "WQ Occupancy Below Limit"},
    Field{"INTCAUSE", 0x98, 4, 3, 3, kRw1c, "Performance Monitoring Counter Overflow"},
    field::kCauseHalt,
    Field{"INTCAUSE", 0x98, 4, 31, 5, kRsvd, "Reserved"},
    field::kOperand,
    field::kCommand,
    Field{"CMD", 0xA0, 4, 30, 25, kRsvd, "Reserved"},
    field::kCommandInterrupt,
    field::kCommandError,
    Field{"CMDSTATUS", 0xA8, 4, 23, 8, kRo, "Result"},
    Field{"CMDSTATUS", 0xA8, 4, 30, 24, kRsvd, "Reserved"},
    field::kCommandActive,
    field::kSwerrorValid,
    field::kSwerrorOverflow,
    field::kSwerrorDescriptorValid,
    field::kSwerrorWqValid,
    field::kSwerrorBatch,
    Field{"SWERROR0", 0xC0, 8, 5, 5, kRo, "Read/Write"},
    Field{"SWERROR0", 0xC0, 8, 6, 6, kRo, "Priv"},
    field::kSwerrorInfoValid,
    field::kSwerrorCode,
    field::kSwerrorWq,
    Field{"SWERROR0", 0xC0, 8, 31, 24, kRsvd, "Reserved"},
    field::kSwerrorOperation,
    Field{"SWERROR0", 0xC0, 8, 59, 40, kRo, "PASID"},
    Field{"SWERROR0", 0xC0, 8, 63, 60, kRsvd, "Reserved"},
    field::kSwerrorBatchIndex,
    Field{"SWERROR1", 0xC8, 8, 31, 16, kRsvd, "Reserved"},
    field::kSwerrorInfo,
    Field{"SWERROR2", 0xD0, 8, 63, 0, kRo, "Address"},
    Field{"SWERROR3", 0xD8, 8, 63, 0, kRsvd, "Reserved"},
};
static_assert(tiles(kFixed));

constexpr std::array kMsixpermRows{
    Field{"MSIXPERM", 0, 4, 1, 0, kRsvd, "Reserved"},  msixperm::kIgnore, msixperm::kPasidEnable,
    Field{"MSIXPERM", 0, 4, 11, 4, kRsvd, "Reserved"}, msixperm::kPasid,
};
static_assert(tiles(kMsixpermRows));

constexpr std::array kGrpcfgRows{
    grpcfg::kWqs,
    Field{"GRPWQCFG1", 0x08, 8, 63, 0, kRw, "WQs", grpcfg::kOff},
    Field{"GRPWQCFG2", 0x10, 8, 63, 0, kRw, "WQs", grpcfg::kOff},
    Field{"GRPWQCFG3", 0x18, 8, 63, 0, kRw, "WQs", grpcfg::kOff},
    grpcfg::kEngines,
    grpcfg::kTrafficClassA,
    grpcfg::kTrafficClassB,
    Field{"GRPFLAGS", 0x28, 8, 6, 6, kRsvd, "Reserved"},
    grpcfg::kUseLimit,
    grpcfg::kReserved,
    Field{"GRPFLAGS", 0x28, 8, 19, 16, kRsvd, "Reserved"},
    grpcfg::kAllowed,
    Field{"GRPFLAGS", 0x28, 8, 63, 28, kRsvd, "Reserved"},
};
static_assert(tiles(kGrpcfgRows));

constexpr std::array kWqcfgRows{
    wqcfg::kSize,
    Field{"WQCFG0", 0x00, 4, 31, 16, kRsvd, "Reserved"},
    wqcfg::kThreshold,
    Field{"WQCFG1", 0x04, 4, 31, 16, kRsvd, "Reserved"},
    wqcfg::kMode,
    wqcfg::kBlockOnFault,
    wqcfg::kAtsDisable,
    wqcfg::kPrsDisable,
    wqcfg::kPriority,
    wqcfg::kPasid,
    wqcfg::kPasidEnable,
    wqcfg::kPriv,
    Field{"WQCFG2", 0x08, 4, 31, 30, kRsvd, "Reserved"},
    wqcfg::kMaxTransfer,
    wqcfg::kMaxBatch,
    Field{"WQCFG3", 0x0C, 4, 31, 9, kRsvd, "Reserved"},
    Field{"WQCFG4", 0x10, 4, 31, 0, kRsvd, "WQ Occupancy Interrupt"},
    Field{"WQCFG5", 0x14, 4, 31, 0, kRsvd, "WQ Occupancy Limit"},
    wqcfg::kOccupancy,
    Field{"WQCFG6", 0x18, 4, 28, 16, kRsvd, "Reserved"},
    wqcfg::kModeSupport,
    wqcfg::kState,
    Field{"WQCFG7", 0x1C, 4, 31, 0, kRsvd, "Reserved"},
    Field{"WQOPCFG0", 0x20, 8, 63, 0, kRw, "Operations 00 to 3F", wqcfg::kOff},
    Field{"WQOPCFG1", 0x28, 8, 63, 0, kRw, "Operations 40 to 7F", wqcfg::kOff},
    Field{"WQOPCFG2", 0x30, 8, 63, 0, kRw, "Operations 80 to BF", wqcfg::kOff},
    Field{"WQOPCFG3", 0x38, 8, 63, 0, kRw, "Operations C0 to FF", wqcfg::kOff},
};
static_assert(tiles(kWqcfgRows));

}  // namespace

std::span<const Field> fixed_rows() { return kFixed; }
std::span<const Field> msixperm_rows() { return kMsixpermRows; }
std::span<const Field> grpcfg_rows() { return kGrpcfgRows; }
std::span<const Field> wqcfg_rows() { return kWqcfgRows; }

}  // namespace baton::devices::dsa
