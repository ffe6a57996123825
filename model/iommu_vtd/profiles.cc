#include "model/iommu_vtd/profiles.h"

#include <algorithm>
#include <array>

namespace baton::iommu_vtd {

namespace {

constexpr std::uint64_t kPostedInterrupts = std::uint64_t{1} << 59;  // CAP.PI
constexpr std::uint64_t kDeviceTlb = 1U << 2;                        // ECAP.DT

constexpr std::array kRows{
    ProfileRow{"sapphire-rapids", sapphire_rapids,
               "legacy and scalable mode, 4 and 5 levels, PASIDs, nesting, device-TLBs"},
    ProfileRow{"skylake-sp", skylake_sp, "legacy mode, 4 levels, 48 bits, device-TLBs"},
    ProfileRow{"alder-lake", alder_lake, "legacy mode, 4 levels, 39 bits, 256 domain ids"},
};

}  // namespace

Profile sapphire_rapids_legacy() {
  Profile profile;
  profile.name = "sapphire-rapids-legacy";
  profile.cap = 0x00ED008C40780C66;   // without first stage
  profile.ecap = 0x0000000000F050DB;  // without SMTS and all that needs it, without DT
  profile.paging_cache_entries = 0;
  return profile;
}

Profile sapphire_rapids_legacy_ats() {
  Profile profile = sapphire_rapids_legacy();
  profile.name = "sapphire-rapids-legacy-ats";
  profile.ecap |= kDeviceTlb;
  profile.paging_cache_entries = Profile().paging_cache_entries;
  return profile;
}

Profile skylake_sp() {
  Profile profile;
  profile.name = "skylake-sp";
  profile.version = 0x10;
  profile.cap = 0x08D2078C106F0466 & ~kPostedInterrupts;
  profile.ecap = 0x0000000000F020DF;
  profile.host_address_width = 46;
  return profile;
}

Profile alder_lake() {
  Profile profile;
  profile.name = "alder-lake";
  profile.version = 0x50;
  profile.cap = 0x00D2008C40660462;
  profile.ecap = 0x0000000000F050DA;
  profile.host_address_width = 39;
  return profile;
}

bool can_post_interrupts(const Profile& profile) { return profile.name != alder_lake().name; }

Profile with_posted_interrupts(Profile profile) {
  profile.cap |= kPostedInterrupts;
  return profile;
}

std::span<const ProfileRow> profile_rows() { return kRows; }

const ProfileRow* find_profile(std::string_view name) {
  const auto row = std::ranges::find(kRows, name, &ProfileRow::name);
  return row == kRows.end() ? nullptr : &*row;
}

}  // namespace baton::iommu_vtd
