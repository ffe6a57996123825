// Traces of runs: complete, well-formed for an independent reader, the same every time, and without
// influence on the run.
#include "harness/trace/trace_observer.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <regex>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"
#include "tests/support/trace_check.h"

using namespace baton;
using namespace baton::harness;
using testing::TraceCheck;

namespace {

struct Traced {
  RunResult result;
  std::string bytes;
};

Traced trace(const std::string& name) {
  const Loaded loaded = check_scenario(testing::source_dir() + "/scenarios/" + name);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  TraceObserver observer;
  RunOptions options;
  options.observers.push_back(&observer);
  Traced traced;
  traced.result = run_scenario(loaded, options);
  traced.bytes = observer.bytes();
  return traced;
}

const Traced& quickstart() {
  static const Traced traced = trace("quickstart.yaml");
  return traced;
}

// Runs a command with the trace as its input; its output.
std::string filter(const std::string& bytes, const std::string& command) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / fmt::format("baton-trace-test-{}", ::getpid());
  std::ofstream(file, std::ios::binary) << bytes;
  std::FILE* const pipe = ::popen((command + " < " + file.string() + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) != 0;) {
    output.append(buffer.data(), n);
  }
  const int status = ::pclose(pipe);
  std::filesystem::remove(file);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  return output;
}

bool has_any(const std::vector<std::string>& events, const std::string& name) {
  return std::ranges::find(events, name) != events.end();
}

}  // namespace

TEST_CASE("the trace of a live update is well-formed") {
  const TraceCheck check(quickstart().bytes);
  for (const std::string& problem : check.problems()) FAIL_CHECK(problem);
  CHECK(check.flows() > 10);
}

TEST_CASE("the trace of a live update has every group of tracks, with what happened on them") {
  const TraceCheck check(quickstart().bytes);
  const std::set<std::string> paths = check.paths();
  for (const char* path :
       {"handover", "guests/guest vm0", "guests/guests paused", "invariants",
        "kernel 0 (vision)/boot", "kernel 1 (vision)/boot", "kernel 0 (vision)/luo sessions",
        "kernel 0 (vision)/kho: memory preserved", "kernel 1 (vision)/kho: memory restored",
        "devices", "remapping units", "interrupts"}) {
    INFO(path);
    CHECK(paths.contains(path));
  }
  const std::vector<std::string> phases = check.events("handover");
  for (const char* phase : {"boot (kernel 0)", "freeze (kernel 0)", "kexec (kernel 0)",
                            "boot (kernel 1)", "retrieve (kernel 1)", "finish (kernel 1)"}) {
    INFO(phase);
    CHECK(has_any(phases, phase));
  }
  const std::vector<std::string> guest = check.events("guests/guest vm0");
  CHECK(fmt::format("{}", fmt::join(guest, ",")) == "runs,paused,runs");
}

TEST_CASE("arrows lead from a descriptor over its engine to its completion") {
  const TraceCheck check(quickstart().bytes);
  const std::vector<std::string> way = check.visits(std::uint64_t{1} << 56 | 1);
  REQUIRE(way.size() == 3);
  CHECK(way[0].ends_with("/wq0 descriptors"));
  CHECK(way[1].find("/engine ") != std::string::npos);
  CHECK(way[2].ends_with("/completions"));
}

TEST_CASE("arrows lead from a doorbell of an NVMe queue over the command to its completion") {
  const TraceCheck check(trace("nvme-behind-a-switch.yaml").bytes);
  for (const std::string& problem : check.problems()) FAIL_CHECK(problem);
  const std::vector<std::string> way = check.visits(std::uint64_t{3} << 56 | 1);
  REQUIRE(way.size() == 3);
  CHECK(way[0].ends_with("/commands submitted"));
  CHECK(way[1].ends_with("/commands"));
  CHECK(way[2].ends_with("/completions"));
}

TEST_CASE("arrows lead from an interrupt message over its vector to the handler") {
  const TraceCheck check(quickstart().bytes);
  std::size_t handled = 0;
  for (std::uint64_t id = 1; id < 50; ++id) {
    const std::vector<std::string> way = check.visits(std::uint64_t{2} << 56 | id);
    if (way.size() != 3) continue;
    CHECK(way[0].ends_with("/interrupt messages"));
    CHECK(way[1].starts_with("interrupts/vector "));
    CHECK(way[2].ends_with("/interrupt handlers"));
    ++handled;
  }
  CHECK(handled > 0);
}

TEST_CASE("a violation is an instant on the track of its invariant") {
  const Traced traced = trace("forgotten-memfd-folio.yaml");
  const TraceCheck check(traced.bytes);
  for (const std::string& problem : check.problems()) FAIL_CHECK(problem);
  REQUIRE_FALSE(traced.result.violations.empty());
  const std::string& id = traced.result.violations.front().id;
  CHECK(has_any(check.events("invariants/" + id), "violated: " + id));
}

TEST_CASE("traces of a platform reset and of three kexecs are well-formed") {
  for (const char* name : {"cold-reboot.yaml", "three-kexecs.yaml", "reset-at-boot.yaml"}) {
    INFO(name);
    const TraceCheck check(trace(name).bytes);
    for (const std::string& problem : check.problems()) FAIL_CHECK(problem);
  }
}

TEST_CASE("the same run gives the same trace, and a traced run is the run without a trace") {
  CHECK(trace("quickstart.yaml").bytes == quickstart().bytes);
  const Loaded loaded = check_scenario(testing::source_dir() + "/scenarios/quickstart.yaml");
  const RunResult plain = run_scenario(loaded, {});
  CHECK(plain.fingerprint == quickstart().result.fingerprint);
  CHECK(plain.events == quickstart().result.events);
}

TEST_CASE("protoc decodes a trace without meeting a field that the schema does not have") {
  const std::string text =
      filter(quickstart().bytes, "protoc --decode perfetto.protos.Trace --proto_path=" +
                                     testing::source_dir() + "/proto perfetto.proto");
  CHECK(text.starts_with("packet {"));
  CHECK_FALSE(std::regex_search(text.substr(0, 200'000), std::regex(R"(\n *[0-9]+[: ])")));
}
