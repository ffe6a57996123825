// The structures of scalable mode in memory: root, context, PASID directory and PASID-table entries
// [VT-d 9.2, 9.4, 9.5, 9.6], read and checked one at a time in the order of 7.1.3.
//
// Not modelled: memory types (CD to PAT: ECAP.MTS=0, the bits are not looked at).
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>

#include "model/iommu_vtd/tables.h"

namespace baton::iommu_vtd {

namespace scalable_root {  // one word: the lower half is for devices 0 to 15, the upper for the
                           // rest
inline constexpr Field kP{"P", 0, 0};
inline constexpr Field kCtp{"CTP", 63, 12};
inline constexpr std::array kFields{kP, Field{"", 11, 1, Access::kReserved}, kCtp};
static_assert(covers(kFields, 64));
}  // namespace scalable_root

namespace scalable_context {
inline constexpr Field kP{"P", 0, 0};
inline constexpr Field kFpd{"FPD", 1, 1};
inline constexpr Field kDte{"DTE", 2, 2};
inline constexpr Field kPaside{"PASIDE", 3, 3};
inline constexpr Field kPre{"PRE", 4, 4};
inline constexpr Field kPdts{"PDTS", 11, 9};
inline constexpr Field kPasidDirPtr{"PASIDDIRPTR", 63, 12};
inline constexpr Field kRidPasid{"RID_PASID", 83, 64};
inline constexpr Field kRidPriv{"RID_PRIV", 84, 84};
inline constexpr std::array kFields{kP,
                                    kFpd,
                                    kDte,
                                    kPaside,
                                    kPre,
                                    Field{"", 8, 5, Access::kReserved},
                                    kPdts,
                                    kPasidDirPtr,
                                    kRidPasid,
                                    kRidPriv,
                                    Field{"", 127, 85, Access::kReserved},
                                    Field{"", 191, 128, Access::kReserved},
                                    Field{"", 255, 192, Access::kReserved}};
static_assert(covers(kFields, 256));
}  // namespace scalable_context

namespace pasid_directory {
inline constexpr Field kP{"P", 0, 0};
inline constexpr Field kFpd{"FPD", 1, 1};
inline constexpr Field kTable{"SMPTBLPTR", 63, 12};
inline constexpr std::array kFields{kP, kFpd, Field{"", 11, 2, Access::kReserved}, kTable};
static_assert(covers(kFields, 64));
}  // namespace pasid_directory

namespace pasid_entry {
inline constexpr Field kP{"P", 0, 0};
inline constexpr Field kFpd{"FPD", 1, 1};
inline constexpr Field kAw{"AW", 4, 2};
inline constexpr Field kPgtt{"PGTT", 8, 6};
inline constexpr Field kSsade{"SSADE", 9, 9};
inline constexpr Field kSsptptr{"SSPTPTR", 63, 12};
inline constexpr Field kDid{"DID", 79, 64};
inline constexpr Field kPwsnp{"PWSNP", 87, 87};
inline constexpr Field kPgsnp{"PGSNP", 88, 88};
inline constexpr Field kSre{"SRE", 128, 128};
inline constexpr Field kEre{"ERE", 129, 129};
inline constexpr Field kFspm{"FSPM", 131, 130};
inline constexpr Field kWpe{"WPE", 132, 132};
inline constexpr Field kNxe{"NXE", 133, 133};
inline constexpr Field kEafe{"EAFE", 135, 135};
inline constexpr Field kFsptptr{"FSPTPTR", 191, 140};
inline constexpr std::array kFields{kP,
                                    kFpd,
                                    kAw,
                                    Field{"SSEE", 5, 5},
                                    kPgtt,
                                    kSsade,
                                    Field{"", 11, 10, Access::kReserved},
                                    kSsptptr,
                                    kDid,
                                    Field{"", 86, 80, Access::kReserved},
                                    kPwsnp,
                                    kPgsnp,
                                    Field{"CD to PAT", 127, 89, Access::kIgnored},
                                    kSre,
                                    kEre,
                                    kFspm,
                                    kWpe,
                                    kNxe,
                                    Field{"SMEP", 134, 134},
                                    kEafe,
                                    Field{"", 139, 136, Access::kReserved},
                                    kFsptptr,
                                    Field{"", 255, 192, Access::kReserved},
                                    Field{"", 319, 256, Access::kReserved},
                                    Field{"", 383, 320, Access::kReserved},
                                    Field{"", 447, 384, Access::kReserved},
                                    Field{"", 511, 448, Access::kReserved}};
static_assert(covers(kFields, 512));

// PGTT
inline constexpr std::uint64_t kFirstStage = 1;
inline constexpr std::uint64_t kSecondStage = 2;
inline constexpr std::uint64_t kNested = 3;
inline constexpr std::uint64_t kPassThrough = 4;
}  // namespace pasid_entry

// The half of the root entry that is for this function, present and checked.
std::expected<Entry<1>, Reason> read_scalable_root(sim::PhysicalMemory& memory,
                                                   const Profile& profile, PhysAddr root_table,
                                                   Bdf requester);

// The context entry, present or not, unchecked.
std::expected<Entry256, Reason> read_scalable_context(sim::PhysicalMemory& memory,
                                                      const Entry<1>& root, Bdf requester);
std::optional<Reason> check_scalable_context(const Profile& profile, const Entry256& context);

// Is this PASID within the directory of the context entry?
bool has_directory_entry(const Entry256& context, Pasid pasid);
// The PASID of requests that carry none.
Pasid rid_pasid(const Profile& profile, const Entry256& context);

// The directory entry, present or not, unchecked.
std::expected<Entry<1>, Reason> read_directory_entry(sim::PhysicalMemory& memory,
                                                     const Entry256& context, Pasid pasid);
std::optional<Reason> check_directory_entry(const Profile& profile, const Entry<1>& directory);

// The PASID-table entry, present or not, unchecked.
std::expected<Entry512, Reason> read_pasid_entry(sim::PhysicalMemory& memory,
                                                 const Entry<1>& directory, Pasid pasid);
// Present, reserved bits, type and its fields, in this order.
std::optional<Reason> check_pasid_entry(const Profile& profile, const Entry512& entry);

DomainId domain_of(const Profile& profile, const Entry512& entry);
SecondStage second_stage_of(const Entry512& entry);

}  // namespace baton::iommu_vtd
