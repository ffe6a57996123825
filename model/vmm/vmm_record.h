// What a VMM leaves its successor in the last page of the guest's memfd, behind guest memory: the
// vCPU record, and the numbers of what it made. A format of this user space, not of any kernel.
//
//   0    VcpuRegisters (guest_cpu.h)
//   512  VmmRecord
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "model/vmm/guest_cpu.h"
#include "sim/memory.h"

namespace baton::vmm {

// What of a VM was preserved. What was not its successor makes anew.
enum class Carried : std::uint32_t {
  kAll = 0,      // memory, address space and devices
  kDevices = 1,  // memory and devices, without their address space
  kMemory = 2,   // memory alone
};

inline constexpr std::uint64_t kRecordBytes = sim::kPageSize;
inline constexpr std::uint64_t kVmmRecordOffset = 512;

inline constexpr std::size_t kDevicesMax = 8;  // of a VM

struct VmmRecord {
  static constexpr std::uint64_t kMagic = 0x0000'4D4D'5654'4142;  // "BATVMM\0\0"
  static constexpr std::uint32_t kVersion = 3;

  std::uint64_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t bytes = 112;
  std::uint64_t memory_bytes = 0;
  std::uint32_t ioas_id = 0;  // objects of the preserved iommufd
  std::uint32_t hwpt_id = 0;
  std::uint64_t devices = 0;
  // What the kernel that handed them over called the first of them.
  struct Place {
    std::uint32_t segment = 0;
    std::uint32_t bdf = 0;
  };
  std::array<Place, kDevicesMax> places{};
  Carried carried = Carried::kAll;
  std::uint32_t goes_on = 0;  // 1: what cannot be taken over is done without

  bool valid() const {
    return magic == kMagic && version == kVersion && bytes == 112 && carried <= Carried::kMemory &&
           goes_on <= 1;
  }
};

static_assert(sizeof(VmmRecord) == 112);
static_assert(std::has_unique_object_representations_v<VmmRecord>);
static_assert(sizeof(VcpuRegisters) <= kVmmRecordOffset);

}  // namespace baton::vmm
