// Live updates of more devices than one page of any record, and one CPU's vectors, have room for.
#include "bench/handover_scenario.h"
#include "harness/report/text_report.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

Loaded handover(unsigned devices, std::vector<std::string> overrides) {
  return check_scenario_text("handover.yaml", bench::handover_scenario(devices, "2MiB"),
                             testing::source_dir() + "/scenarios", std::move(overrides));
}

}  // namespace

// 170 entries of baton-iommufd-v1 fill a page, 51 sessions, 63 shapes, 56 device records of the
// IOMMU core, 21 device states.
TEST_CASE("each of 180 devices in 180 sessions comes over with its interrupts") {
  const Loaded loaded = handover(180, {});
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  const RunResult result = run_scenario(loaded, {});
  INFO(format_failures(result));
  CHECK(result.passed());
}

TEST_CASE("more vectors than the CPUs have are ENOSPC") {
  const Loaded loaded = handover(24, {"machine.cpus=1"});
  REQUIRE(loaded.good());
  const RunResult result = run_scenario(loaded, {});
  CHECK_FALSE(result.passed());
  CHECK(format_failures(result).find("ENOSPC") != std::string::npos);
}
