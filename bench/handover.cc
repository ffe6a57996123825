// A live update of many devices: n DSAs, each in a session of its own with an iommufd, a memfd of
// 4 GiB in folios of 2 MiB and its nine interrupts, from the first open to the last finish, two
// boots included. The user is a process of a scenario; every invariant watches.
//
// Usage: handover [n...]   by default 1 8 64 512
#include <chrono>
#include <cstdlib>
#include <string>

#include <fmt/format.h>

#include "bench/handover_scenario.h"
#include "harness/report/text_report.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"

namespace {

using namespace baton::harness;

bool measure(unsigned n) {
  const auto begin = std::chrono::steady_clock::now();
  const Loaded loaded =
      check_scenario_text("handover.yaml", baton::bench::handover_scenario(n, "4GiB"),
                          std::string(BATON_SOURCE) + "/scenarios");
  if (!loaded.good()) {
    fmt::print("{}\n", loaded.errors());
    return false;
  }
  const RunResult result = run_scenario(loaded, {});
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  fmt::print("{:>4} devices  {:>7.3f} s  {:>7.2f} ms a device  {}\n", n, spent.count(),
             spent.count() * 1000 / n, result.passed() ? "" : format_failures(result));
  return result.passed();
}

}  // namespace

int main(int count, char** words) {
  bool good = true;
  if (count < 2) {
    for (const unsigned n : {1U, 8U, 64U, 512U}) good = measure(n) && good;
  }
  for (int i = 1; i < count; ++i) {
    good = measure(static_cast<unsigned>(std::strtoul(words[i], nullptr, 10))) && good;
  }
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
