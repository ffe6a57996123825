// Descriptors of the invalidation queue [VT-d 6.5.2]. In a queue of 256-bit descriptors the two
// words that follow these rows are reserved.
//
// Not modelled: page group responses (type 9; ECAP.PRS=0).
#pragma once

#include <array>

#include "model/iommu_vtd/fields.h"

namespace baton::iommu_vtd {

// Descriptor types: bits 11:9 above bits 3:0 [VT-d 6.5.2].
inline constexpr Field kTypeLow{"type", 3, 0};
inline constexpr Field kTypeHigh{"type high", 11, 9};
inline constexpr Field kReserved8{"", 8, 8, Access::kReserved};
inline constexpr Field kReserved15to12{"", 15, 12, Access::kReserved};
inline constexpr Field kSecondWordReserved{"", 127, 64, Access::kReserved};

namespace context_cache {
inline constexpr Field kG{"G", 5, 4};
inline constexpr Field kDid{"DID", 31, 16};
inline constexpr Field kSid{"SID", 47, 32};
inline constexpr Field kFm{"FM", 49, 48};
inline constexpr std::array kFields{
    kTypeLow, kG,  Field{"", 8, 6, Access::kReserved},   kTypeHigh,          kReserved15to12, kDid,
    kSid,     kFm, Field{"", 63, 50, Access::kReserved}, kSecondWordReserved};
static_assert(covers(kFields, 128));
}  // namespace context_cache

namespace iotlb_pages {
inline constexpr Field kG{"G", 5, 4};
inline constexpr Field kDid{"DID", 31, 16};
inline constexpr Field kAm{"AM", 69, 64};
inline constexpr Field kIh{"IH", 70, 70};
inline constexpr Field kAddress{"ADDR", 127, 76};
inline constexpr std::array kFields{kTypeLow,
                                    kG,
                                    Field{"DW", 6, 6},
                                    Field{"DR", 7, 7},
                                    kReserved8,
                                    kTypeHigh,
                                    kReserved15to12,
                                    kDid,
                                    Field{"", 63, 32, Access::kReserved},
                                    kAm,
                                    kIh,
                                    Field{"", 75, 71, Access::kReserved},
                                    kAddress};
static_assert(covers(kFields, 128));
}  // namespace iotlb_pages

namespace device_tlb {
inline constexpr std::array kFields{kTypeLow,
                                    Field{"", 8, 4, Access::kReserved},
                                    kTypeHigh,
                                    Field{"PFSID[3:0]", 15, 12},
                                    Field{"MIP", 20, 16},
                                    Field{"", 31, 21, Access::kReserved},
                                    Field{"SID", 47, 32},
                                    Field{"", 51, 48, Access::kReserved},
                                    Field{"PFSID[15:4]", 63, 52},
                                    Field{"S", 64, 64},
                                    Field{"", 75, 65, Access::kReserved},
                                    Field{"ADDR", 127, 76}};
static_assert(covers(kFields, 128));
}  // namespace device_tlb

namespace interrupt_entry {
inline constexpr Field kG{"G", 4, 4};
inline constexpr Field kIm{"IM", 31, 27};
inline constexpr Field kIndex{"IIDX", 47, 32};
inline constexpr std::array kFields{kTypeLow,
                                    kG,
                                    Field{"", 8, 5, Access::kReserved},
                                    kTypeHigh,
                                    Field{"", 26, 12, Access::kReserved},
                                    kIm,
                                    kIndex,
                                    Field{"", 63, 48, Access::kReserved},
                                    kSecondWordReserved};
static_assert(covers(kFields, 128));
}  // namespace interrupt_entry

namespace wait {
inline constexpr Field kIf{"IF", 4, 4};
inline constexpr Field kSw{"SW", 5, 5};
inline constexpr Field kStatus{"status data", 63, 32};
inline constexpr Field kAddress{"status address", 127, 66};
inline constexpr std::array kFields{kTypeLow,
                                    kIf,
                                    kSw,
                                    Field{"FN", 6, 6},
                                    Field{"PD", 7, 7, Access::kReserved},  // ECAP.PDS=0
                                    kReserved8,
                                    kTypeHigh,
                                    Field{"", 31, 12, Access::kReserved},
                                    kStatus,
                                    Field{"", 65, 64, Access::kReserved},
                                    kAddress};
static_assert(covers(kFields, 128));
}  // namespace wait

namespace pasid_iotlb {
inline constexpr Field kG{"G", 5, 4};
inline constexpr Field kDid{"DID", 31, 16};
inline constexpr Field kPasid{"PASID", 51, 32};
inline constexpr Field kAm{"AM", 69, 64};
inline constexpr Field kIh{"IH", 70, 70};
inline constexpr Field kAddress{"ADDR", 127, 76};
inline constexpr std::array kFields{kTypeLow,
                                    kG,
                                    Field{"", 8, 6, Access::kReserved},
                                    kTypeHigh,
                                    kReserved15to12,
                                    kDid,
                                    kPasid,
                                    Field{"", 63, 52, Access::kReserved},
                                    kAm,
                                    kIh,
                                    Field{"", 75, 71, Access::kReserved},
                                    kAddress};
static_assert(covers(kFields, 128));
}  // namespace pasid_iotlb

namespace pasid_cache {
inline constexpr Field kG{"G", 5, 4};
inline constexpr Field kDid{"DID", 31, 16};
inline constexpr Field kPasid{"PASID", 51, 32};
inline constexpr std::array kFields{
    kTypeLow, kG,     Field{"", 8, 6, Access::kReserved},   kTypeHigh,          kReserved15to12,
    kDid,     kPasid, Field{"", 63, 52, Access::kReserved}, kSecondWordReserved};
static_assert(covers(kFields, 128));
}  // namespace pasid_cache

namespace pasid_device_tlb {
inline constexpr std::array kFields{kTypeLow,
                                    Field{"MIP", 8, 4},
                                    kTypeHigh,
                                    Field{"PFSID[3:0]", 15, 12},
                                    Field{"SID", 31, 16},
                                    Field{"PASID", 51, 32},
                                    Field{"PFSID[15:4]", 63, 52},
                                    Field{"G", 64, 64},
                                    Field{"", 74, 65, Access::kReserved},
                                    Field{"S", 75, 75},
                                    Field{"ADDR", 127, 76}};
static_assert(covers(kFields, 128));
}  // namespace pasid_device_tlb

}  // namespace baton::iommu_vtd
