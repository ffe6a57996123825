// Descriptors of the invalidation queue [VT-d 6.5.2]. In a queue of 256-bit descriptors the two
// words that follow these rows are reserved.
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

namespace context_cache_descriptor {
inline constexpr Field kG{"G", 5, 4};
inline constexpr Field kDid{"DID", 31, 16};
inline constexpr Field kSid{"SID", 47, 32};
inline constexpr Field kFm{"FM", 49, 48};
inline constexpr std::array kFields{
    kTypeLow, kG,  Field{"", 8, 6, Access::kReserved},   kTypeHigh,          kReserved15to12, kDid,
    kSid,     kFm, Field{"", 63, 50, Access::kReserved}, kSecondWordReserved};
static_assert(covers(kFields, 128));

// G; 0 is reserved.
inline constexpr std::uint64_t kGlobal = 1;
inline constexpr std::uint64_t kDomain = 2;
inline constexpr std::uint64_t kDevice = 3;
}  // namespace context_cache_descriptor

namespace iotlb_descriptor {
inline constexpr Field kG{"G", 5, 4};
inline constexpr Field kDw{"DW", 6, 6};
inline constexpr Field kDr{"DR", 7, 7};
inline constexpr Field kDid{"DID", 31, 16};
inline constexpr Field kAm{"AM", 69, 64};
inline constexpr Field kIh{"IH", 70, 70};
inline constexpr Field kAddress{"ADDR", 127, 76};
inline constexpr std::array kFields{kTypeLow,
                                    kG,
                                    kDw,
                                    kDr,
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

// G; 0 is reserved.
inline constexpr std::uint64_t kGlobal = 1;
inline constexpr std::uint64_t kDomain = 2;
inline constexpr std::uint64_t kPages = 3;
}  // namespace iotlb_descriptor

namespace device_tlb_descriptor {
inline constexpr Field kMip{"MIP", 20, 16};
inline constexpr Field kSid{"SID", 47, 32};
inline constexpr Field kS{"S", 64, 64};
inline constexpr Field kAddress{"ADDR", 127, 76};
inline constexpr std::array kFields{kTypeLow,
                                    Field{"", 8, 4, Access::kReserved},
                                    kTypeHigh,
                                    Field{"PFSID[3:0]", 15, 12},
                                    kMip,
                                    Field{"", 31, 21, Access::kReserved},
                                    kSid,
                                    Field{"", 51, 48, Access::kReserved},
                                    Field{"PFSID[15:4]", 63, 52},
                                    kS,
                                    Field{"", 75, 65, Access::kReserved},
                                    kAddress};
static_assert(covers(kFields, 128));
}  // namespace device_tlb_descriptor

namespace interrupt_entry_descriptor {
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
}  // namespace interrupt_entry_descriptor

namespace wait_descriptor {
inline constexpr Field kPd{"PD", 7, 7};  // reserved if ECAP.PDS=0
inline constexpr Field kIf{"IF", 4, 4};
inline constexpr Field kSw{"SW", 5, 5};
inline constexpr Field kFn{"FN", 6, 6};
inline constexpr Field kStatus{"status data", 63, 32};
inline constexpr Field kAddress{"status address", 127, 66};
inline constexpr std::array kFields{kTypeLow,  kIf,
                                    kSw,       kFn,
                                    kPd,       kReserved8,
                                    kTypeHigh, Field{"", 31, 12, Access::kReserved},
                                    kStatus,   Field{"", 65, 64, Access::kReserved},
                                    kAddress};
static_assert(covers(kFields, 128));
}  // namespace wait_descriptor

namespace pasid_iotlb_descriptor {
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

// G; the others are reserved.
inline constexpr std::uint64_t kAllPages = 2;
inline constexpr std::uint64_t kPages = 3;
}  // namespace pasid_iotlb_descriptor

namespace pasid_cache_descriptor {
inline constexpr Field kG{"G", 5, 4};
inline constexpr Field kDid{"DID", 31, 16};
inline constexpr Field kPasid{"PASID", 51, 32};
inline constexpr std::array kFields{
    kTypeLow, kG,     Field{"", 8, 6, Access::kReserved},   kTypeHigh,          kReserved15to12,
    kDid,     kPasid, Field{"", 63, 52, Access::kReserved}, kSecondWordReserved};
static_assert(covers(kFields, 128));

// G; 2 is reserved.
inline constexpr std::uint64_t kAllOfDomain = 0;
inline constexpr std::uint64_t kOnePasid = 1;
inline constexpr std::uint64_t kEverything = 3;
}  // namespace pasid_cache_descriptor

namespace pasid_device_tlb_descriptor {
inline constexpr Field kMip{"MIP", 8, 4};
inline constexpr Field kSid{"SID", 31, 16};
inline constexpr Field kPasid{"PASID", 51, 32};
inline constexpr Field kG{"G", 64, 64};
inline constexpr Field kS{"S", 75, 75};
inline constexpr Field kAddress{"ADDR", 127, 76};
inline constexpr std::array kFields{kTypeLow,
                                    kMip,
                                    kTypeHigh,
                                    Field{"PFSID[3:0]", 15, 12},
                                    kSid,
                                    kPasid,
                                    Field{"PFSID[15:4]", 63, 52},
                                    kG,
                                    Field{"", 74, 65, Access::kReserved},
                                    kS,
                                    kAddress};
static_assert(covers(kFields, 128));
}  // namespace pasid_device_tlb_descriptor

namespace page_response_descriptor {
inline constexpr Field kPasidPresent{"PP", 4, 4};
inline constexpr Field kCode{"response code", 15, 12};
inline constexpr Field kRid{"RID", 31, 16};
inline constexpr Field kPasid{"PASID", 51, 32};
inline constexpr Field kGroup{"PRGI", 75, 67};
inline constexpr std::array kFields{kTypeLow,
                                    kPasidPresent,
                                    Field{"", 8, 5, Access::kReserved},
                                    kTypeHigh,
                                    kCode,
                                    kRid,
                                    kPasid,
                                    Field{"", 63, 52, Access::kReserved},
                                    Field{"", 65, 64, Access::kReserved},
                                    Field{"LPIG", 66, 66},
                                    kGroup,
                                    Field{"", 127, 76, Access::kReserved}};
static_assert(covers(kFields, 128));
}  // namespace page_response_descriptor

}  // namespace baton::iommu_vtd
