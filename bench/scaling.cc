// How costs grow: scaling [CURVE...] prints lines "curve x y", CPU time, the best of three rounds.
//
//   pending    ns for an event      over events pending (PHOLD, uni)
//   functions  ms for a small run   over accelerators that nobody uses
//   sessions   ms for a small run   over VMs, each with a device and a session of its own
//   guest      ms for a small run   over MiB of the guest's memory
//   memory     ms for a small run   over GiB of the machine's memory
//
// Run from the root of the source tree. `tools/plot-curves` draws what this prints.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "bench/phold_model.h"
#include "harness/run/run.h"

namespace {

using baton::harness::Loaded;

constexpr int kRounds = 3;

void say(std::string_view curve, std::uint64_t x, double y) {
  fmt::print("{} {} {:.2f}\n", curve, x, y);
  std::fflush(stdout);
}

void pending() {
  constexpr std::uint64_t kEvents = 1'000'000;
  for (std::uint64_t population = 4; population <= 1 << 20; population *= 4) {
    double best = 1e9;
    for (int round = 0; round < kRounds; ++round) {
      phold::Model<phold::Workload::kUni> model(
          {.workload = phold::Workload::kUni, .population = population});
      model.warm_up();
      const std::uint64_t start = phold::cpu_ns();
      const std::uint64_t events = model.run(kEvents);
      best = std::min(best,
                      static_cast<double>(phold::cpu_ns() - start) / static_cast<double>(events));
    }
    say("pending", population, best);
  }
}

struct Machine {
  std::uint64_t memory_gib = 4;
  std::uint64_t guest_mib = 4;
  std::uint64_t vms = 1;
  std::uint64_t unused = 0;  // accelerators
};

std::string scenario_of(const Machine& machine) {
  std::string text = fmt::format(
      "baton: 1\ntitle: Scaling\nmachine:\n  memory: {}GiB\n  topology:\n    lspci: "
      "hosts/flat.lspci\n    add:\n",
      machine.memory_gib);
  for (std::uint64_t i = 0; i < machine.vms + machine.unused; ++i) {
    text += fmt::format("      - {{kind: dsa, name: dsa{}, bus: {:#x}, device: {}}}\n", i,
                        0x6a + i / 16, 1 + i % 16);
  }
  text += "kernels:\n  - {preset: vision}\nvms:\n";
  for (std::uint64_t i = 0; i < machine.vms; ++i) {
    text += fmt::format(
        "  - name: vm{}\n    memory: {}MiB\n    devices: [dsa{}]\n    workload: {{kind: copy, "
        "size: 4KiB, depth: 4, rate: 10MB/s, verify: sampled}}\n",
        i, machine.guest_mib, i);
  }
  return text + "script:\n  - {at: 1ms, do: live-update}\nexpect:\n  - {holds: all}\n";
}

void run(std::string_view curve, std::uint64_t x, const Machine& machine) {
  const Loaded loaded =
      baton::harness::parse_scenario("scaling.yaml", scenario_of(machine), "scenarios");
  if (!loaded.good()) {
    std::fputs(loaded.errors().c_str(), stderr);
    std::exit(1);
  }
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t start = phold::cpu_ns();
    const auto result = baton::harness::run_scenario(loaded, {});
    if (result.events == 0) std::exit(1);
    best = std::min(best, static_cast<double>(phold::cpu_ns() - start) / 1e6);
  }
  say(curve, x, best);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string_view> wanted(argv + 1, argv + argc);
  const auto is_wanted = [&](std::string_view curve) {
    return wanted.empty() || std::ranges::find(wanted, curve) != wanted.end();
  };
  if (is_wanted("pending")) pending();
  for (std::uint64_t x = 1; is_wanted("functions") && x <= 256; x *= 4) {
    run("functions", x, {.unused = x});
  }
  for (std::uint64_t x = 1; is_wanted("sessions") && x <= 32; x *= 2)
    run("sessions", x, {.vms = x});
  for (std::uint64_t x = 4; is_wanted("guest") && x <= 1024; x *= 4) {
    run("guest", x, {.guest_mib = x});
  }
  for (std::uint64_t x = 4; is_wanted("memory") && x <= 4096; x *= 4) {
    run("memory", x, {.memory_gib = x});
  }
  return 0;
}
