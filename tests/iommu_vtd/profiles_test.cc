// Remapping units by name [boot logs of such machines, named in profiles.h].
#include "model/iommu_vtd/profiles.h"

#include "tests/iommu_vtd/unit_fixture.h"

using namespace baton;
using namespace baton::iommu_vtd;
using test::UnitFixture;

TEST_CASE("the default unit is that of a Sapphire Rapids, with both table modes") {
  const Profile profile;
  CHECK(profile.name == "sapphire-rapids");
  CHECK(profile.scalable_mode());
  CHECK(profile.nested());
  CHECK(profile.pasid());
  CHECK(profile.device_tlb());
  CHECK(profile.guest_address_bits() == 57);
  CHECK(profile.domain_id_bits() == 16);
  // As the boot log has it, but for what is not modelled and for PASIDs.
  CHECK((profile.cap ^ 0x19ED008C40780C66) == std::uint64_t{1} << 59);
  CHECK((profile.ecap ^ 0x0003EE9E86F050DF) == (0x7ULL << 40 | 1ULL << 25));
}

TEST_CASE("older parts have the capabilities of their boot logs") {
  const Profile server = skylake_sp();
  CHECK_FALSE(server.scalable_mode());
  CHECK(server.device_tlb());
  CHECK(server.fault_records() == 8);
  CHECK(server.guest_address_bits() == 48);
  CHECK(server.fault_record_offset() == 0x100);
  const Profile client = alder_lake();
  CHECK_FALSE(client.scalable_mode());
  CHECK_FALSE(client.device_tlb());
  CHECK(client.domain_id_bits() == 8);
  CHECK(client.guest_address_bits() == 39);
  CHECK(client.largest_address_mask() == 18);
}

TEST_CASE("no profile offers what is not modelled, and each translates") {
  for (const ProfileRow& row : profile_rows()) {
    INFO(row.name);
    const Profile profile = row.make();
    CHECK(profile.name == row.name);
    CHECK_FALSE(Profile::bit(profile.cap, 3));    // AFL
    CHECK_FALSE(Profile::bit(profile.cap, 59));   // PI
    CHECK_FALSE(Profile::bit(profile.ecap, 25));  // MTS
    CHECK_FALSE(profile.page_requests());
    UnitFixture t(profile);
    t.enable();
    CHECK(t.write(0x5000).address == PhysAddr(UnitFixture::kTarget));
    CHECK_FALSE(t.read(std::uint64_t{1} << profile.guest_address_bits()).allowed);
  }
}
