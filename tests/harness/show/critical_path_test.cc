// The parts of a pause add up to it, with any number of devices.

#include "harness/record/critical_path.h"

#include <fmt/format.h>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

// As many VMs as devices, each with a DSA. Beyond twenty the kernel runs out of vectors.
Loaded scenario(unsigned devices, const std::string& rest = "") {
  std::string add;
  std::string vms;
  for (unsigned i = 0; i < devices; ++i) {
    add += fmt::format("{}{{kind: dsa, name: dsa{}, bus: {}, device: {}}}", i == 0 ? "" : ", ", i,
                       0x6a, i);
    vms += fmt::format(
        "  - {{name: vm{}, memory: 4MiB, devices: [dsa{}], "
        "workload: {{size: 4KiB, depth: 2, "
        "rate: 1MB/s, verify: sampled}}}}\n",
        i, i);
  }
  Loaded loaded = check_scenario_text(
      "s.yaml",
      fmt::format("baton: 1\ntitle: t\nmachine:\n  memory: 8GiB\n  topology: {{lspci: "
                  "hosts/flat.lspci, add: [{}]}}\nvms:\n{}script: [{{at: 1ms, do: "
                  "live-update}}]\nexpect: []\n{}",
                  add, vms, rest),
      testing::source_dir() + "/scenarios");
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  return loaded;
}

struct Seen {
  std::vector<PausePath> paths;
  sim::Duration pause;  // as the run measures it
};

Seen run(const Loaded& loaded) {
  CriticalPath path;
  RunOptions options;
  options.observers = {&path};
  const RunResult result = run_scenario(loaded, options);
  Seen seen{path.paths(), {}};
  for (const Measurement& one : result.measurements) {
    if (one.id != "guest_pause") continue;
    seen.pause = sim::Duration::picoseconds(static_cast<std::int64_t>(one.value));
  }
  return seen;
}

sim::Duration sum(const PausePath& path) {
  sim::Duration result;
  for (const PathPart& part : path.parts) result += part.time;
  return result;
}

}  // namespace

TEST_CASE("the parts of each pause add up to it exactly, at 1, 8 and 16 devices") {
  for (const unsigned devices : {1U, 8U, 16U}) {
    INFO(devices);
    const Seen seen = run(scenario(devices));
    REQUIRE(seen.paths.size() == devices);
    sim::Duration longest;
    for (const PausePath& path : seen.paths) {
      CHECK(path.resumed);
      CHECK(sum(path) == path.length());
      longest = std::max(longest, path.length());
      for (const PathPart& part : path.parts) {
        CHECK_FALSE(part.subsystem.empty());
        CHECK_FALSE(part.bound.empty());
      }
    }
    CHECK(longest == seen.pause);
    CHECK(format_critical_path_json(seen.paths).find("\"bound\"") != std::string::npos);
  }
}

TEST_CASE("the parts of each pause add up to it exactly with 64 devices in 8 guests") {
  // One CPU has vectors for about twenty DSAs: of each guest's eight, only the first one is at
  // work.
  std::string add;
  std::string vms;
  for (unsigned i = 0; i < 64; ++i) {
    add += fmt::format("{}{{kind: dsa, name: dsa{}, bus: {}, device: {}}}", i == 0 ? "" : ", ", i,
                       0x6a + i / 16 * 5, 1 + i % 16);
  }
  for (unsigned i = 0; i < 8; ++i) {
    std::string devices;
    for (unsigned k = 0; k < 8; ++k) {
      devices += fmt::format("{}dsa{}", k == 0 ? "" : ", ", 8 * i + k);
    }
    vms += fmt::format(
        "  - {{name: vm{}, memory: 4MiB, devices: [{}], "
        "workload: {{size: 4KiB, depth: 2, rate: 1MB/s, verify: sampled}}}}\n",
        i, devices);
  }
  const Loaded loaded = check_scenario_text(
      "s.yaml",
      fmt::format("baton: 1\ntitle: t\nmachine:\n  memory: 8GiB\n  topology: {{lspci: "
                  "hosts/flat.lspci, add: [{}]}}\nvms:\n{}script: [{{at: 1ms, do: "
                  "live-update}}]\nexpect: []\n",
                  add, vms),
      testing::source_dir() + "/scenarios");
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  const Seen seen = run(loaded);
  REQUIRE(seen.paths.size() == 8);
  sim::Duration longest;
  for (const PausePath& path : seen.paths) {
    CHECK(path.resumed);
    CHECK(sum(path) == path.length());
    const PausePath few = folded(path);
    CHECK(sum(few) == path.length());
    CHECK(few.parts.size() < path.parts.size());
    longest = std::max(longest, path.length());
  }
  CHECK(longest == seen.pause);
}

TEST_CASE("a step of the boot profile takes on the path what the profile says") {
  const Seen seen = run(scenario(1));
  REQUIRE(seen.paths.size() == 1);
  for (const linux::BootStep& step : linux::boot_profile()) {
    INFO(step.name);
    const auto part = std::ranges::find_if(seen.paths[0].parts, [&](const PathPart& one) {
      return one.device == step.name && one.bound == "constant of the boot profile";
    });
    REQUIRE(part != seen.paths[0].parts.end());
    CHECK(part->time == step.duration);
    CHECK(part->phase == "boot");
    CHECK(part->generation == 1);
  }
  const std::string text = format_critical_path(seen.paths);
  CHECK(text.find("guest vm0: ") != std::string::npos);
  CHECK(text.find("until the file is retrieved") != std::string::npos);
}

TEST_CASE("a pause that does not end is told as far as it came") {
  const Seen seen = run(scenario(1, "end: 600ms\n"));
  REQUIRE(seen.paths.size() == 1);
  CHECK_FALSE(seen.paths[0].resumed);
  CHECK(sum(seen.paths[0]) == seen.paths[0].length());
  CHECK(format_critical_path(seen.paths).find("still paused") != std::string::npos);
}
