// Regions of what surrounds a simulation: reading a scenario, a whole small run, the same with its
// trace, and the events of a trace. Read from the root of the source tree.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "bench/measured.h"
#include "harness/run/run.h"
#include "harness/trace/perfetto_writer.h"
#include "harness/trace/trace_observer.h"

namespace baton::bench {
namespace {

using harness::Loaded;

// A hundred accelerators and their VMs.
std::string long_scenario() {
  std::string text =
      "baton: 1\ntitle: Many\nmachine:\n  memory: 16GiB\n  topology:\n    lspci: hosts/flat.lspci\n"
      "    add:\n";
  for (unsigned i = 0; i < 100; ++i) {
    text += fmt::format("      - {{kind: dsa, name: dsa{}, bus: {:#x}, device: {}}}\n", i,
                        0x6a + i / 16, 1 + i % 16);
  }
  text += "kernels:\n  - {preset: vision}\nvms:\n";
  for (unsigned i = 0; i < 100; ++i) {
    text += fmt::format(
        "  - name: vm{}\n    memory: 16MiB\n    devices: [dsa{}]\n    workload: {{kind: copy, "
        "size: 4KiB, depth: 4, rate: 10MB/s, verify: sampled}}\n",
        i, i);
  }
  return text + "script:\n  - {at: 1ms, do: live-update}\nexpect:\n  - {holds: all}\n";
}

Work prepare_load() {
  const std::string text = long_scenario();
  return [text](std::uint64_t devices) {
    for (std::uint64_t i = 0; i < devices; i += 100) {
      const Loaded loaded = harness::parse_scenario("many.yaml", text, "scenarios");
      if (!loaded.good()) {
        std::fputs(loaded.errors().c_str(), stderr);
        std::exit(1);
      }
      use(loaded.scenario.vms.size());
    }
    return devices;
  };
}

Work prepare_run(const char* file, bool traced) {
  const auto loaded =
      std::make_shared<Loaded>(harness::load_scenario(file, {"machine.memory=4GiB"}));
  if (!loaded->good()) {
    std::fputs(loaded->errors().c_str(), stderr);
    std::exit(1);
  }
  return [loaded, traced](std::uint64_t runs) {
    for (std::uint64_t i = 0; i < runs; ++i) {
      harness::RunOptions options;
      harness::TraceObserver trace([](std::string_view block) { use(block.size()); });
      if (traced) options.observers.push_back(&trace);
      use(harness::run_scenario(*loaded, options).events);
    }
    return runs;
  };
}

// A slice with two facts, begun and ended: two records. What a file or a memory costs that takes
// the blocks is not part of it.
Work prepare_trace_records() {
  struct State {
    harness::PerfettoWriter writer{[](std::string_view block) { use(block.size()); }};
    harness::TrackId track = writer.track("device", {}, 0);
    std::uint64_t now = 0;
  };
  const auto state = std::make_shared<State>();
  return [state](std::uint64_t records) {
    const harness::TraceArgs facts{{"address", harness::Hex{0x1000}},
                                   {"bytes", std::uint64_t{4096}}};
    for (std::uint64_t i = 0; i < records; i += 2) {
      const auto at = [&] { return sim::Time::from_ps(static_cast<std::int64_t>(++state->now)); };
      state->writer.begin(state->track, at(), "copy", facts);
      state->writer.end(state->track, at());
    }
    return records;
  };
}

}  // namespace

std::vector<Region> run_regions() {
  return {
      {"scenario-load-per-device", 100, prepare_load},
      {"trace-record", 10'000, prepare_trace_records},
      {"small-run", 1, [] { return prepare_run("scenarios/many-small-runs.yaml", false); }},
      {"small-run-traced", 1, [] { return prepare_run("scenarios/many-small-runs.yaml", true); }},
      {"quickstart", 1, [] { return prepare_run("scenarios/quickstart.yaml", false); }},
  };
}

}  // namespace baton::bench
