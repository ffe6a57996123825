// Where two runs part.

#include "harness/run/run_diff.h"

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

Loaded load(std::vector<std::string> set) {
  set.emplace_back("vms[0].workload.rate=1MB/s");
  Loaded loaded =
      check_scenario(testing::source_dir() + "/scenarios/many-small-runs.yaml", std::move(set));
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  return loaded;
}

RunDiff diff(const Loaded& a, const Loaded& b) {
  auto result = diff_runs({&a, 0}, {&b, 0}, {});
  REQUIRE(result);
  return *result;
}

}  // namespace

TEST_CASE("two runs of one scenario are the same") {
  const Loaded one = load({});
  const RunDiff result = diff(one, one);
  CHECK(result.same);
  CHECK(format_diff(result).find("the same: ") != std::string::npos);
  CHECK(result.a.fingerprint == run_scenario(one, {}).fingerprint);
}

TEST_CASE("a defect shows as the first event that differs, with the register that it changed") {
  const Loaded one = load({});
  const Loaded other = load({"defects=[pci-clear-bus-master]"});
  const RunDiff result = diff(one, other);
  CHECK_FALSE(result.same);
  REQUIRE(result.common);
  REQUIRE(result.in_a);
  REQUIRE(result.in_b);
  CHECK(*result.in_a != *result.in_b);
  CHECK(result.common->event <= result.in_a->event);
  // The bit that the defect clears, in the transitions or in the state right after the event.
  REQUIRE_FALSE(result.transitions_b.empty());
  const bool told = std::ranges::any_of(result.transitions_b, [](const Transition& row) {
    return row.device == "dsa0" && row.text.find("config 0x004") != std::string::npos;
  });
  CHECK(told);
  const std::string text = format_diff(result);
  CHECK(text.find("first difference at event") != std::string::npos);
  CHECK(text.find("bus-master-path") != std::string::npos);
  CHECK(format_diff_json(result) == format_diff_json(diff(one, other)));
}

TEST_CASE("a run that ends sooner is told by what the other still does") {
  const Loaded one = load({"end=1500ms"});
  const Loaded other = load({"end=1600ms"});
  const RunDiff result = diff(one, other);
  CHECK_FALSE(result.same);
  CHECK_FALSE(result.in_a);
  REQUIRE(result.in_b);
  CHECK(format_diff(result).find("A       nothing more") != std::string::npos);
}

TEST_CASE("the state of two runs is compared where they part") {
  const Loaded one = load({});
  const Loaded other = load({"vms[0].memory=8MiB"});
  const RunDiff result = diff(one, other);
  CHECK_FALSE(result.same);
  CHECK((!result.state.empty() || !result.pages.empty()));
}

TEST_CASE("a diff that is interrupted says nothing") {
  const Loaded one = load({});
  CHECK_FALSE(diff_runs({&one, 0}, {&one, 0}, [] { return true; }));
}
