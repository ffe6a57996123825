// A run with a live update beside one without: what guests ask for, and what enters devices.

#include "harness/run/differential.h"

#include <algorithm>

#include "harness/report/json_report.h"
#include "harness/report/text_report.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kBoth = "[{holds: [guest-unaware, device-unaware]}]";

Loaded load(const std::string& scenario, std::vector<std::string> overrides) {
  Loaded loaded = check_scenario(testing::source_dir() + "/scenarios/" + scenario + ".yaml",
                                 std::move(overrides));
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  return loaded;
}

RunResult run(const std::string& scenario, std::vector<std::string> overrides = {}) {
  overrides.push_back("expect=" + kBoth);
  return run_scenario(load(scenario, std::move(overrides)), {});
}

std::uint64_t violations(const RunResult& result, std::string_view id) {
  const auto found = std::ranges::find(result.verdicts, id, &InvariantVerdict::id);
  REQUIRE(found != result.verdicts.end());
  CHECK(found->checks > 0);
  return found->violations;
}

const Violation& first(const RunResult& result, std::string_view id) {
  const auto found = std::ranges::find(result.violations, id, &Violation::id);
  REQUIRE(found != result.violations.end());
  return *found;
}

}  // namespace

TEST_CASE("neither guest nor device notices, for each kind of device and for several kexecs") {
  for (const char* name : {"quickstart", "nvme-behind-a-switch", "two-vms-two-devices",
                           "virtual-function", "three-kexecs", "refused-reboot"}) {
    INFO(name);
    const RunResult result = run(name);
    CHECK(violations(result, "guest-unaware") == 0);
    CHECK(violations(result, "device-unaware") == 0);
    CHECK(std::ranges::none_of(result.differences,
                               [](const DifferenceRow& row) { return row.excuse.empty(); }));
  }
}

TEST_CASE("the second run leaves no trace in the first one") {
  const RunResult compared = run("quickstart");
  const RunResult plain = run_scenario(load("quickstart", {}), {});
  CHECK(compared.fingerprint == plain.fingerprint);
  CHECK(compared.events == plain.events);
  CHECK(plain.differences.empty());
  CHECK(std::ranges::find(plain.verdicts, "guest-unaware", &InvariantVerdict::id) ==
        plain.verdicts.end());
}

TEST_CASE("a device that is reset is told, and the guest that has to set it up again") {
  const RunResult result = run("quickstart", {"defects=[vfio-reset-at-open]"});
  CHECK(violations(result, "device-unaware") > 0);
  CHECK(violations(result, "guest-unaware") > 0);
  const bool reset = std::ranges::any_of(result.differences, [](const DifferenceRow& row) {
    return row.excuse.empty() && row.text.starts_with("reset");
  });
  CHECK(reset);
  const Violation& guest = first(result, "guest-unaware");
  CHECK(guest.subject == "guest vm0");
  CHECK_FALSE(guest.chain.empty());
  CHECK(guest.chain.back().text.starts_with("the last call that both runs have: "));
  CHECK(guest.event > 0);
}

TEST_CASE("the stream of completions is that of a run without a live update, but for the time") {
  for (const char* name : {"quickstart", "nvme-behind-a-switch"}) {
    INFO(name);
    CallTape tape;
    RunOptions options;
    options.observers = {&tape};
    static_cast<void>(run_scenario(load(name, {}), options));
    const auto& completions =
        tape.devices().at(0)[static_cast<std::size_t>(InputKind::kCompletion)];
    CHECK(completions.size() > 500);
    CHECK(std::ranges::is_sorted(completions, {}, &queue_of));
    CHECK(violations(run(name), "device-unaware") == 0);
  }
  // What was in the queue of a device that is reset is never completed.
  const RunResult reset = run("quickstart", {"defects=[vfio-reset-at-open]"});
  std::vector<std::string> completions;
  for (const DifferenceRow& row : reset.differences) {
    if (row.text.find("completion of") != std::string::npos) completions.push_back(row.text);
  }
  CAPTURE(completions);
  REQUIRE_FALSE(completions.empty());
  CHECK(completions.front() == "completion of operation 0x3 on queue 0: never");
}

TEST_CASE("each sizing of a BAR is a difference, with who wrote it") {
  const RunResult result = run("quickstart", {"defects=[pci-size-bars]"});
  CHECK(violations(result, "guest-unaware") == 0);
  const Violation& device = first(result, "device-unaware");
  CHECK(device.subject == "dsa0 of vm0");
  CHECK(device.expected == "nothing: without the live update there is none");
  CHECK(device.seen.find(", by kernel 1, ") != std::string::npos);
  const std::string story = format_story(result, Detail::kLog);
  CHECK(story.find("beside a run without the live update") != std::string::npos);
  CHECK(story.find("no violation: it sets up interrupts") != std::string::npos);
  CHECK(format_json(std::span(&result, 1)).find("\"differences\"") != std::string::npos);
}

TEST_CASE("a guest that is never resumed is no guest that does not notice") {
  const RunResult result = run("quickstart", {"defects=[luo-skip-header]"});
  CHECK(violations(result, "guest-unaware") == 1);
  CHECK(first(result, "guest-unaware").seen == "it is paused under kernel 0 and never resumed");
}

TEST_CASE("a VM that is left behind is not compared") {
  const RunResult result = run("one-vm-stays-behind");
  for (const Violation& violation : result.violations) {
    INFO(violation.id << " " << violation.subject << ": " << violation.seen);
    CHECK(violation.id != "guest-unaware");
  }
}

TEST_CASE("all does not run twice; without a VM there is nothing to compare") {
  const Loaded all = load("quickstart", {"expect=[{holds: all}]"});
  CHECK_FALSE(Differential::wanted(all.scenario));
  const Loaded both = load("quickstart", {"expect=[{holds: [all, guest-unaware]}]"});
  CHECK(Differential::wanted(both.scenario));
  CHECK(both.scenario.expect.at(0).ids.size() == all.scenario.expect.at(0).ids.size() + 1);
  const Loaded none = check_scenario(testing::source_dir() + "/scenarios/luo/kexec-simple.yaml",
                                     {"expect=[{holds: guest-unaware}]"});
  CHECK(none.errors().find("guest-unaware compares what guests do, and there is no VM") !=
        std::string::npos);
}

TEST_CASE("an interruption of the second run interrupts the run") {
  const Loaded loaded = load("quickstart", {"expect=" + kBoth});
  // The first run asks that often; the second one is stopped soon.
  std::uint64_t asked = 0;
  RunOptions count;
  count.interrupted = [&asked] {
    ++asked;
    return false;
  };
  static_cast<void>(run_scenario(load("quickstart", {}), count));
  const std::uint64_t first_run = asked;
  asked = 0;
  RunOptions stop;
  stop.interrupted = [&asked, first_run] { return ++asked > first_run + 10; };
  CHECK(run_scenario(loaded, stop).interrupted);
}
