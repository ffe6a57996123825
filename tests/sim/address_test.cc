// Addresses as people read them.
#include "sim/address.h"

namespace {

using namespace baton;

}  // namespace

TEST_CASE("A domain has four digits, and more when it needs them") {
  CHECK(to_string(Sbdf{0, Bdf(0x3A, 0, 1)}) == "0000:3a:00.1");
  CHECK(to_string(Sbdf{0xFFFF, Bdf(0, 31, 7)}) == "ffff:00:1f.7");
  CHECK(to_string(Sbdf{0x10000, Bdf(0xE1, 0, 0)}) == "10000:e1:00.0");
}

TEST_CASE("Domains that are equal in 16 bits differ") {
  CHECK(Sbdf{0, Bdf(1)} != Sbdf{0x10000, Bdf(1)});
  CHECK(Sbdf{0xFFFF, Bdf(1)} < Sbdf{0x10000, Bdf(1)});
}
