// What lies in the queues: commands, completions, opcodes, status codes [NVMe 1.4, 4.2, 4.6, 5, 6].
// Little endian, no padding; drivers of this controller use the same structures.
#pragma once

#include <cstdint>
#include <type_traits>

namespace baton::devices::nvme {

enum class AdminOpcode : std::uint8_t {
  kDeleteSubmissionQueue = 0x00,
  kCreateSubmissionQueue = 0x01,
  kGetLogPage = 0x02,
  kDeleteCompletionQueue = 0x04,
  kCreateCompletionQueue = 0x05,
  kIdentify = 0x06,
  kAbort = 0x08,
  kSetFeatures = 0x09,
  kGetFeatures = 0x0A,
  kAsynchronousEventRequest = 0x0C,
};

enum class Opcode : std::uint8_t { kFlush = 0x00, kWrite = 0x01, kRead = 0x02 };

// Status Code Type in bits 10:8, Status Code in bits 7:0 [NVMe 1.4, figures 127 to 130].
enum class Status : std::uint16_t {
  kSuccess = 0x000,
  kInvalidOpcode = 0x001,
  kInvalidField = 0x002,
  kCommandIdConflict = 0x003,
  kDataTransferError = 0x004,
  kSubmissionQueueDeleted = 0x008,
  kInvalidNamespace = 0x00B,
  kCommandSequenceError = 0x00C,
  kInvalidPrpOffset = 0x013,
  kLbaOutOfRange = 0x080,
  kCompletionQueueInvalid = 0x100,
  kInvalidQueueId = 0x101,
  kInvalidQueueSize = 0x102,
  kEventRequestLimit = 0x105,
  kInvalidInterruptVector = 0x108,
  kInvalidLogPage = 0x109,
  kInvalidQueueDeletion = 0x10C,
  kFeatureNotSaveable = 0x10D,
};

struct SubmissionEntry {
  std::uint8_t opcode = 0;
  std::uint8_t flags = 0;  // FUSE in 1:0, PSDT in 7:6
  std::uint16_t command_id = 0;
  std::uint32_t namespace_id = 0;
  std::uint64_t reserved = 0;
  std::uint64_t metadata = 0;
  std::uint64_t prp1 = 0;
  std::uint64_t prp2 = 0;
  std::uint32_t cdw10 = 0;
  std::uint32_t cdw11 = 0;
  std::uint32_t cdw12 = 0;
  std::uint32_t cdw13 = 0;
  std::uint32_t cdw14 = 0;
  std::uint32_t cdw15 = 0;
};

struct CompletionEntry {
  std::uint32_t result = 0;  // command specific
  std::uint32_t reserved = 0;
  std::uint16_t submission_head = 0;
  std::uint16_t submission_queue = 0;
  std::uint16_t command_id = 0;
  std::uint16_t status = 0;  // phase in bit 0, status from bit 1

  bool phase() const { return (status & 1) != 0; }
  Status code() const { return static_cast<Status>(status >> 1 & 0x7FF); }
};

static_assert(sizeof(SubmissionEntry) == 64);
static_assert(sizeof(CompletionEntry) == 16);
static_assert(std::has_unique_object_representations_v<SubmissionEntry>);
static_assert(std::has_unique_object_representations_v<CompletionEntry>);

inline constexpr std::uint32_t kBlockBytes = 512;
inline constexpr std::uint32_t kNamespaceId = 1;
inline constexpr std::uint32_t kAllNamespaces = 0xFFFFFFFF;
// Largest data of one command: MDTS 9, in pages of 4 KiB.
inline constexpr std::uint32_t kMdts = 9;
inline constexpr std::uint64_t kTransferMax = std::uint64_t{4096} << kMdts;

// Features that this controller has [NVMe 1.4, 5.21.1].
enum class Feature : std::uint8_t {
  kArbitration = 0x01,
  kPowerManagement = 0x02,
  kTemperatureThreshold = 0x04,
  kErrorRecovery = 0x05,
  kVolatileWriteCache = 0x06,
  kNumberOfQueues = 0x07,
  kInterruptCoalescing = 0x08,
  kInterruptVector = 0x09,
  kWriteAtomicity = 0x0A,
  kAsynchronousEvents = 0x0B,
};

// Values of CNS for Identify [NVMe 1.4, 5.15].
enum class IdentifyWhat : std::uint8_t {
  kNamespace = 0x00,
  kController = 0x01,
  kActiveNamespaces = 0x02,
  kNamespaceDescriptors = 0x03,
};

}  // namespace baton::devices::nvme
