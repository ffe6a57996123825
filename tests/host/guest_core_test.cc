// A core that stays in guest mode goes on without a kernel, and is told nothing.
#include "model/host/guest_core.h"

#include "tests/pci/rig.h"

using namespace baton;
using baton::pci::test::Switch;

TEST_CASE("a core that runs on reads what it wrote until the BAR is not decoded") {
  Switch host;
  std::vector<host::CoreAccess> seen;
  host.simulation.topic<host::CoreAccess>().subscribe(
      [&](const host::CoreAccess& access) { seen.push_back(access); });
  const host::GuestCore core(host.simulation, host.fabric,
                             {"vm0", PhysAddr(Switch::kBar[0]), sim::Duration::microseconds(10)});
  host.simulation.run_until(sim::Time() + sim::Duration::microseconds(15));
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].write);
  CHECK(seen[1].value == seen[0].value);
  CHECK(seen[1].expected == seen[0].value);
  CHECK(seen[1].stopped_at.empty());
  host.write(Bdf(3, 0, 0), 0x04, 2, 4);  // Command without memory decode
  host.simulation.run_until(sim::Time() + sim::Duration::microseconds(25));
  REQUIRE(seen.size() == 4);
  CHECK_FALSE(seen[2].stopped_at.empty());
  CHECK(seen[3].value == ~std::uint64_t{0});
  CHECK_FALSE(seen[3].stopped_at.empty());
}
