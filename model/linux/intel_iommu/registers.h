// Register offsets and bits of a remapping unit as the driver uses them
// [linux drivers/iommu/intel/iommu.h].
#pragma once

#include <cstdint>

namespace baton::linux::intel_iommu {

inline constexpr std::uint64_t kVerReg = 0x00;
inline constexpr std::uint64_t kCapReg = 0x08;
inline constexpr std::uint64_t kEcapReg = 0x10;
inline constexpr std::uint64_t kGcmdReg = 0x18;
inline constexpr std::uint64_t kGstsReg = 0x1C;
inline constexpr std::uint64_t kRtaddrReg = 0x20;
inline constexpr std::uint64_t kFstsReg = 0x34;
inline constexpr std::uint64_t kFectlReg = 0x38;
inline constexpr std::uint64_t kFedataReg = 0x3C;
inline constexpr std::uint64_t kFeaddrReg = 0x40;
inline constexpr std::uint64_t kFeuaddrReg = 0x44;
inline constexpr std::uint64_t kPmenReg = 0x64;
inline constexpr std::uint64_t kIqhReg = 0x80;
inline constexpr std::uint64_t kIqtReg = 0x88;
inline constexpr std::uint64_t kIqaReg = 0x90;
inline constexpr std::uint64_t kIqercdReg = 0xB0;
inline constexpr std::uint64_t kIrtaReg = 0xB8;

inline constexpr std::uint32_t kGcmdTe = 1U << 31;
inline constexpr std::uint32_t kGcmdSrtp = 1U << 30;
inline constexpr std::uint32_t kGcmdQie = 1U << 26;
inline constexpr std::uint32_t kGcmdIre = 1U << 25;
inline constexpr std::uint32_t kGcmdSirtp = 1U << 24;
inline constexpr std::uint32_t kGcmdCfi = 1U << 23;

inline constexpr std::uint64_t kRtaddrScalable = 1U << 10;
inline constexpr std::uint64_t kRtaddrModeMask = 3U << 10;
inline constexpr std::uint64_t kIqaWide = 1U << 11;
inline constexpr std::uint64_t kIrtaExtended = 1U << 11;

inline constexpr std::uint32_t kFstsPfo = 1U << 0;
inline constexpr std::uint32_t kFstsPpf = 1U << 1;
inline constexpr std::uint32_t kFstsIqe = 1U << 4;
inline constexpr std::uint32_t kFstsIte = 1U << 6;

inline constexpr std::uint32_t kPmenEpm = 1U << 31;
inline constexpr std::uint32_t kPmenPrs = 1U << 0;

constexpr std::uint64_t field(std::uint64_t value, unsigned high, unsigned low) {
  return value >> low & ((std::uint64_t{2} << (high - low)) - 1);
}

struct Capabilities {
  std::uint64_t cap = 0;
  std::uint64_t ecap = 0;

  unsigned domain_id_bits() const { return static_cast<unsigned>(4 + 2 * field(cap, 2, 0)); }
  bool caching_mode() const { return field(cap, 7, 7) != 0; }
  bool protected_memory() const { return field(cap, 6, 5) != 0; }
  unsigned sagaw() const { return static_cast<unsigned>(field(cap, 12, 8)); }
  unsigned mgaw() const { return static_cast<unsigned>(field(cap, 21, 16) + 1); }
  std::uint64_t fault_records_at() const { return field(cap, 33, 24) * 16; }
  unsigned fault_records() const { return static_cast<unsigned>(field(cap, 47, 40) + 1); }
  bool pages_2m() const { return field(cap, 34, 34) != 0; }
  bool pages_1g() const { return field(cap, 35, 35) != 0; }
  bool page_selective() const { return field(cap, 39, 39) != 0; }
  unsigned max_address_mask() const { return static_cast<unsigned>(field(cap, 53, 48)); }
  bool pages_1g_first() const { return field(cap, 56, 56) != 0; }
  bool first_stage_5_levels() const { return field(cap, 60, 60) != 0; }
  bool sirtp_flushes() const { return field(cap, 62, 62) != 0; }
  bool posts_interrupts() const { return field(cap, 59, 59) != 0; }
  bool srtp_flushes() const { return field(cap, 63, 63) != 0; }
  bool queued_invalidation() const { return field(ecap, 1, 1) != 0; }
  bool device_tlb() const { return field(ecap, 2, 2) != 0; }
  bool interrupt_remapping() const { return field(ecap, 3, 3) != 0; }
  bool extended_interrupts() const { return field(ecap, 4, 4) != 0; }
  bool pass_through() const { return field(ecap, 6, 6) != 0; }
  bool nested() const { return field(ecap, 26, 26) != 0; }
  bool supervisor_requests() const { return field(ecap, 31, 31) != 0; }
  bool extended_accessed() const { return field(ecap, 34, 34) != 0; }
  // ECAP.PSS: how many PASIDs the unit tells apart.
  std::uint32_t pasids() const { return pasid() ? std::uint32_t{2} << field(ecap, 39, 35) : 0; }
  bool pasid() const { return field(ecap, 40, 40) != 0; }
  bool scalable() const { return field(ecap, 43, 43) != 0; }
  bool second_stage() const { return field(ecap, 46, 46) != 0; }  // in scalable mode
  bool first_stage() const { return field(ecap, 47, 47) != 0; }
  bool walk_coherency() const { return field(ecap, 48, 48) != 0; }
};

}  // namespace baton::linux::intel_iommu
