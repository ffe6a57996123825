// Each defect of LUO in the scenario that shows it: the invariant that catches it holds without the
// defect and is violated with it.

#include "tests/scenarios/luo_defects.h"

#include <set>

#include "harness/run/run.h"

using namespace baton;
using namespace baton::harness;

namespace {

std::uint64_t violations(std::string_view scenario, std::string_view set,
                         std::string_view invariant) {
  const Loaded loaded = testing::load_luo(scenario, set);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  for (const InvariantVerdict& verdict : run_scenario(loaded, {}).verdicts) {
    if (verdict.id == invariant) {
      CHECK(verdict.checks != 0);
      return verdict.violations;
    }
  }
  FAIL("no such invariant");
  return 0;
}

void check(std::span<const testing::LuoDefect> rows) {
  for (const testing::LuoDefect& row : rows) {
    INFO(row.defect << " in " << row.scenario << ", " << row.invariant);
    CHECK(linux::defect_by_id(row.defect).has_value());
    CHECK(violations(row.scenario, row.without, row.invariant) == 0);
    CHECK(violations(row.scenario, row.with, row.invariant) != 0);
  }
}

}  // namespace

TEST_CASE("each defect of LUO is caught in its scenario, and there by nothing but the defect") {
  check(testing::kLuoDefects);
}

TEST_CASE("each selftest of LUO catches a defect") {
  check(testing::kSelftestDefects);
  std::set<std::string_view> selftests;
  for (const testing::LuoDefect& row : testing::kSelftestDefects) selftests.insert(row.scenario);
  CHECK(selftests.size() == 5);  // the programs of the kernel's folder
}
