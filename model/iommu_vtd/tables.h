// The structures in memory: root and context entries of legacy mode, second-stage paging entries,
// interrupt remapping entries [VT-d 9.1, 9.3, 9.8, 9.10], and the walk over the second stage.
// Everything here is a function of memory and profile: no registers, no fault log.
//
// Not modelled: the posted format of an interrupt remapping entry.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <expected>
#include <optional>

#include "model/iommu_vtd/fields.h"
#include "model/iommu_vtd/mapping.h"
#include "model/iommu_vtd/paging_cache.h"
#include "model/iommu_vtd/profile.h"
#include "model/iommu_vtd/reasons.h"
#include "sim/address.h"
#include "sim/memory.h"

namespace baton::iommu_vtd {

// The reserved bits of each word, made once per table of fields, when this is compiled: walking the
// rows for each entry of each request was a tenth of a run in scalable mode.
template <const auto& kFields, std::size_t kWords>
inline constexpr std::array<std::uint64_t, kWords> kReservedBits = [] {
  std::array<std::uint64_t, kWords> masks{};
  for (unsigned word = 0; word < kWords; ++word) {
    masks[word] = mask_of(kFields, Access::kReserved, word);
  }
  return masks;
}();

// A structure of kWords 64-bit words.
template <std::size_t kWords>
struct Entry {
  std::array<std::uint64_t, kWords> words{};
  std::uint64_t get(const Field& field) const { return iommu_vtd::get(field, words[field.word()]); }
  bool test(const Field& field) const { return get(field) != 0; }
  PhysAddr address(const Field& field) const {
    return PhysAddr(words[field.word()] & field.mask());
  }
  template <const auto& kFields>
  bool has_reserved_bits() const {
    std::uint64_t set = 0;
    for (std::size_t word = 0; word < kWords; ++word) {
      set |= words[word] & kReservedBits<kFields, kWords>[word];
    }
    return set != 0;
  }
  template <std::size_t kRows>
  bool has_reserved_bits(const std::array<Field, kRows>& fields) const {
    for (unsigned word = 0; word < kWords; ++word) {
      if ((words[word] & mask_of(fields, Access::kReserved, word)) != 0) {
        return true;
      }
    }
    return false;
  }
};
using Entry128 = Entry<2>;
using Entry256 = Entry<4>;
using Entry512 = Entry<8>;

namespace root_entry {
inline constexpr Field kP{"P", 0, 0};
inline constexpr Field kCtp{"CTP", 63, 12};
inline constexpr std::array kFields{kP, Field{"", 11, 1, Access::kReserved}, kCtp,
                                    Field{"", 127, 64, Access::kReserved}};
static_assert(covers(kFields, 128));
}  // namespace root_entry

namespace context_entry {
inline constexpr Field kP{"P", 0, 0};
inline constexpr Field kFpd{"FPD", 1, 1};
inline constexpr Field kTt{"TT", 3, 2};
inline constexpr Field kSsptptr{"SSPTPTR", 63, 12};
inline constexpr Field kAw{"AW", 66, 64};
inline constexpr Field kDid{"DID", 87, 72};
inline constexpr std::array kFields{kP,
                                    kFpd,
                                    kTt,
                                    Field{"", 11, 4, Access::kReserved},
                                    kSsptptr,
                                    kAw,
                                    Field{"AVAIL", 70, 67, Access::kIgnored},
                                    Field{"", 71, 71, Access::kReserved},
                                    kDid,
                                    Field{"", 127, 88, Access::kReserved}};
static_assert(covers(kFields, 128));

inline constexpr std::uint64_t kUntranslatedOnly = 0;
inline constexpr std::uint64_t kWithDeviceTlb = 1;
inline constexpr std::uint64_t kPassThrough = 2;
}  // namespace context_entry

// Second-stage paging entries; PS exists above level 0, SNP in leaves.
namespace paging_entry {
inline constexpr Field kR{"R", 0, 0};
inline constexpr Field kW{"W", 1, 1};
inline constexpr Field kPs{"PS", 7, 7};
inline constexpr Field kA{"A", 8, 8};
inline constexpr Field kD{"D", 9, 9};
inline constexpr Field kSnp{"SNP", 11, 11};
inline constexpr Field kAddress{"ADDR", 51, 12};
inline constexpr Field kTm{"TM", 62, 62};
inline constexpr std::array kFields{kR,
                                    kW,
                                    Field{"X EMT IPAT", 6, 2, Access::kIgnored},
                                    kPs,
                                    kA,
                                    kD,
                                    Field{"AVAIL", 10, 10, Access::kIgnored},
                                    kSnp,
                                    kAddress,
                                    Field{"AVAIL", 61, 52, Access::kIgnored},
                                    kTm,
                                    Field{"AVAIL", 63, 63, Access::kIgnored}};
static_assert(covers(kFields, 64));
}  // namespace paging_entry

namespace remap_entry {
inline constexpr Field kP{"P", 0, 0};
inline constexpr Field kFpd{"FPD", 1, 1};
inline constexpr Field kDm{"DM", 2, 2};
inline constexpr Field kRh{"RH", 3, 3};
inline constexpr Field kTm{"TM", 4, 4};
inline constexpr Field kDlm{"DLM", 7, 5};
// IM=1 selects the posted format (posted_entry); with CAP.PI=0 the bit is reserved.
inline constexpr Field kIm{"IM", 15, 15, Access::kReserved};
inline constexpr Field kVector{"V", 23, 16};
inline constexpr Field kDestination{"DST", 63, 32};
inline constexpr Field kSid{"SID", 79, 64};
inline constexpr Field kSq{"SQ", 81, 80};
inline constexpr Field kSvt{"SVT", 83, 82};
inline constexpr std::array kFields{kP,
                                    kFpd,
                                    kDm,
                                    kRh,
                                    kTm,
                                    kDlm,
                                    Field{"AVAIL", 11, 8, Access::kIgnored},
                                    Field{"", 14, 12, Access::kReserved},
                                    kIm,
                                    kVector,
                                    Field{"", 31, 24, Access::kReserved},
                                    kDestination,
                                    kSid,
                                    kSq,
                                    kSvt,
                                    Field{"", 127, 84, Access::kReserved}};
static_assert(covers(kFields, 128));
}  // namespace remap_entry

// The posted format of an entry [VT-d 9.11]: IM=1, where the unit posts interrupts (CAP.PI).
namespace posted_entry {
inline constexpr Field kUrg{"URG", 14, 14};
inline constexpr Field kPdaLow{"PDA[31:6]", 63, 38};
inline constexpr unsigned kPdaLowShift = 6;
inline constexpr Field kPdaHigh{"PDA[63:32]", 127, 96};
inline constexpr std::array kFields{remap_entry::kP,
                                    remap_entry::kFpd,
                                    Field{"", 7, 2, Access::kReserved},
                                    Field{"AVAIL", 11, 8, Access::kIgnored},
                                    Field{"", 13, 12, Access::kReserved},
                                    kUrg,
                                    Field{"IM", 15, 15},
                                    remap_entry::kVector,
                                    Field{"", 37, 24, Access::kReserved},
                                    kPdaLow,
                                    remap_entry::kSid,
                                    remap_entry::kSq,
                                    remap_entry::kSvt,
                                    Field{"", 95, 84, Access::kReserved},
                                    kPdaHigh};
static_assert(covers(kFields, 128));
}  // namespace posted_entry

// The posted-interrupt descriptor, 64 bytes [VT-d 9.12]: a request bit per vector (PIR) in its
// first four quadwords, then the word below. The rest is not hardware's.
namespace posted_descriptor {
inline constexpr std::uint64_t kBytes = 64;
inline constexpr std::uint64_t kControl = 32;  // offset of the fifth quadword
inline constexpr Field kOn{"ON", 0, 0};
inline constexpr Field kSn{"SN", 1, 1};
inline constexpr Field kNv{"NV", 23, 16};
inline constexpr Field kNdst{"NDST", 63, 32};
inline constexpr std::array kFields{
    kOn,  kSn, Field{"", 15, 2, Access::kReserved}, kNv, Field{"", 31, 24, Access::kReserved},
    kNdst};
static_assert(covers(kFields, 64));
}  // namespace posted_descriptor

// nullopt: nothing answers at this address.
template <std::size_t kWords>
std::optional<Entry<kWords>> load(sim::PhysicalMemory& memory, PhysAddr address) {
  if (!memory.contains(address, sizeof(Entry<kWords>))) {
    return std::nullopt;
  }
  return memory.load<Entry<kWords>>(address);
}
inline std::optional<Entry128> load_entry(sim::PhysicalMemory& memory, PhysAddr address) {
  return load<2>(memory, address);
}

// Bits 63:HAW: reserved in every pointer to a table or page.
constexpr std::uint64_t above_host_width(const Profile& profile) {
  return ~std::uint64_t{0} << profile.host_address_width;
}

// A present root entry of this bus, checked.
std::expected<Entry128, Reason> read_root_entry(sim::PhysicalMemory& memory, const Profile& profile,
                                                PhysAddr root_table, unsigned bus);

// The context entry of this function, present or not, unchecked.
std::expected<Entry128, Reason> read_context_entry(sim::PhysicalMemory& memory,
                                                   const Entry128& root, unsigned devfn);

// Present, reserved bits, translation type, address width, in this order. nullopt: good.
std::optional<Reason> check_context_entry(const Profile& profile, const Entry128& context);

inline DomainId domain_of(const Profile& profile, const Entry128& context) {
  const std::uint64_t mask = (std::uint64_t{1} << profile.domain_id_bits()) - 1;
  return DomainId(static_cast<std::uint16_t>(context.get(context_entry::kDid) & mask));
}

// Which second-stage tables, and how they are used.
struct SecondStage {
  PhysAddr table;
  unsigned width = 0;           // AW: 1 is 3 levels, 2 is 4, 3 is 5
  bool accessed_dirty = false;  // keep A and D bits
  bool snooped = true;          // of reads and updates of entries

  unsigned levels() const { return width + 2; }
};
SecondStage second_stage_of(const Entry128& context);

// Bits of input address that tables of this width translate.
inline unsigned input_bits(const Profile& profile, unsigned width) {
  return std::min(30 + 9 * width, profile.guest_address_bits());
}

// The bits that must be 0 in a second-stage entry of each level, once it points at a table, once at
// a page: what the capabilities of the unit leave reserved.
struct SecondStageRules {
  explicit SecondStageRules(const Profile& profile);

  static constexpr unsigned kLevels = 5;
  std::array<std::uint64_t, kLevels> table{};
  std::array<std::uint64_t, kLevels> leaf{};
};

// One level of the walk: checks `entry` found at `level` [VT-d 9.8; permission before reserved
// bits]. nullopt: good.
std::optional<Reason> check_paging_entry(const SecondStageRules& rules, std::uint64_t entry,
                                         unsigned level, Rights wanted, bool write);
bool is_leaf(std::uint64_t entry, unsigned level);

// What a walk works with besides the tables.
struct WalkContext {
  sim::PhysicalMemory& memory;
  const Profile& profile;
  const SecondStageRules& rules;
  bool update = true;            // may set A and D bits; an observer may not
  PagingCache* cache = nullptr;  // of second-stage entries
  std::uint64_t tag = 0;
  unsigned reads = 0;  // entries read from memory, also when the walk fails
};

// The whole walk. `write` selects the reason when nothing is permitted.
std::expected<Mapping, Reason> walk_second_stage(WalkContext& walk, const SecondStage& tables,
                                                 std::uint64_t iova, Rights wanted, bool write);

// Addresses that are interrupts, never memory [VT-d 3.14].
constexpr bool is_interrupt_address(std::uint64_t address) {
  return address >= 0xFEE0'0000 && address <= 0xFEEF'FFFF;
}

}  // namespace baton::iommu_vtd
