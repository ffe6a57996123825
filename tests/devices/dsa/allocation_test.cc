// Nothing is allocated on the way of a descriptor, from the portal to its record, nor for the pages
// that it moves.
#include "tests/devices/dsa/flat_machine.h"
#include "tests/support/count_allocations.h"

using namespace baton;
using namespace baton::test;

TEST_CASE("descriptors, their pages, records and interrupts allocate nothing") {
  FlatMachine machine;
  machine.enable();
  machine.enable_msix();
  const auto work = [&] {
    for (std::uint64_t i = 0; i < 64; ++i) {
      machine.submit(make_move(0x100'0000 + i * 0x1'0000, 0x800'0000 + i * 0x1'0000,
                               i % 2 == 0 ? 64 : 0x8000, 0x10'0000 + i * 64,
                               dsa::flag::kRequestInterrupt));
    }
    machine.run(sim::Duration::milliseconds(1));
  };
  // What the machine of these tests keeps is its own.
  machine.ended.reserve(1000);
  machine.submitted.reserve(1000);
  machine.started.reserve(1000);
  machine.root.interrupts.reserve(1000);
  work();
  const std::size_t before = allocations;
  work();
  const std::size_t after = allocations;
  CHECK(after == before);
  CHECK(machine.ended.size() == 128);
  CHECK(machine.root.writes > 64 * 5);
}
