// The determinism check: it finds nothing where there is nothing, and the first differing event
// where a run was disturbed.

#include "harness/run/determinism.h"

#include "harness/run/host_builder.h"
#include "sim/simulation.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

Loaded small_run() {
  Loaded loaded = check_scenario_text(
      "s.yaml",
      "baton: 1\n"
      "title: t\n"
      "machine:\n"
      "  memory: 8GiB\n"
      "  topology: {lspci: hosts/flat.lspci, add: [{kind: dsa, name: dsa0, bus: 0x6a}]}\n"
      "vms:\n"
      "  - {name: vm0, memory: 64MiB, devices: [dsa0], workload: {size: 16KiB, depth: 16, "
      "rate: 20MB/s}}\n"
      "end: 20ms\n"
      "expect: [{holds: all}]\n",
      testing::source_dir() + "/scenarios");
  REQUIRE(loaded.good());
  return loaded;
}

// An event that nothing of the model has, at 100 ms.
class Stray final : public sim::Event {
 public:
  explicit Stray(sim::Simulation& simulation)
      : Event(simulation.add_actor("stray"), "stray-event", sim::Phase::kDevice) {
    simulation.schedule(*this, sim::Duration::milliseconds(100));
  }

 private:
  void fire() override {}
};

}  // namespace

TEST_CASE(
    "a scenario that is run twice side by side is the same, and its result is that of one run") {
  const Loaded loaded = small_run();
  const DeterminismCheck check = check_determinism(loaded, {}, {});
  CHECK(check.difference.value_or("") == "");
  CHECK(check.result.passed());
  CHECK(check.result.fingerprint == run_scenario(loaded, {}).fingerprint);
}

TEST_CASE("an event that only one run has is found and named") {
  const Loaded loaded = small_run();
  std::unique_ptr<Stray> stray;
  RunOptions disturbed;
  disturbed.perturb = [&stray](sim::Simulation& simulation) {
    stray = std::make_unique<Stray>(simulation);
  };
  const DeterminismCheck check = check_determinism(loaded, {}, disturbed);
  stray.reset();
  REQUIRE(check.difference);
  INFO(*check.difference);
  CHECK(check.difference->starts_with("NOT DETERMINISTIC  seed 0: first difference at event "));
  CHECK(check.difference->find("stray-event") != std::string::npos);
  CHECK_FALSE(check.result.passed());
}

TEST_CASE("a fact that only one run folds in is noticed, though the events are the same") {
  const Loaded loaded = small_run();
  RunOptions disturbed;
  disturbed.perturb = [](sim::Simulation& simulation) {
    simulation.fold(simulation.add_actor("someone"), "something", 1);
  };
  const DeterminismCheck check = check_determinism(loaded, {}, disturbed);
  CHECK(check.difference.has_value());
}
