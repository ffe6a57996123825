// Work descriptors and completion records, as bytes in memory [DSA 341204, chapter 8; linux
// include/uapi/linux/idxd.h]. Little endian; the host of the simulation is, too.
#pragma once

#include <cstdint>
#include <type_traits>

namespace baton::devices::dsa {

enum class Opcode : std::uint8_t {
  kNoop = 0x00,
  kBatch = 0x01,
  kDrain = 0x02,
  kMemoryMove = 0x03,
  kFill = 0x04,
  kCompare = 0x05,
};

// The 24 flag bits at byte 4.
namespace flag {
inline constexpr std::uint32_t kFence = 1u << 0;
inline constexpr std::uint32_t kBlockOnFault = 1u << 1;
inline constexpr std::uint32_t kRecordAddressValid = 1u << 2;
inline constexpr std::uint32_t kRequestRecord = 1u << 3;
inline constexpr std::uint32_t kRequestInterrupt = 1u << 4;
inline constexpr std::uint32_t kCheckResult = 1u << 7;
inline constexpr std::uint32_t kCacheControl1 = 1u << 8;
inline constexpr std::uint32_t kTrafficClasses = 0xFu << 9;  // selectors of three addresses, record
inline constexpr std::uint32_t kStrictOrdering = 1u << 13;
inline constexpr std::uint32_t kCacheControl2 = 1u << 14;
inline constexpr std::uint32_t kReadback1Valid = 1u << 16;  // drain
inline constexpr std::uint32_t kReadback2Valid = 1u << 17;  // drain
}  // namespace flag

struct Descriptor {
  std::uint32_t trusted = 0;       // PASID, priv: of shared queues only
  std::uint32_t flags_opcode = 0;  // flags in bits 23:0, operation in 31:24
  std::uint64_t record_address = 0;
  std::uint64_t source = 0;       // source, source 1, descriptor list, readback 1, pattern
  std::uint64_t destination = 0;  // destination, source 2, readback 2
  std::uint32_t size = 0;         // transfer size, descriptor count
  std::uint16_t interrupt_handle = 0;
  std::uint16_t reserved = 0;
  std::uint8_t expected_result = 0;  // compare
  std::uint8_t specific[23] = {};

  std::uint32_t flags() const { return flags_opcode & 0xFFFFFF; }
  std::uint8_t opcode_byte() const { return static_cast<std::uint8_t>(flags_opcode >> 24); }
  Opcode opcode() const { return static_cast<Opcode>(opcode_byte()); }
  bool has(std::uint32_t bit) const { return (flags_opcode & bit) != 0; }
  void set(Opcode operation, std::uint32_t flags) {
    flags_opcode = static_cast<std::uint32_t>(operation) << 24 | (flags & 0xFFFFFF);
  }
};
static_assert(sizeof(Descriptor) == 64 && std::is_trivially_copyable_v<Descriptor>);
static_assert(std::has_unique_object_representations_v<Descriptor>);

// Values of the status field; the numbers are the specification's.
enum class Status : std::uint8_t {
  kNone = 0x00,  // never written by the device: software's preset
  kSuccess = 0x01,
  kFalsePredicate = 0x02,
  kBatchFailed = 0x05,
  kBadOpcode = 0x10,
  kInvalidFlags = 0x11,
  kReservedField = 0x12,
  kBadSize = 0x13,
  kBadCount = 0x14,
  kOverlap = 0x16,
  kListAlignment = 0x18,
  kInterruptHandle = 0x19,
  kRecordAlignment = 0x1B,
  kReadError = 0x20,  // hardware error, or an untranslated read that came back unsuccessful
};

struct CompletionRecord {
  std::uint8_t status = 0;  // bits 5:0 status, 7 faulting access was a write
  std::uint8_t result = 0;
  std::uint8_t fault_info = 0;
  std::uint8_t reserved = 0;
  std::uint32_t bytes_completed = 0;  // or descriptors completed
  std::uint64_t fault_address = 0;
  std::uint32_t invalid_flags = 0;
  std::uint32_t specific[3] = {};
};
static_assert(sizeof(CompletionRecord) == 32 && std::is_trivially_copyable_v<CompletionRecord>);
static_assert(std::has_unique_object_representations_v<CompletionRecord>);

}  // namespace baton::devices::dsa
