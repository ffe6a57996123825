// Layouts and constants that KHO hands from kernel to kernel, generation kho-v4
// [linux include/linux/kho/abi/kexec_handover.h, include/linux/kho/abi/kexec_metadata.h,
// arch/x86/include/uapi/asm/setup_data.h]. Native endian; a page is 4096 bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::kho::abi {

inline constexpr const char* kCompatible = "kho-v4";
inline constexpr const char* kCompatibleProperty = "compatible";
inline constexpr const char* kMemoryMapProperty = "preserved-memory-map";
inline constexpr const char* kDataProperty = "preserved-data";
inline constexpr const char* kSizeProperty = "blob-size";

// struct kho_scratch, one per area in the scratch table.
struct Scratch {
  std::uint64_t address = 0;
  std::uint64_t size = 0;
};
static_assert(sizeof(Scratch) == 16);

// struct setup_data, followed by `length` bytes.
struct SetupData {
  std::uint64_t next = 0;
  std::uint32_t type = 0;
  std::uint32_t length = 0;
};
static_assert(sizeof(SetupData) == 16);
inline constexpr std::uint32_t kSetupKexecKho = 10;

// struct kho_data, the payload of a SETUP_KEXEC_KHO entry.
struct SetupKho {
  std::uint64_t fdt_address = 0;
  std::uint64_t fdt_size = 0;
  std::uint64_t scratch_address = 0;
  std::uint64_t scratch_size = 0;
};
static_assert(sizeof(SetupKho) == 32);

// Chunk of a vmalloc descriptor: next chunk, then addresses of runs, zero-terminated unless full.
inline constexpr std::uint64_t kVmallocRunsPerChunk = 511;
inline constexpr std::uint16_t kVmallocAlloc = 1;
inline constexpr std::uint16_t kVmallocHuge = 2;

// kexec-metadata, packed, 73 bytes.
inline constexpr const char* kMetadataName = "kexec-metadata";
inline constexpr std::uint64_t kMetadataSize = 73;
inline constexpr std::uint32_t kMetadataVersion = 1;
inline constexpr std::uint64_t kMetadataRelease = 4;
inline constexpr std::uint64_t kMetadataReleaseLength = 65;
inline constexpr std::uint64_t kMetadataCount = 69;

// The stamp on the first struct page of a preserved block: "KHOP" above its order.
inline constexpr std::uint64_t kStamp = 0x4B48'4F50;

}  // namespace baton::kho::abi
