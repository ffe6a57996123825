// Tags of cached translations [VT-d 6.2.4]: which address space an entry belongs to. Requesters
// are no part of it: those that share a domain id (and PASID) share entries, whatever tables their
// own structures name.
#pragma once

#include <cstdint>

#include "model/iommu_vtd/fields.h"
#include "sim/address.h"

namespace baton::iommu_vtd {

// How the translation was made; decides which invalidations reach it.
enum class Stage : std::uint8_t { kSecond, kFirst, kNested };

namespace tag {
inline constexpr Field kDomain{"DID", 15, 0};
inline constexpr Field kPasid{"PASID", 35, 16};  // first stage and nested
inline constexpr Field kStage{"stage", 37, 36};
inline constexpr Field kPrivileged{"PRIV", 38, 38};
inline constexpr std::uint64_t kEveryBit = ~std::uint64_t{0};
}  // namespace tag

constexpr std::uint64_t make_tag(DomainId domain, Stage stage = Stage::kSecond, Pasid pasid = {},
                                 bool privileged = false) {
  std::uint64_t value = with(tag::kDomain, 0, domain.value());
  value = with(tag::kStage, value, static_cast<std::uint8_t>(stage));
  value = with(tag::kPasid, value, pasid.value());
  return with(tag::kPrivileged, value, privileged ? 1 : 0);
}

// The tags that agree with `value` in the bits of `mask`.
struct TagMask {
  std::uint64_t mask = 0;
  std::uint64_t value = 0;
  constexpr bool matches(std::uint64_t other) const { return (other & mask) == value; }
};

// Entries of the second stage carry no PASID: they have one tag for each domain.
constexpr TagMask tags_of(DomainId domain, Stage stage) {
  if (stage == Stage::kSecond) {
    return {tag::kEveryBit, make_tag(domain)};
  }
  return {tag::kDomain.mask() | tag::kStage.mask(), make_tag(domain, stage)};
}
constexpr TagMask tags_of(DomainId domain, Stage stage, Pasid pasid) {
  return {tag::kDomain.mask() | tag::kStage.mask() | tag::kPasid.mask(),
          make_tag(domain, stage, pasid)};
}

// Addresses first to last, both included, so that the last page of all can be named.
struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = ~std::uint64_t{0};
  constexpr bool intersects(const Range& other) const {
    return first <= other.last && other.first <= last;
  }
};

}  // namespace baton::iommu_vtd
