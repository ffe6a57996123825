// What a translation costs: a remapping unit beside a bare walk of the same tables in one flat
// mapping, in the same run. CPU time of the process; instructions by callgrind, of one of the two
// measured functions:
//
//   vtd_translation [CASE [TRANSLATIONS]]        hit, miss64m, miss16g; all without arguments
//   valgrind --tool=callgrind --toggle-collect='*measured_*' vtd_translation CASE N WHICH
//                                                WHICH: bare, exact or hardware
//
// Each translation depends on the one before, so that latency is measured, not throughput.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "bench/bare_walk.h"
#include "bench/vtd_unit.h"

namespace {

using namespace baton;
using namespace baton::bench;

[[gnu::noinline]] Word measured_bare(const Case& what, Word count, const Bare& bare) {
  return loop(what, count, [&](Word iova) { return bare.walk(iova, 1); });
}
[[gnu::noinline]] Word measured_unit(const Case& what, Word count, Unit& unit) {
  return loop(what, count, [&](Word iova) { return unit.translate(iova); });
}

void measure(const Case& what, Word wanted) {
  constexpr int kRounds = 5;
  // In order each page comes once, or it would be cached the next time.
  const Word count = what.one_page || what.random ? wanted : std::min(wanted, what.pages);
  const Bare bare(what.pages);
  Unit exact(what.pages, iommu_vtd::Caches::kExact);
  Unit bounded(what.pages, iommu_vtd::Caches::kHardware);
  Timed walk;
  Timed forgetful;
  Timed evicting;
  for (int round = 0; round < kRounds; ++round) {
    time(walk, count, [&] { return measured_bare(what, count, bare); });
    if (!what.one_page) exact.forget();
    time(forgetful, count, [&] { return measured_unit(what, count, exact); });
    time(evicting, count, [&] { return measured_unit(what, count, bounded); });
  }
  if (walk.sum != forgetful.sum || walk.sum != evicting.sum) {
    fmt::print(stderr, "{}: the results differ\n", what.name);
    std::exit(1);
  }
  fmt::print(
      "{:8} bare {:7.1f} ns   exact caches {:7.1f} ns ({:.2f}x)   "
      "hardware caches {:7.1f} ns ({:.2f}x)   reads of tables {} {}\n",
      what.name, walk.ns, forgetful.ns, forgetful.ns / walk.ns, evicting.ns, evicting.ns / walk.ns,
      exact.misses, bounded.misses);
}

// One measured function alone, for callgrind; N at most 16384 for misses in order.
void measure_alone(const Case& what, Word count, const std::string& which) {
  if (which == "bare") {
    fmt::print("{:x}\n", measured_bare(what, count, Bare(what.pages)));
  } else {
    Unit unit(what.pages,
              which == "exact" ? iommu_vtd::Caches::kExact : iommu_vtd::Caches::kHardware);
    // Once for memory and tables of the program itself, then from empty caches.
    loop(what, count, [&](Word iova) { return unit.translate(iova); });
    if (!what.one_page) unit.forget();
    unit.misses = 0;
    const Word sum = measured_unit(what, count, unit);
    fmt::print("{:x}, {} reads of tables\n", sum, unit.misses);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "";
  const Word count = argc > 2 ? std::strtoull(argv[2], nullptr, 0) : 1'000'000;
  for (const Case& each : kCases) {
    if (!wanted.empty() && wanted != each.name) continue;
    argc > 3 ? measure_alone(each, count, argv[3]) : measure(each, count);
  }
  return 0;
}
