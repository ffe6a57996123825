// The bytes an iommufd leaves the next kernel.
//
// iommufd_ser [posted series iommu v5: include/linux/kho/abi/iommufd.h], packed:
//   0 u64 nr_hwpts; then 24 bytes per marked HWPT:
//     0 u64 address of its domain record; 8 u64 token; 16 u8 reclaimed; 17 padding
//
// The contents, reached through FLB "baton-iommufd-v1". No upstream series: the design target keeps
// here what phase 1 leaves to user space. One block per iommufd, little endian:
//   header, 64 bytes: 0 u64 LUO token of the iommufd, written at freeze; 8 u32 IOAS; 12 u32 areas;
//     16 u32 HWPTs; 20 u32 device slots; 24 zero
//   IOAS, 16 bytes:   0 u32 id; 4 u32 number of its areas; 8 zero
//   area, 40 bytes:   0 u64 IOVA; 8 u64 length; 16 u64 LUO token of the memfd; 24 u64 offset in it;
//                     32 u32 access (2 write, 4 read, as IOAS_MAP flags); 36 u32 0, or of a BAR
//                     1 + its region: then 16 u32 segment and 20 u32 bdf of its device, 24 u64
//                     physical address
//                     (the areas of the first IOAS, then of the second, ...)
//   HWPT, 16 bytes:   0 u32 id; 4 u32 id of its IOAS; 8 u32 flags (1: automatic); 12 zero
//                     (entry n belongs to entry n of iommufd_ser)
//   device, 16 bytes: 0 u32 id, 0 for an empty slot; 4 u32 id of its HWPT; 8 u32 segment; 12 u32
//   bdf
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/address.h"

namespace baton::iommufd {

struct HwptRecord {
  PhysAddr domain;
  std::uint64_t token = 0;
};

using HwptRecords = std::vector<HwptRecord>;

inline constexpr std::size_t kHwptRecordBytes = 24;
constexpr std::uint64_t record_bytes(std::uint64_t hwpts) { return 8 + hwpts * kHwptRecordBytes; }
constexpr std::uint64_t reclaimed_offset(std::uint64_t hwpt) { return record_bytes(hwpt) + 16; }

std::vector<std::byte> encode(const HwptRecords& records);
// nullopt when `bytes` are too short for the count they claim.
std::optional<HwptRecords> decode_hwpts(std::span<const std::byte> bytes);

inline constexpr std::size_t kDeviceSlots = 64;

struct Contents {
  struct AddressSpace {
    std::uint32_t id = 0;
    std::uint32_t areas = 0;
  };
  struct MappedArea {
    std::uint64_t iova = 0;
    std::uint64_t length = 0;
    std::uint64_t memfd_token = 0;
    std::uint64_t offset = 0;
    bool read = false;
    bool write = false;
    // A BAR: `memfd_token` is (segment | bdf << 32), `offset` the physical address.
    std::optional<std::uint32_t> region = std::nullopt;
  };
  struct PageTable {
    std::uint32_t id = 0;
    std::uint32_t ioas_id = 0;
    bool automatic = false;
  };
  struct BoundDevice {
    std::uint32_t id = 0;
    std::uint32_t hwpt_id = 0;
    Sbdf address;
  };

  std::uint64_t token = 0;
  std::vector<AddressSpace> ioas;
  std::vector<MappedArea> areas;
  std::vector<PageTable> hwpts;
  std::vector<BoundDevice> devices;  // of decode(): the used slots

  // With kDeviceSlots empty slots at the end.
  std::vector<std::byte> encode() const;
  // nullopt when counts, ids, alignments or sizes are impossible.
  static std::optional<Contents> decode(std::span<const std::byte> bytes);
};

// Offset of a device slot in encoded contents.
std::uint64_t device_slot_offset(const Contents& contents, std::size_t slot);
std::array<std::byte, 16> encode_device(const Contents::BoundDevice& device);

}  // namespace baton::iommufd
