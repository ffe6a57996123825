// The registers of a Data Streaming Accelerator in BAR0: one row per field, in the specification's
// order and spelling [Intel DSA Architecture Specification 341204, chapter 9; names as in
// linux drivers/dma/idxd/registers.h].
//
// Standing: read in source. Capability values are those that a Sapphire Rapids part was publicly
// reported with, less what this model lacks: block on fault, interrupt message storage, and every
// operation but no-op, batch, drain, memory move, fill and compare.
//
// Not modelled, so that their offsets read zero: CMDCAP (commands 1 to 12 exist), event log,
// inter-domain tables, performance monitors, interrupt message storage.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace baton::devices::dsa {

enum class Access : std::uint8_t { kRo, kRw, kRw1c, kWo, kRsvd };

// When software's writes reach a field.
enum class When : std::uint8_t { kAlways, kDeviceDisabled, kWqDisabled };

struct Field {
  std::string_view register_name;
  std::uint16_t offset;  // from the start of BAR0, or of the structure
  std::uint8_t bytes;    // 4 or 8
  std::uint8_t high;
  std::uint8_t low;
  Access access;
  std::string_view name;
  When when = When::kAlways;

  constexpr std::uint64_t mask() const {
    const unsigned width = high - low + 1u;
    const std::uint64_t ones = width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
    return ones << low;
  }
  constexpr std::uint64_t get(std::uint64_t value) const { return (value & mask()) >> low; }
  constexpr std::uint64_t put(std::uint64_t value) const { return (value << low) & mask(); }
};

// True when the rows of each register cover all its bits exactly once, and registers ascend.
consteval bool tiles(std::span<const Field> rows) {
  std::size_t i = 0;
  while (i < rows.size()) {
    const Field& first = rows[i];
    const std::uint64_t full =
        first.bytes == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (first.bytes * 8)) - 1;
    std::uint64_t seen = 0;
    for (; i < rows.size() && rows[i].offset == first.offset; ++i) {
      const Field& row = rows[i];
      if (row.high < row.low || row.high >= row.bytes * 8 || row.bytes != first.bytes ||
          row.offset % row.bytes != 0 || (seen & row.mask()) != 0) {
        return false;
      }
      seen |= row.mask();
    }
    if (seen != full) return false;
    if (i < rows.size() && rows[i].offset < first.offset + first.bytes) return false;
  }
  return true;
}

// Where the registers are.
namespace offset {
inline constexpr std::uint16_t kVersion = 0x00;
inline constexpr std::uint16_t kGencap = 0x10;
inline constexpr std::uint16_t kWqcap = 0x20;
inline constexpr std::uint16_t kGrpcap = 0x30;
inline constexpr std::uint16_t kEngcap = 0x38;
inline constexpr std::uint16_t kOpcap = 0x40;
inline constexpr std::uint16_t kOffsets = 0x60;
inline constexpr std::uint16_t kGencfg = 0x80;
inline constexpr std::uint16_t kGenctrl = 0x88;
inline constexpr std::uint16_t kGensts = 0x90;
inline constexpr std::uint16_t kIntcause = 0x98;
inline constexpr std::uint16_t kCmd = 0xA0;
inline constexpr std::uint16_t kCmdstatus = 0xA8;
inline constexpr std::uint16_t kSwerror = 0xC0;
inline constexpr std::uint16_t kMsixperm = 0x400;  // OFFSETS, in units of 0x100
inline constexpr std::uint16_t kGrpcfg = 0x600;
inline constexpr std::uint16_t kWqcfg = 0x800;
inline constexpr std::uint16_t kRegistersEnd = 0xA00;
}  // namespace offset

inline constexpr std::uint32_t kWqCount = 8;
inline constexpr std::uint32_t kGroupCount = 4;
inline constexpr std::uint32_t kEngineCount = 4;
inline constexpr std::uint32_t kTotalWqSize = 128;
inline constexpr std::uint32_t kReadBuffers = 96;
inline constexpr std::uint32_t kMaxTransferShift = 31;
inline constexpr std::uint32_t kMaxBatchShift = 10;
inline constexpr std::uint32_t kMsixVectors = 9;
inline constexpr std::uint16_t kGrpcfgStride = 64;
inline constexpr std::uint16_t kWqcfgStride = 64;
inline constexpr std::uint16_t kMsixpermStride = 8;

// Registers at fixed offsets.
namespace field {
using enum Access;

inline constexpr Field kGencapOverlap{"GENCAP", 0x10, 8, 1, 1, kRo, "Overlapping Copy Support"};
inline constexpr Field kGencapMaxTransfer{"GENCAP", 0x10, 8, 20, 16, kRo, "Max Transfer Size"};
inline constexpr Field kGencapMaxBatch{"GENCAP", 0x10, 8, 24, 21, kRo, "Max Batch Size"};
inline constexpr Field kGencapConfig{"GENCAP", 0x10, 8, 31, 31, kRo, "Configuration Support"};
inline constexpr Field kReadBufferLimit{
    "GENCFG", 0x80, 4, 7, 0, kRw, "Global Read Buffer Limit", When::kDeviceDisabled};
inline constexpr Field kUserInterrupts{
    "GENCFG", 0x80, 4, 12, 12, kRw, "User-mode Interrupts Enabled", When::kDeviceDisabled};
inline constexpr Field kErrorInterrupt{
    "GENCTRL", 0x88, 4, 0, 0, kRw, "Software Error Interrupt Enable"};
inline constexpr Field kHaltInterrupt{"GENCTRL", 0x88, 4, 1, 1, kRw, "Halt Interrupt Enable"};
inline constexpr Field kState{"GENSTS", 0x90, 4, 1, 0, kRo, "Device State"};
inline constexpr Field kResetType{"GENSTS", 0x90, 4, 3, 2, kRo, "Device Reset Type"};
inline constexpr Field kCauseError{"INTCAUSE", 0x98, 4, 0, 0, kRw1c, "Software Error"};
inline constexpr Field kCauseCommand{"INTCAUSE", 0x98, 4, 1, 1, kRw1c, "Command Completion"};
inline constexpr Field kCauseHalt{"INTCAUSE", 0x98, 4, 4, 4, kRw1c, "Halt State"};
inline constexpr Field kOperand{"CMD", 0xA0, 4, 19, 0, kWo, "Operand"};
inline constexpr Field kCommand{"CMD", 0xA0, 4, 24, 20, kWo, "Command"};
inline constexpr Field kCommandInterrupt{
    "CMD", 0xA0, 4, 31, 31, kWo, "Request Completion Interrupt"};
inline constexpr Field kCommandError{"CMDSTATUS", 0xA8, 4, 7, 0, kRo, "Error"};
inline constexpr Field kCommandActive{"CMDSTATUS", 0xA8, 4, 31, 31, kRo, "Active"};
inline constexpr Field kSwerrorValid{"SWERROR0", 0xC0, 8, 0, 0, kRw1c, "Valid"};
inline constexpr Field kSwerrorOverflow{"SWERROR0", 0xC0, 8, 1, 1, kRw1c, "Overflow"};
inline constexpr Field kSwerrorDescriptorValid{"SWERROR0", 0xC0, 8, 2, 2, kRo, "Descriptor Valid"};
inline constexpr Field kSwerrorWqValid{"SWERROR0", 0xC0, 8, 3, 3, kRo, "WQ Index Valid"};
inline constexpr Field kSwerrorBatch{"SWERROR0", 0xC0, 8, 4, 4, kRo, "Batch"};
inline constexpr Field kSwerrorInfoValid{"SWERROR0", 0xC0, 8, 7, 7, kRo, "Error Information Valid"};
inline constexpr Field kSwerrorCode{"SWERROR0", 0xC0, 8, 15, 8, kRo, "Error Code"};
inline constexpr Field kSwerrorWq{"SWERROR0", 0xC0, 8, 23, 16, kRo, "WQ Index"};
inline constexpr Field kSwerrorOperation{"SWERROR0", 0xC0, 8, 39, 32, kRo, "Operation"};
inline constexpr Field kSwerrorBatchIndex{"SWERROR1", 0xC8, 8, 15, 0, kRo, "Batch Index"};
inline constexpr Field kSwerrorInfo{"SWERROR1", 0xC8, 8, 63, 32, kRo, "Error Information"};
}  // namespace field

// MSIXPERM, one entry.
namespace msixperm {
using enum Access;
inline constexpr Field kIgnore{"MSIXPERM", 0, 4, 2, 2, kRw, "Ignore"};
inline constexpr Field kPasidEnable{"MSIXPERM", 0, 4, 3, 3, kRw, "PASID Enable"};
inline constexpr Field kPasid{"MSIXPERM", 0, 4, 31, 12, kRw, "PASID"};
}  // namespace msixperm

// GRPCFG, one group.
namespace grpcfg {
using enum Access;
inline constexpr When kOff = When::kDeviceDisabled;
inline constexpr Field kWqs{"GRPWQCFG0", 0x00, 8, 63, 0, kRw, "WQs", kOff};
inline constexpr Field kEngines{"GRPENGCFG", 0x20, 8, 63, 0, kRw, "Engines", kOff};
inline constexpr Field kTrafficClassA{"GRPFLAGS", 0x28, 8, 2, 0, kRw, "Traffic Class A", kOff};
inline constexpr Field kTrafficClassB{"GRPFLAGS", 0x28, 8, 5, 3, kRw, "Traffic Class B", kOff};
inline constexpr Field kUseLimit{"GRPFLAGS", 0x28, 8, 7, 7, kRw, "Global Read Buffer Limit Enable",
                                 kOff};
inline constexpr Field kReserved{"GRPFLAGS", 0x28, 8, 15, 8, kRw, "Read Buffers Reserved", kOff};
inline constexpr Field kAllowed{"GRPFLAGS", 0x28, 8, 27, 20, kRw, "Read Buffers Allowed", kOff};
}  // namespace grpcfg

// WQCFG, one work queue; dwords as the specification numbers them.
namespace wqcfg {
using enum Access;
inline constexpr When kOff = When::kWqDisabled;
inline constexpr Field kSize{"WQCFG0", 0x00, 4, 15, 0, kRw, "WQ Size", When::kDeviceDisabled};
inline constexpr Field kThreshold{"WQCFG1", 0x04, 4, 15, 0, kRw, "WQ Threshold"};
inline constexpr Field kMode{"WQCFG2", 0x08, 4, 0, 0, kRw, "WQ Mode", kOff};
inline constexpr Field kBlockOnFault{"WQCFG2", 0x08, 4, 1, 1, kRw, "Block on Fault Enable", kOff};
inline constexpr Field kAtsDisable{"WQCFG2", 0x08, 4, 2, 2, kRw, "ATS Disable", kOff};
inline constexpr Field kPrsDisable{"WQCFG2", 0x08, 4, 3, 3, kRw, "PRS Disable", kOff};
inline constexpr Field kPriority{"WQCFG2", 0x08, 4, 7, 4, kRw, "WQ Priority", kOff};
inline constexpr Field kPasid{"WQCFG2", 0x08, 4, 27, 8, kRw, "WQ PASID", kOff};
inline constexpr Field kPasidEnable{"WQCFG2", 0x08, 4, 28, 28, kRw, "WQ PASID Enable", kOff};
inline constexpr Field kPriv{"WQCFG2", 0x08, 4, 29, 29, kRw, "WQ Priv", kOff};
inline constexpr Field kMaxTransfer{"WQCFG3", 0x0C, 4, 4, 0, kRw, "WQ Max Transfer Size", kOff};
inline constexpr Field kMaxBatch{"WQCFG3", 0x0C, 4, 8, 5, kRw, "WQ Max Batch Size", kOff};
inline constexpr Field kOccupancy{"WQCFG6", 0x18, 4, 15, 0, kRo, "WQ Occupancy"};
inline constexpr Field kModeSupport{"WQCFG6", 0x18, 4, 29, 29, kRo, "WQ Mode Support"};
inline constexpr Field kState{"WQCFG6", 0x18, 4, 31, 30, kRo, "WQ State"};
inline constexpr std::uint16_t kOperations = 0x20;  // 256 bits
}  // namespace wqcfg

// All rows, reserved fields included.
std::span<const Field> fixed_rows();
std::span<const Field> msixperm_rows();
std::span<const Field> grpcfg_rows();
std::span<const Field> wqcfg_rows();

// Values of the capability registers.
inline constexpr std::uint32_t kVersion1 = 0x100;
inline constexpr std::uint64_t kGencapValue = 0x0000'0040'815F'0106;
inline constexpr std::uint64_t kWqcapValue = 0x005F'0000'0108'0080;
inline constexpr std::uint64_t kGrpcapValue = 0x0003'6004;
inline constexpr std::uint64_t kEngcapValue = kEngineCount;
inline constexpr std::uint64_t kOpcapValue = 0x3F;
inline constexpr std::uint64_t kOffsetsValue = offset::kGrpcfg / 0x100 |
                                               std::uint64_t{offset::kWqcfg / 0x100} << 16 |
                                               std::uint64_t{offset::kMsixperm / 0x100} << 32;

enum class DeviceState : std::uint8_t { kDisabled = 0, kEnabled = 1, kDisabling = 2, kHalt = 3 };
enum class WqState : std::uint8_t { kDisabled = 0, kEnabled = 1, kDisabling = 2 };
// GENSTS[3:2]: the weakest reset that ends Halt.
enum class ResetNeeded : std::uint8_t { kDevice = 0, kFunctionLevel = 1 };

enum class Command : std::uint8_t {
  kEnableDevice = 1,
  kDisableDevice = 2,
  kDrainAll = 3,
  kAbortAll = 4,
  kResetDevice = 5,
  kEnableWq = 6,
  kDisableWq = 7,
  kDrainWq = 8,
  kAbortWq = 9,
  kResetWq = 10,
  kDrainPasid = 11,
  kAbortPasid = 12,
};

// Error field of CMDSTATUS.
enum class CommandError : std::uint8_t {
  kNone = 0x00,
  kUnsupported = 0x01,
  kBadWq = 0x02,
  kReservedOperand = 0x04,
  kHalted = 0x05,
  kNotDisabled = 0x10,
  kBusMasterOff = 0x12,
  kWqSize = 0x14,
  kGroup = 0x15,
  kWqMembership = 0x16,
  kEngineMembership = 0x17,
  kReadBufferConfig = 0x18,
  kDeviceNotEnabled = 0x20,
  kWqNotDisabled = 0x21,
  kWqSizeZero = 0x22,
  kPriorityZero = 0x23,
  kBlockOnFault = 0x25,
  kPasidEnable = 0x26,
  kMaxBatch = 0x27,
  kMaxTransfer = 0x28,
  kPriv = 0x2A,
  kOperations = 0x2D,
  kPrsDisable = 0x2E,
  kDeviceNotEnabledAlready = 0x31,
  kWqNotEnabled = 0x32,
};

// Codes that only SWERROR knows.
enum class SoftwareError : std::uint8_t {
  kConfigChange = 0x51,
  kCommandOverlap = 0x52,
  kQueueOverflow = 0x53,
};

}  // namespace baton::devices::dsa
