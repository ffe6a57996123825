// Scenarios whose lesson is in what the violations say: each window of a hazard is named.
#include <algorithm>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

// The violations of one invariant in a scenario of the library.
std::vector<std::string> seen_in(std::string_view scenario, std::string_view invariant) {
  const Loaded loaded =
      check_scenario(fmt::format("{}/scenarios/{}.yaml", testing::source_dir(), scenario));
  REQUIRE(loaded.good());
  std::vector<std::string> result;
  for (const Violation& violation : run_scenario(loaded, {}).violations) {
    if (violation.id == invariant) result.push_back(violation.seen);
  }
  return result;
}

bool any_says(const std::vector<std::string>& seen, std::string_view what) {
  return std::ranges::any_of(
      seen, [what](const std::string& text) { return text.find(what) != std::string::npos; });
}

}  // namespace

TEST_CASE("a device without an IOMMU: untranslated first, then through the identity domain") {
  const auto seen = seen_in("bme-without-iommu", "isolation");
  CHECK(any_says(seen, "with translation off"));
  CHECK(any_says(seen, "through the identity domain"));
}

TEST_CASE("half a PASID entry sends the device to host physical addresses") {
  const auto seen = seen_in("torn-pasid-entry", "isolation");
  CHECK(any_says(seen, "untranslated by its entry"));
}

TEST_CASE("interrupts that nobody takes are told apart by what they met") {
  const auto seen = seen_in("interrupts-kept-on", "irq-no-orphan");
  CHECK(any_says(seen, "no kernel has a handler"));
  CHECK(any_says(seen, "its entry is not there"));
}
