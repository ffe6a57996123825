// Remapping units by name: the default, older parts, and the default with less.
//
// CAP and ECAP are those that boot logs of such machines show, without what is not modelled
// (profile.h). Caches of older parts have the sizes of the default: none are published.
#pragma once

#include <span>
#include <string_view>

#include "model/iommu_vtd/profile.h"

namespace baton::iommu_vtd {

// Both table modes, device-TLBs: the default, under its name.
inline Profile sapphire_rapids() { return {}; }

// Sapphire Rapids in legacy mode alone, without device-TLBs and paging-structure caches: every miss
// of the IOTLB reads every level.
Profile sapphire_rapids_legacy();

// The same with device-TLBs and paging-structure caches.
Profile sapphire_rapids_legacy_ats();

// A server of 2017: legacy mode, 4 levels, 48-bit guest addresses, 8 fault records, device-TLBs
// [boot logs of Skylake-SP: CAP 08D2078C106F0466, ECAP 0000000000F020DF].
Profile skylake_sp();

// A client of 2021: legacy mode, 4 levels of which 39 bits are used, 256 domain ids, tables that
// are not snooped (ECAP.C=0; memory is coherent in the model all the same), no device-TLBs [boot
// logs of Alder Lake: CAP 00D2008C40660462, ECAP 0000000000F050DA].
Profile alder_lake();

// The same part with interrupt posting (CAP.PI), which the parts themselves have but for Alder
// Lake.
bool can_post_interrupts(const Profile& profile);
Profile with_posted_interrupts(Profile profile);

// Those that a scenario can name.
struct ProfileRow {
  std::string_view name;
  Profile (*make)();
  std::string_view what;
};
std::span<const ProfileRow> profile_rows();
// Null: there is none of this name.
const ProfileRow* find_profile(std::string_view name);

}  // namespace baton::iommu_vtd
