// Runs of small scenarios: the host is built as described, the script is played, the result is the
// same every time.

#include "harness/run/run.h"

#include <algorithm>

#include "harness/report/json_report.h"
#include "harness/run/host_builder.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios";

std::string scenario(const std::string& machine_extra, const std::string& rest) {
  return "baton: 1\n"
         "title: t\n"
         "machine:\n"
         "  memory: 8GiB\n"
         "  topology: {lspci: hosts/flat.lspci, add: [{kind: dsa, name: dsa0, bus: 0x6a}" +
         machine_extra + "]}\n" + rest;
}

const std::string kVm =
    "vms:\n"
    "  - {name: vm0, memory: 64MiB, devices: [dsa0], workload: {size: 16KiB, depth: 16, "
    "rate: 20MB/s}}\n";

Loaded load(const std::string& text) {
  Loaded loaded = check_scenario_text("s.yaml", text, kFolder);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  return loaded;
}

std::uint64_t measured(const RunResult& result, std::string_view id) {
  const auto found = std::ranges::find(result.measurements, id, &Measurement::id);
  REQUIRE(found != result.measurements.end());
  return found->value;
}

std::string code_of(const std::string& text) {
  const Loaded loaded = check_scenario_text("s.yaml", text, kFolder);
  if (loaded.good()) return "good";
  return std::string(row_of(loaded.diagnostics.sorted().front().problem).code);
}

}  // namespace

TEST_CASE("a host is built from its dump with the added device on a bus of its own") {
  Loaded loaded = load(scenario("", "expect: []\n"));
  sim::Simulation simulation(0);
  const BuiltHost host = build_host(simulation, loaded);
  REQUIRE(loaded.good());
  CHECK(host.imported > 0);
  REQUIRE(host.added.size() == 1);
  CHECK(host.added[0]->location() == Sbdf{0, Bdf(0x6A, 1, 0)});
  CHECK(host.machine->fabric().find("dsa0") == host.added[0]);
}

TEST_CASE("a bus that the imported host uses is refused, and a dump that is missing or none") {
  CHECK(code_of(scenario(", {kind: dsa, name: dsa1, bus: 0x6a}", "expect: []\n")) == "E0114");
  std::string taken = scenario("", "expect: []\n");
  taken.replace(taken.find("hosts/flat.lspci"), 16, "hosts/switch.lspci");
  taken.replace(taken.find("0x6a"), 4, "0x01");
  CHECK(code_of(taken) == "E0114");
  std::string missing = scenario("", "expect: []\n");
  missing.replace(missing.find("flat"), 4, "flut");
  CHECK(code_of(missing) == "E0113");
  std::string no_dump = scenario("", "expect: []\n");
  no_dump.replace(no_dump.find("hosts/flat.lspci"), 16, "quickstart.yaml");
  CHECK(code_of(no_dump) == "E0115");
}

TEST_CASE("a run without a script boots, runs its guest and ends") {
  const Loaded loaded = load(scenario("", kVm + "end: 30ms\nexpect: [{holds: all}]\n"));
  const RunResult result = run_scenario(loaded, {});
  for (const std::string& note : result.notes) UNSCOPED_INFO(note);
  CHECK(result.passed());
  CHECK(measured(result, "live_updates") == 0);
  CHECK(measured(result, "dma_bytes") > 0);
  CHECK(measured(result, "guest_mismatches") == 0);
  REQUIRE(result.phases.size() >= 2);
  CHECK(result.phases[0].name == "boot");
  CHECK(result.phases[1].name == "run");
  CHECK(result.guests.size() == 1);
}

TEST_CASE("the same scenario and seed give the same report, byte for byte") {
  const Loaded loaded =
      load(scenario("", kVm + "script: [{at: 5ms, do: live-update}]\nexpect: [{holds: all}]\n"));
  const std::vector<RunResult> first{run_scenario(loaded, {})};
  RunOptions with_log;
  with_log.keep_log = true;
  const std::vector<RunResult> second{run_scenario(loaded, with_log)};
  CHECK(format_json(first) == format_json(second));
  CHECK(first[0].log.empty());
  CHECK_FALSE(second[0].log.empty());
}

TEST_CASE("a run that is given up before its guests work has not shown what it never looked at") {
  // Firmware keeps memory for the device: its VMM stops with EPERM.
  std::string text = scenario("", kVm + "expect: [{holds: all}, {holds: dma-continuity}]\n");
  text.replace(text.find("vms:"), 0, "kernels: [{preset: vision}]\n");
  text.replace(text.find("  topology:"), 0,
               "  iommu: {mode: legacy, reserved_regions: [{size: 64KiB, devices: [dsa0]}]}\n");
  const RunResult result = run_scenario(load(text), {});
  CHECK(result.given_up == "the guests' devices did no work within 5.000 s");
  CHECK_FALSE(result.passed());
  REQUIRE(result.expectations.size() == 2);
  CHECK_FALSE(result.expectations[0].met);
  CHECK(result.expectations[1].seen ==
        "dma-continuity was not checked: the run was given up, " + result.given_up);
}

TEST_CASE("a promise that nothing was compared for does not hold by that") {
  const Loaded alone = load(scenario("", kVm + "end: 10ms\nexpect: [{holds: no-reset}]\n"));
  const RunResult result = run_scenario(alone, {});
  CHECK(result.given_up.empty());
  REQUIRE(result.expectations.size() == 1);
  CHECK_FALSE(result.expectations[0].met);
  CHECK(result.expectations[0].seen == "no-reset was not checked");
}

TEST_CASE("a bound that is not met and a violation that does not come fail the run") {
  const Loaded loaded = load(scenario(
      "",
      kVm + "end: 10ms\n"
            "expect: [{measure: live_updates, above: 0}, {violates: isolation}, {holds: all}]\n"));
  const RunResult result = run_scenario(loaded, {});
  REQUIRE(result.expectations.size() == 3);
  CHECK_FALSE(result.expectations[0].met);
  CHECK(result.expectations[0].seen == "0");
  CHECK_FALSE(result.expectations[1].met);
  CHECK(result.expectations[1].seen == "isolation holds");
  CHECK(result.expectations[2].met);
  CHECK_FALSE(result.passed());
}

TEST_CASE("an interrupted run stops where it is and has not passed") {
  const Loaded loaded = load(scenario("", kVm + "end: 10s\nexpect: [{holds: all}]\n"));
  RunOptions options;
  int asked = 0;
  options.interrupted = [&asked] { return ++asked > 5; };
  const RunResult result = run_scenario(loaded, options);
  CHECK(result.interrupted);
  CHECK_FALSE(result.passed());
  CHECK(result.end < sim::Time() + sim::Duration::seconds(1));
}
