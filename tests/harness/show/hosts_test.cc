// Imported hosts as a whole: they run a live update, come out of a run as they went in, and what
// cannot run says so.

#include <algorithm>
#include <sstream>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "harness/show/show.h"
#include "model/pci/lspci_dump.h"
#include "tests/support/source_dir.h"
#include "tests/support/tool.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios";
constexpr const char* kHosts[] = {"flat", "hotplug", "multifunction", "switch"};

Loaded scenario(const std::string& lspci, bool with_device) {
  std::string text = "baton: 1\ntitle: t\nmachine:\n  memory: 8GiB\n  topology: {lspci: " + lspci;
  if (with_device) text += ", add: [{kind: dsa, name: dsa0, bus: 0x6a}]";
  text += "}\nkernels: [{preset: vision}]\n";
  if (with_device) {
    text +=
        "vms:\n"
        "  - {name: vm0, memory: 64MiB, devices: [dsa0], workload: {size: 16KiB, depth: 16, "
        "rate: 20MB/s}}\n";
  }
  text += "script: [{at: 50ms, do: live-update}]\nexpect: [{holds: all}]\n";
  return check_scenario_text("s.yaml", text, kFolder);
}

std::optional<std::string> lspci(const std::string& file, const char* option) {
  const auto run = testing::run_tool("lspci", {option, "-F", file});
  if (!run) return std::nullopt;
  CHECK(run->status == 0);
  CHECK(run->errors.empty());
  return run->out;
}

std::string shown_at_end(const Loaded& loaded) {
  ShowRequest request;
  request.row = show_row("lspci");
  std::ostringstream out;
  REQUIRE(show(loaded, request, out).has_value());
  return out.str();
}

}  // namespace

TEST_CASE("each host of the library runs a live update and every invariant holds") {
  for (const char* host : kHosts) {
    INFO(host);
    const Loaded loaded = scenario(std::string("hosts/") + host + ".lspci", true);
    INFO(loaded.errors());
    REQUIRE(loaded.good());
    const RunResult result = run_scenario(loaded, {});
    CHECK(result.passed());
    std::uint64_t checks = 0;
    for (const InvariantVerdict& verdict : result.verdicts) {
      INFO(verdict.id);
      CHECK(verdict.violations == 0);
      checks += verdict.checks;
    }
    CHECK(checks > 1000);
  }
}

TEST_CASE("a host without added devices comes out of a live update with its ids and its tree") {
  for (const char* host : kHosts) {
    INFO(host);
    const std::string original = kFolder + "/hosts/" + host + ".lspci";
    const Loaded loaded = scenario(original, false);
    INFO(loaded.errors());
    REQUIRE(loaded.good());
    const testing::TemporaryFile after(shown_at_end(loaded));
    for (const char* option : {"-n", "-t"}) {
      const auto expected = lspci(original, option);
      if (!expected) return;
      CHECK_FALSE(expected->empty());
      CHECK(lspci(after.path(), option) == expected);
    }
  }
}

TEST_CASE("a host of another architecture is refused where it would have to run") {
  const std::string host = testing::source_dir() + "/tests/pci/data/ppc-2domains.lspci";
  for (const bool with_device : {false, true}) {
    const Loaded loaded = scenario(host, with_device);
    REQUIRE_FALSE(loaded.good());
    const std::string errors = loaded.errors();
    CHECK(errors.find("no host bridge at 00:00.0") != std::string::npos);
    CHECK(errors.find("baton show lspci") != std::string::npos);
  }
}

TEST_CASE("what lspci prints without root rights is refused with the remedy") {
  std::string text;
  std::istringstream lines(testing::read_whole_file(kFolder + "/hosts/flat.lspci"));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    const bool beyond =
        colon == 3 || (colon == 2 && line[0] >= '4' && line.size() > 50 && line[3] == ' ');
    if (!beyond) text += line + "\n";
  }
  const testing::TemporaryFile file(text);
  const Loaded loaded = scenario(file.path(), false);
  REQUIRE_FALSE(loaded.good());
  CHECK(loaded.errors().find("64 bytes of configuration space") != std::string::npos);
  CHECK(loaded.errors().find("as root") != std::string::npos);
}
